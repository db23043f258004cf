"""What happens: changes as they come, counts, health, metrics."""

import json
import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from replyrank.serving.api import docs
from replyrank.serving.api.context import admit, answer, inbox_of, still_admitted
from replyrank.serving.api.problems import ProblemError
from replyrank.serving.api.views import event_view
from replyrank.serving.inbox import Inbox
from replyrank.serving.queue.keys import Scope

router = APIRouter()

_FAR = 2**63 - 1
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_PAGE = 200


@router.get("/v1/events", responses=docs.EVENTS, tags=["watching"])
async def events(
    request: Request,
    after: Annotated[int | None, Query(ge=0, le=_FAR)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Changes as server-sent events; after a break, go on from the last id that was seen."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    start = after
    if last_event_id is not None and _NUMBER.fullmatch(last_event_id):
        start = min(int(last_event_id), _FAR)
    if start is None:
        start = await inbox.read(inbox.store.last_event)
    return EventSourceResponse(_changes(request, inbox, start, principal.team))


async def _changes(
    request: Request, inbox: Inbox, after: int, team: str | None
) -> AsyncIterator[ServerSentEvent]:
    # A key that is revoked meanwhile sees nothing more.
    while not inbox.hub.is_closed and still_admitted(request):
        last = await inbox.read(inbox.store.last_event)
        found = await inbox.read(inbox.store.events, after, _PAGE, team)
        for one in found:
            after = one.seq
            data = json.dumps(event_view(one), separators=(",", ":"))
            yield ServerSentEvent(data, event=one.kind.value, id=str(one.seq))
        if len(found) < _PAGE:
            # What is of other teams need not be looked at again.
            after = max(after, last)
            await inbox.hub.wait()


@router.get("/v1/statistics", responses=docs.STATISTICS, tags=["watching"])
async def statistics(request: Request) -> Response:
    """Items by state, who waits and for how long, what is not scored yet, which model answers."""
    inbox = inbox_of(request)
    team = admit(request, Scope.AGENT).team
    if team is None:
        counts = await inbox.read(inbox.store.counts)
    else:
        counts = await inbox.read(inbox.store.states, team)
    backlog = await inbox.read(inbox.store.backlog, team)
    waiting = await inbox.read(inbox.ranker.waiting, inbox.now(), team)
    best = inbox.models.best()
    return answer(
        {
            "items": counts,
            "waiting": [
                {"class": kind, "channel": channel, "count": count, "oldest_seconds": round(age, 1)}
                for (kind, channel), (count, age) in sorted(waiting.items())
            ],
            "backlog": backlog,
            "model": None if best is None else best.name,
            "model_problem": inbox.models.problem,
            "policy": inbox.policy.name,
            "tokens_a_second": round(inbox.gate.rate),
        }
    )


@router.get("/livez", responses=docs.LIVE, tags=["health"])
@router.get("/v2/health/live", responses=docs.LIVE, tags=["health"])
async def live() -> Response:
    """Whether the process answers at all."""
    return answer({"live": True})


@router.get("/readyz", responses=docs.READY, tags=["health"])
@router.get("/v2/health/ready", responses=docs.READY, tags=["health"])
async def ready(request: Request) -> Response:
    """Whether requests should be sent here."""
    problem = await inbox_of(request).check_ready()
    if problem is not None:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, problem, retry_after=1)
    return answer({"ready": True})


@router.get("/metrics", responses=docs.METRICS, tags=["watching"])
async def metrics(request: Request) -> Response:
    """Prometheus's text format."""
    admit(request, Scope.ADMIN)
    inbox = inbox_of(request)
    return Response(inbox.metrics.exposed(), media_type="text/plain; version=0.0.4")
