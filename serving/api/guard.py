"""What every request passes: its size, its key, its rate; what every answer gets.

Plain ASGI: a request costs no task and no queue of its own.
"""

import asyncio
import ipaddress
import random
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi.routing import APIRoute
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from replyrank.serving.api.problems import ProblemError
from replyrank.serving.metrics import Metrics
from replyrank.serving.queue.inbound import writable
from replyrank.serving.queue.keys import KeyRing
from replyrank.serving.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: that anybody may ask
OPEN: Final = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
PRINCIPAL: Final = "principal"

_LOG: Final = structlog.get_logger("replyrank.request")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: an id is no secret: it need not wait for the system's random numbers
_IDS: Final = random.Random()  # noqa: S311
#: the reason of what a key asks for too often
_QUOTA: Final = "quota"
_DEPTH: Final = 20
#: what failed or took so many seconds is logged; the rest is counted
_FAILED: Final = 500
_SLOW: Final = 1.0
#: pieces in which a body may come: many tiny ones cost more than their bytes
_PIECES: Final = 4_096
# Linear, also where a string never ends.
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS: Final = re.compile(rb"[^\[\]{}]+")
_PORT: Final = re.compile(r":\d+\Z")
#: seconds in which a body must have come
_PATIENCE: Final = 30.0
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """Wraps the application.

    Args:
        app: what is behind it.
        settings: limits.
        keys: who may ask.
        metrics: is told of every request.
        routes: what paths lead to, for requests that are refused before they get there.
    """

    def __init__(
        self,
        app: App,
        settings: Settings,
        keys: KeyRing,
        metrics: Metrics,
        routes: Sequence[APIRoute],
    ) -> None:
        self._app = app
        self._routes = routes
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._rate = RateLimitItemPerSecond(settings.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, send, self._metrics, self._routes)
        try:
            scope.setdefault("state", {})[PRINCIPAL] = self._admit(scope, request.header)
            inner = receive
            if scope["method"] not in ("GET", "HEAD") and scope["path"] not in OPEN:
                inner = _replay(await self._body(request.header, receive), receive)
            await self._app(scope, inner, request.send)
        except ProblemError as problem:
            await problem.response()(scope, receive, request.send)
        finally:
            request.close()

    def _admit(self, scope: Scope, header: Callable[[bytes], str | None]) -> object:
        """Who asks.

        Raises:
            ProblemError: if nobody who may, or too often.
        """
        if scope["path"] in OPEN:
            return None
        scheme, _, given = (header(b"authorization") or "").partition(" ")
        principal = self._keys.find(given.strip() if scheme.lower() == "bearer" else None)
        if principal is None:
            detail = "no valid API key; send Authorization: Bearer KEY with one that "
            detail += "`replyrank keys create` made"
            raise ProblemError(HTTPStatus.UNAUTHORIZED, detail)
        if principal.id is None:
            self._check_is_meant(header)
        elif not self._limiter.hit(self._rate, principal.id):
            self._metrics.rejected.labels(_QUOTA).inc()
            detail = (
                f"key {principal.id} asked more than {self._settings.requests_per_second} times "
                "within a second; ask less often, or in batches"
            )
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, detail, retry_after=1)
        return principal

    def _check_is_meant(self, header: Callable[[bytes], str | None]) -> None:
        """As long as there is no key, let no page of a browser in by a back door.

        A page from elsewhere may send requests to this machine (they name their origin), and a name
        that leads here may be anybody's.

        Raises:
            ProblemError: if a request comes from such a page, or asks for such a name.
        """
        host, origin = header(b"host") or "", header(b"origin")
        if not is_loopback_name(host.rpartition(":")[0] if _PORT.search(host) else host):
            detail = f"asked for as {writable(host)!r}, which is no name of this machine alone; "
        elif origin is not None and origin.partition("://")[2] != host:
            detail = f"asked by a page of {writable(origin)!r}; "
        else:
            return
        detail += "make a key with `replyrank keys create --name NAME --scope SCOPE`, and send it"
        raise ProblemError(HTTPStatus.FORBIDDEN, detail)

    async def _body(self, header: Callable[[bytes], str | None], receive: Receive) -> bytes:
        """The whole body, within its limits.

        Raises:
            ProblemError: if it is too large, compressed, broken off, or nested too deeply.
        """
        most = self._settings.max_body
        encoding = (header(b"content-encoding") or "identity").lower()
        if encoding != "identity":
            detail = f"content-encoding {encoding!r}; send the body as it is"
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        declared = header(b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > most:
            raise _too_large(int(declared), most)
        try:
            async with asyncio.timeout(_PATIENCE):
                body = await _whole(receive, most)
        except TimeoutError:
            detail = f"the body did not come within {_PATIENCE:g} s; send it at once"
            raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, detail) from None
        if _is_deep(body):
            detail = f"the body is nested more than {_DEPTH} deep; send what the API describes"
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
        return body


class _Request:
    """One request: its id, its answer's head, what it counts as."""

    def __init__(
        self, scope: Scope, send: Send, metrics: Metrics, routes: Sequence[APIRoute]
    ) -> None:
        self._scope = scope
        self._routes = routes
        self._send = send
        self._metrics = metrics
        self._start = time.perf_counter()
        self._status = 0
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.header(b"x-request-id")
        is_fit = given is not None and _REQUEST_ID.fullmatch(given)
        self.id = given if given is not None and is_fit else f"{_IDS.getrandbits(128):032x}"
        structlog.contextvars.bind_contextvars(request_id=self.id)

    def header(self, name: bytes) -> str | None:
        """A header of the request."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass the answer on, its head with our headers."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            own = [*_HEADERS, (b"x-request-id", self.id.encode("ascii"))]
            message["headers"] = [*message.get("headers", ()), *own]
        await self._send(message)

    def close(self) -> None:
        """Count and log it."""
        seconds = time.perf_counter() - self._start
        route = self._route()
        self._metrics.requests.labels(route, str(self._status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if self._status >= _FAILED or seconds > _SLOW:
            _LOG.info(
                "request", request_id=self.id, route=route, status=self._status,
                ms=round(1_000 * seconds, 1),
            )  # fmt: skip

    def _route(self) -> str:
        """What it is counted under; of what was refused at the door, where it wanted to go."""
        path: str = self._scope["path"]
        if path in OPEN:
            return path
        route = self._scope.get("route")
        if route is None:
            route = next((one for one in self._routes if one.path_regex.match(path)), None)
        return getattr(route, "path", None) or "other"


async def _whole(receive: Receive, most: int) -> bytes:
    """A body of at most so many bytes.

    Raises:
        ProblemError: if it is larger, in too many pieces, or broken off.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(HTTPStatus.BAD_REQUEST, "the body broke off; send it whole")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_large(size, most)
        if len(parts) > _PIECES:
            detail = f"the body came in more than {_PIECES} pieces; send larger ones"
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body that was read, and then what follows."""
    is_given = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _is_deep(body: bytes) -> bool:
    """Whether brackets outside of strings stand more than so many deep."""
    if body.count(b"[") + body.count(b"{") <= _DEPTH:
        return False
    depth = 0
    for byte in _NOT_BRACKETS.sub(b"", _STRINGS.sub(b"", body)):
        if byte in b"[{":
            depth += 1
            if depth > _DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def is_loopback_name(host: str) -> bool:
    """Whether a host of a request is this machine, by a name that nobody else can have."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _too_large(size: int, most: int) -> ProblemError:
    detail = f"the body has {size:,} bytes or more, at most {most:,} are taken; send less"
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
