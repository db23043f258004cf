"""The queue: messages in, the order, and the life of an item."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from replyrank.data.vocabulary import Channel, Intent
from replyrank.serving.api import docs
from replyrank.serving.api.context import (
    admit,
    answer,
    inbox_of,
    of_team,
    read,
    shares_of,
    team_of,
)
from replyrank.serving.api.problems import bad_request, lease_lost
from replyrank.serving.api.schemas import Claim, Finish, Hold, InboundMessage, MessageBatch, Name
from replyrank.serving.api.views import item_view, place_views
from replyrank.serving.inbox import Inbox
from replyrank.serving.queue.inbound import Inbound, writable
from replyrank.serving.queue.items import Receipt, Received
from replyrank.serving.queue.keys import Scope
from replyrank.serving.queue.mirror import Filter
from replyrank.serving.queue.schema import State

router = APIRouter(prefix="/v1", tags=["queue"])

#: messages of one batch
MOST_MESSAGES = 500
_MOST_PLACES = 500
_FAR = 1_000_000

Number = Annotated[int, Path(ge=1, lt=2**63)]


@router.post("/messages", responses=docs.INGEST, openapi_extra=docs.body(InboundMessage))
async def ingest(request: Request) -> Response:
    """Take one message in: it is on the disk when the answer comes. Send it again if none comes."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.INGEST)
    body = await read(request, InboundMessage)
    if problem := _too_long(body, inbox):
        raise bad_request(problem)
    (received,) = await inbox.ingest([body.inbound()], principal.team)
    is_new = received.receipt is Receipt.ACCEPTED
    return answer(_received(received), HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@router.post("/messages/batch", responses=docs.INGEST_BATCH, openapi_extra=docs.body(MessageBatch))
async def ingest_batch(request: Request) -> Response:
    """Take many in at once; one that is wrong is told, and the others are taken."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.INGEST)
    body = await read(request, MessageBatch)
    if len(body.messages) > MOST_MESSAGES:
        detail = f"{len(body.messages)} messages, at most {MOST_MESSAGES} are taken at once; "
        raise bad_request(detail + "send smaller batches")
    good: list[Inbound] = []
    results: list[dict[str, Any] | None] = []
    for raw in body.messages:
        one = _read_one(raw, inbox)
        if isinstance(one, Inbound):
            good.append(one)
            results.append(None)
        else:
            results.append(one)
            inbox.metrics.refused()
    taken = iter(await inbox.ingest(good, principal.team) if good else ())
    told = [_received(next(taken)) if one is None else one for one in results]
    return answer({"results": told})


@router.get("/queue", responses=docs.QUEUE)
async def queue(
    request: Request,
    *,
    limit: Annotated[int, Query(ge=1, le=_MOST_PLACES)] = 50,
    offset: Annotated[int, Query(ge=0, le=_FAR)] = 0,
    team: Annotated[Name | None, Query()] = None,
    brand: Annotated[Name | None, Query()] = None,
    channel: Annotated[Channel | None, Query()] = None,
    intent: Annotated[Intent | None, Query()] = None,
    state: Annotated[State, Query()] = State.WAITING,
    agent: Annotated[Name | None, Query()] = None,
) -> Response:
    """The order at this moment, first the one to answer first, each with its reason."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    if state not in (State.WAITING, State.LEASED):
        detail = f"state is {state.value!r}; the order has those waiting, or leased"
        raise bad_request(detail)
    wanted = Filter(team_of(principal, team), brand, channel, intent, state)
    places, total, now = await inbox.queue(wanted, limit, offset, agent)
    return answer(
        {
            "now": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "policy": inbox.policy.name,
            "policy_fingerprint": inbox.policy.fingerprint,
            "total": total,
            "items": place_views(places, shares_of(inbox)),
        }
    )


@router.post("/queue/claim", responses=docs.CLAIM, openapi_extra=docs.body(Claim))
async def claim(request: Request) -> Response:
    """Hold the item to answer next, for a time; nobody else gets it meanwhile."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    body = await read(request, Claim)
    team = team_of(principal, body.team)
    if body.item is not None:
        of_team(await inbox.read(inbox.store.item, body.item), body.item, team)
    wanted = Filter(team, body.brand, body.channel, body.intent)
    lease = body.lease_seconds or inbox.settings.lease
    found = await inbox.claim(body.agent, wanted, lease, body.item)
    if found is None:
        return Response(status_code=HTTPStatus.NO_CONTENT.value)
    _, item = found
    return answer(item_view(item, shares_of(inbox)))


@router.post("/items/{item}/renew", responses=docs.RENEW, openapi_extra=docs.body(Hold))
async def renew(request: Request, item: Number) -> Response:
    """Hold an item for longer; what came in meanwhile comes with the answer."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    body = await read(request, Hold)
    lease = body.lease_seconds or inbox.settings.lease
    found = await inbox.renew(item, body.generation, lease, principal.team)
    whole = None if found is None else await inbox.read(inbox.store.item, item)
    if whole is None:
        raise lease_lost(item, body.generation)
    view = item_view(whole, shares_of(inbox))
    return answer({name: view[name] for name in ("item", "generation", "lease_until", "turns")})


@router.post(
    "/items/{item}/release", responses=docs.RELEASE, openapi_extra=docs.body(Hold), status_code=204
)
async def release(request: Request, item: Number) -> Response:
    """Give an item back unanswered."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    body = await read(request, Hold)
    if not await inbox.release(item, body.generation, principal.team):
        raise lease_lost(item, body.generation)
    return Response(status_code=HTTPStatus.NO_CONTENT.value)


@router.post("/items/{item}/finish", responses=docs.FINISH, openapi_extra=docs.body(Finish))
async def finish(request: Request, item: Number) -> Response:
    """Say that an item is answered, or needs no answer."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    body = await read(request, Finish)
    done = await inbox.finish(item, body.generation, State(body.outcome), principal.team)
    if done is None:
        raise lease_lost(item, body.generation)
    return answer({"item": item, "left_over": done.left_over, "outcome": body.outcome})


@router.get("/items/{item}", responses=docs.ITEM)
async def one_item(request: Request, item: Number) -> Response:
    """One item with all its turns."""
    inbox = inbox_of(request)
    principal = admit(request, Scope.AGENT)
    found = await inbox.read(inbox.store.item, item)
    return answer(item_view(of_team(found, item, principal.team), shares_of(inbox)))


def _read_one(raw: object, inbox: Inbox) -> Inbound | dict[str, Any]:
    """A message of a batch, or what is wrong with it."""
    try:
        message = InboundMessage.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        detail = f"{where}: {first['msg']}" if where else first["msg"]
        return _refusal(raw, detail)
    problem = _too_long(message, inbox)
    return message.inbound() if problem is None else _refusal(raw, problem)


def _too_long(message: InboundMessage, inbox: Inbox) -> str | None:
    most = inbox.settings.max_letters
    if len(message.text) <= most:
        return None
    return f"text has {len(message.text):,} characters, at most {most:,} are taken; send its head"


def _refusal(raw: object, detail: str) -> dict[str, Any]:
    given = raw.get("id") if isinstance(raw, dict) else None
    number = writable(given) if isinstance(given, str) else None
    return {"id": number, "result": "refused", "item": None, "detail": writable(detail)}


def _received(received: Received) -> dict[str, Any]:
    return {
        "id": received.external_id,
        "result": received.receipt.value,
        "item": received.item,
        "detail": None,
    }
