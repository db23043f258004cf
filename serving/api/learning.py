"""What agents say of the labels, and what training learns of it."""

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from replyrank.serving.api import docs
from replyrank.serving.api.context import admit, answer, inbox_of, read
from replyrank.serving.api.problems import not_found
from replyrank.serving.api.schemas import Correction
from replyrank.serving.queue.keys import Scope
from replyrank.serving.queue.people import Labelling, corrections

router = APIRouter(prefix="/v1/corrections", tags=["corrections"])

_FAR = 2**63 - 1


@router.post("", responses=docs.CORRECT, openapi_extra=docs.body(Correction))
async def correct(request: Request) -> Response:
    """Say what a message really is: its item ranks by that at once, and training learns of it."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    body = await read(request, Correction)
    labelling = Labelling(
        brand=body.brand,
        channel=body.channel.value,
        external_id=body.id,
        intent=body.intent,
        urgency=body.urgency_level,
        sentiment=body.sentiment_label,
        by=body.by,
        team=principal.team,
    )
    item = await inbox.correct(labelling)
    if item is None:
        detail = (
            f"no message {body.id!r} of {body.brand!r} on {body.channel.value}; ingest it first"
        )
        raise not_found(detail)
    return answer({"item": item})


@router.get("", responses=docs.CORRECTIONS)
async def records(
    request: Request,
    after: Annotated[int, Query(ge=0, le=_FAR)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Records for training after a number: labels, and messages to forget."""
    inbox = inbox_of(request)
    admit(request, Scope.ADMIN)

    def found() -> list[tuple[int, str]]:
        return list(corrections(inbox.database, after, limit))

    rows = await inbox.read(found)
    last = rows[-1][0] if rows else after
    return answer({"records": [json.loads(record) for _, record in rows], "next": last})
