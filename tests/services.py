"""A service in the process of the test: real sockets, a real database, the small model."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

import httpx
import uvicorn

from replyrank.serving.api.app import create_app
from replyrank.serving.settings import Settings

URGENT: Final = "my card was stolen and my money is gone, please help me right now"
PRAISE: Final = "thank you so much, your team is the best, I love it"


class Service:
    """A running service, and how to ask it."""

    def __init__(self, address: str, app: Any) -> None:
        self.address = address
        self.inbox = app.inbox

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """A client with a key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=20, **options)


def settings(folder: Path, **given: Any) -> Settings:
    """Of a service that starts fast."""
    values: dict[str, Any] = {
        "database": f"sqlite:///{folder / 'queue.db'}",
        "model": "fallback",
        "threads": 1,
        "tick": 0.05,
        "watch": 0.05,
        "port": 0,
    }
    return Settings(**values | given)


@contextmanager
def running(of: Settings, before: Callable[[Any], object] = lambda _: None) -> Generator[Service]:
    """A service on a port of its own, on a thread.

    Args:
        of: its settings.
        before: what is done with the application before it starts.
    """
    app = create_app(of)
    before(app)
    # Told that it is TCP, or asyncio leaves small packets waiting for an acknowledgement.
    sock = socket.socket(proto=socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([sock])), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the service did not start"
    try:
        yield Service(f"http://127.0.0.1:{sock.getsockname()[1]}", app)
    finally:
        server.should_exit = True
        thread.join(20)
        sock.close()
        assert not thread.is_alive()


def message(number: str, text: str = URGENT, **fields: Any) -> dict[str, Any]:
    """As a client hands it in."""
    return {"id": number, "brand": "acme", "channel": "twitter", "text": text, **fields}


def until(
    holds: Callable[[], bool], seconds: float = 10, told: Callable[[], str] = lambda: ""
) -> None:
    """Wait for what must come true; ``told`` is what is said of one that does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come true in time {told()}"
        time.sleep(0.02)


def wait_for_keys(service: Service) -> None:
    """Until the service has noticed that a key was made."""
    with service.client() as nobody:
        until(lambda: nobody.get("/v1/queue").status_code == 401)


def scored(client: httpx.Client) -> bool:
    """Whether nothing waits for its scores."""
    return not any(client.get("/v1/statistics").json()["backlog"].values())


def queue(client: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    """The items in their order."""
    found = client.get("/v1/queue", params=wanted)
    assert found.status_code == 200, found.text
    items: list[dict[str, Any]] = found.json()["items"]
    return items
