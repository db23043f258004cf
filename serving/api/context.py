"""What a route needs of a request: the inbox, who asks, and an answer in JSON."""

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from replyrank.serving.api.docs import MOST_FINDINGS
from replyrank.serving.api.guard import PRINCIPAL
from replyrank.serving.api.problems import ProblemError, not_found
from replyrank.serving.inbox import Inbox
from replyrank.serving.queue.inbound import writable
from replyrank.serving.queue.items import Item
from replyrank.serving.queue.keys import Principal, Scope

Result = TypeVar("Result")
Body = TypeVar("Body", bound=BaseModel)

#: seconds after which a request is watched: most are answered before
_SOON: Final = 0.02


async def read(request: Request, kind: type[Body]) -> Body:
    """The body, as what a route takes; whatever its content type says.

    Raises:
        ProblemError: 400 if it is no JSON, 422 if it is something else.
    """
    try:
        raw = json.loads(await request.body(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        detail = f"the body is no JSON in UTF-8 ({error}); see /v1/openapi.json"
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail) from None
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        found = [
            {
                "where": writable(".".join(map(str, one["loc"])) or "body"),
                "what": writable(one["msg"]),
            }
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ][:MOST_FINDINGS]
        detail = f"{found[0]['where']}: {found[0]['what']}; see /v1/openapi.json"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=found) from None


def _no_number(word: str) -> float:
    message = f"{word} is no number of JSON"
    raise ValueError(message)


class ClientGoneError(Exception):
    """The client closed the connection before its answer was there."""


def inbox_of(request: Request) -> Inbox:
    """The inbox behind the application."""
    inbox: Inbox = request.app.state.inbox
    return inbox


def admit(request: Request, scope: Scope) -> Principal:
    """Who asks, if he may.

    Raises:
        ProblemError: 403 if he may not.
    """
    principal: Principal = request.scope["state"][PRINCIPAL]
    if not principal.may(scope):
        detail = f"key {principal.id} has no scope {scope}; make one with `replyrank keys create "
        raise ProblemError(HTTPStatus.FORBIDDEN, detail + f"--name NAME --scope {scope}`")
    return principal


def still_admitted(request: Request) -> bool:
    """Whether the key that began a long answer is still in use."""
    principal: Principal = request.scope["state"][PRINCIPAL]
    found: bool = request.app.state.keys.knows(principal)
    return found


def team_of(principal: Principal, asked: str | None) -> str | None:
    """The team whose items are meant; None for all.

    Raises:
        ProblemError: 403 if a key of one team asks for another.
    """
    if principal.team is not None and asked not in (None, principal.team):
        detail = f"key {principal.id} is of the team {principal.team!r}, and {asked!r} is asked for"
        raise ProblemError(HTTPStatus.FORBIDDEN, f"{detail}; leave the team out")
    return asked if principal.team is None else principal.team


def of_team(item: Item | None, number: int, team: str | None) -> Item:
    """An item that is there and may be seen.

    Raises:
        ProblemError: 404 if it is not.
    """
    if item is None or team not in (None, item.team):
        detail = f"no item {number}; GET /v1/queue lists those that wait"
        raise not_found(detail)
    return item


def answer(content: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """JSON as it is: what we make needs no check."""
    return Response(to_json(content), status.value, media_type="application/json")


def shares_of(inbox: Inbox) -> Sequence[float] | None:
    """The priors of sentiment of the model in use."""
    best = inbox.models.best()
    return None if best is None else best.scorer.config.priors.sentiment


async def while_connected(request: Request, work: "asyncio.Future[Result]") -> Result:
    """The result of work, which is cancelled when the client goes.

    Raises:
        ClientGoneError: if it went.
    """
    loop = asyncio.get_running_loop()
    watching: asyncio.Task[None] | None = None

    def watch() -> None:
        nonlocal watching
        watching = loop.create_task(_cancel_when_gone(request, work))

    soon = loop.call_later(_SOON, watch)
    try:
        return await work
    except asyncio.CancelledError:
        if watching is not None and watching.done():
            raise ClientGoneError from None
        raise
    finally:
        soon.cancel()
        if watching is not None:
            watching.cancel()
        work.cancel()


async def _cancel_when_gone(request: Request, work: "asyncio.Future[Any]") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    work.cancel()
