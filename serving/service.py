"""One process of the service, from the first port to the last answer."""

import asyncio
import contextlib
import gc
import ipaddress
import signal
import socket
import sys
from collections.abc import Generator, Mapping
from types import FrameType
from typing import Any, Final

import structlog
import uvicorn
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from replyrank.data.errors import ReplyrankError, UsageError
from replyrank.models.find import find_artefact
from replyrank.pipeline.policy_file import load_policy
from replyrank.serving import logs, tracing
from replyrank.serving.api.app import create_app
from replyrank.serving.errors import ListenError, StoreError
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.keys import list_keys
from replyrank.serving.queue.weighing import Weighing
from replyrank.serving.settings import Settings

_LOG: Final = structlog.get_logger("replyrank.service")
#: connections that wait to be accepted
_BACKLOG: Final = 2_048
#: seconds after which a thread that computes lets another one run
_SWITCH: Final = 0.0005
#: bytes of a request's head, and seconds in which it must have come
_MOST_OF_A_HEAD: Final = 64 * 1_024
_PATIENCE: Final = 30.0
#: new objects between two collections
_GARBAGE: Final = 50_000


def load_settings(given: Mapping[str, Any]) -> Settings:
    """Settings of the options that were given, and of the environment.

    Raises:
        UsageError: naming the setting, its value and what it should be.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        name = ".".join(map(str, detail["loc"]))
        message = f"setting {name} is {detail['input']!r}: {detail['msg']}; change the option, or "
        raise UsageError(message + f"REPLYRANK_{name.upper()}") from error


def weighing_of(settings: Settings) -> Weighing:
    """How a service with these settings weighs items."""
    policy = load_policy(settings.policy)
    try:
        priors = find_artefact(settings.model).config.priors.need
    except ReplyrankError:
        # As the service does where no model can be loaded.
        priors = None
    return Weighing(policy, priors)


def run(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        UsageError: if it would listen beyond this machine without any key.
        StoreError: if the database cannot be used.
        ListenError: if something else listens there.
    """
    logs.set_up()
    _prepare(settings)
    # While a thread holds the interpreter, the event loop waits for its turn.
    sys.setswitchinterval(_SWITCH)
    # What is loaded by now stays: a collection need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE, 20, 50)
    app = create_app(settings)
    tracing.set_up(app)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=_Protocol,
        lifespan="on",
        backlog=_BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing here asks for the caller's address.
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.grace)),
        timeout_keep_alive=75,
    )
    server = _Server(config, app, settings.drain)
    server.run(sockets=_listen(settings.host, settings.port))
    if not server.started:
        message = "the service could not start; what is wrong stands above"
        raise StoreError(message)


class _Server(uvicorn.Server):
    """Goes down in order: not ready, a pause in which balancers turn away, then no new requests."""

    def __init__(self, config: uvicorn.Config, app: Any, drain: float) -> None:
        super().__init__(config)
        self._inbox = app.inbox
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Ours in the place of uvicorn's own handling."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """The first signal drains, the second one ends at once."""
        if self._draining is not None:
            self.should_exit = self.force_exit = True
            return
        self._inbox.is_draining = True
        _LOG.info("draining", seconds=self._drain)
        self._draining = asyncio.get_running_loop().create_task(self._go_down())

    async def _go_down(self) -> None:
        await asyncio.sleep(self._drain)
        # Those who watch would keep their connections for ever.
        self._inbox.hub.close()
        self._inbox.hub.wake()
        self.should_exit = True


class _Protocol(HttpToolsProtocol):
    """Closes a connection whose request does not end its head, in bytes or in time."""

    _head = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A head is to come."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head."""
        if self._late is not None:
            self._head += len(data)
            if self._head > _MOST_OF_A_HEAD + len(data):
                self.transport.close()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head is there; a body has limits of its own."""
        self._drop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next head may come."""
        super().on_message_complete()
        self._head = 0

    def on_message_begin(self) -> None:
        """A head has begun."""
        super().on_message_begin()
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to come any more."""
        self._drop_timer()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._drop_timer()
        self._late = self.loop.call_later(_PATIENCE, self.transport.close)

    def _drop_timer(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _prepare(settings: Settings) -> None:
    """The tables, and a key where others than this machine could ask."""
    database = Database(settings.database)
    try:
        database.migrate()
        if _is_loopback(settings.host):
            return
        if any(not key.is_revoked for key in list_keys(database)):
            return
    finally:
        database.close()
    message = (
        f"{settings.host} can be reached from other machines, and no key was made; make one with "
        "`replyrank keys create --name NAME --scope SCOPE`, or listen on 127.0.0.1"
    )
    raise UsageError(message)


def _listen(host: str, port: int) -> list[socket.socket]:
    """Sockets of every address of a host.

    Raises:
        ListenError: naming what cannot be listened on, and why.
    """
    found = list[socket.socket]()
    try:
        for family, kind, protocol, _, address in dict.fromkeys(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            one = socket.socket(family, kind, protocol)
            found.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
    except OSError as error:
        for one in found:
            one.close()
        message = f"cannot listen on {host} port {port} ({error.strerror}); stop what listens "
        raise ListenError(message + "there, or give another --host or --port") from error
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        try:
            found = {info[4][0] for info in socket.getaddrinfo(host, None)}
        except OSError:
            return False
        return all(ipaddress.ip_address(address).is_loopback for address in found)
