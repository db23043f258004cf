"""The application: routes, errors, life cycle."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from replyrank.serving.api import docs, inference, learning, queue, scoring, watching
from replyrank.serving.api.context import ClientGoneError
from replyrank.serving.api.direct import Direct
from replyrank.serving.api.guard import App, Guard
from replyrank.serving.api.problems import ProblemError
from replyrank.serving.inbox import Inbox
from replyrank.serving.metrics import Metrics
from replyrank.serving.queue.keys import KeyRing
from replyrank.serving.settings import Settings

_LOG: Final = structlog.get_logger("replyrank.api")
#: seconds between readings of the keys
_KEYS_AGAIN: Final = 2.0
_CLIENT_GONE: Final = 499
#: routes that are asked all the time, and take the request alone
DIRECT: Final = ("/v1/score", "/v1/messages", "/v1/messages/batch", "/v1/queue/claim")


def create_app(settings: Settings, metrics: Metrics | None = None) -> App:
    """The service as an ASGI application.

    Raises:
        SettingsError: if the policy cannot be used.
        StoreError: if the database cannot.
    """
    metrics = metrics or Metrics()
    inbox = Inbox(settings, metrics)
    keys = KeyRing(inbox.database)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await inbox.start()
        await inbox.read(keys.load)
        reading = asyncio.create_task(_read_keys(inbox, keys))
        try:
            yield
        finally:
            reading.cancel()
            await inbox.stop()

    app = FastAPI(
        title="replyrank",
        version=version("replyrank"),
        description="Score messages, and keep them in the order in which waiting costs least.",
        lifespan=lifespan,
        # Its pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
    )
    app.state.inbox = inbox
    app.state.keys = keys
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    routers = [one.router for one in (scoring, inference, queue, learning, watching)]
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(kind, _database)
    app.add_exception_handler(ClientGoneError, _gone)
    app.add_exception_handler(Exception, _unexpected)
    direct = Direct(app, [*asked_often(scoring.router), *asked_often(queue.router)])
    known = [one for router in routers for one in router.routes if isinstance(one, APIRoute)]
    return _Service(Guard(direct, settings, keys, metrics, known), inbox, app, direct)


def asked_often(router: APIRouter) -> list[APIRoute]:
    """The routes of a router that are called directly."""
    return [one for one in router.routes if isinstance(one, APIRoute) and one.path in DIRECT]


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the bodies that routes read themselves."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = document.setdefault("components", {}).setdefault("schemas", {})
        components.update(docs.COMPONENTS)
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema


class _Service:
    """The guarded application, with the inbox and the routes for whoever runs it."""

    def __init__(self, app: App, inbox: Inbox, routes: FastAPI, direct: Direct) -> None:
        self._app = app
        self.inbox = inbox
        self.routes = routes
        self.direct = direct

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


async def _read_keys(inbox: Inbox, keys: KeyRing) -> None:
    while True:
        await asyncio.sleep(_KEYS_AGAIN)
        try:
            await inbox.read(keys.load)
        except Exception as error:  # whatever it is: revoked keys must go on to be noticed
            _LOG.warning("keys_not_read", error=type(error).__name__)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    """422: every finding with its place, without what was sent."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = [
        {"where": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()
    ][: docs.MOST_FINDINGS]
    detail = f"{found[0]['where']}: {found[0]['what']}; see /v1/openapi.json"
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=found).response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    response = ProblemError(HTTPStatus(error.status_code), str(error.detail)).response()
    response.headers.update(error.headers or {})
    return response


async def _database(_: Request, error: Exception) -> Response:
    """503: nothing was acknowledged; the same request may be sent again."""
    _LOG.error("database_failed", error=type(getattr(error, "orig", error)).__name__)
    detail = "the database does not take it now; nothing of the request was kept, send it again"
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=1).response()


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


async def _unexpected(_: Request, error: Exception) -> Response:
    _LOG.error("unexpected", error=type(error).__name__, exc_info=error)
    detail = "something went wrong here; the log has it under the X-Request-ID of this answer"
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()
