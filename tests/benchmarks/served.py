"""A service in a process of its own, and what its benchmarks ask of it."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.benchmarks.load import Connection, Load, ask, request

HOST: Final = "127.0.0.1"
_READY: Final = 60.0
_PATIENCE: Final = 120.0

Facts = dict[str, Any]


@contextmanager
def served(folder: Path, port: int, *options: str, **environment: str) -> Generator[str]:
    """A service in a process of its own."""
    command = [sys.executable, "-m", "replyrank.serving", "serve", "--port", str(port)]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            [*command, "--drain", "0", *options],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
        )
    address = f"http://{HOST}:{port}"
    try:
        wait_ready(address, process)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_ready(address: str, process: "subprocess.Popen[bytes]") -> None:
    """Until a service is ready."""
    end = time.monotonic() + _READY
    while time.monotonic() < end:
        assert process.poll() is None, "the service ended"
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    message = "the service did not become ready"
    raise RuntimeError(message)


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if holds():
                return
        except httpx.TransportError:
            time.sleep(0.2)
    message = "it did not come up"
    raise RuntimeError(message)


def messages(texts: list[str], start: int = 0) -> list[dict[str, Any]]:
    """Messages of as many authors."""
    return [
        {"id": f"m{n}", "brand": "acme", "channel": "twitter", "author": f"a{n}", "text": text}
        for n, text in enumerate(texts, start=start)
    ]


def scores(texts: list[str]) -> list[bytes]:
    """Requests to score one text each."""
    return [request("POST", "/v1/score", {"texts": [text]}) for text in texts]


async def asked_in_turn(requests: list[bytes], port: int) -> Load:
    load, connection, begun = Load(), Connection(HOST, port), time.perf_counter()
    for body in requests:
        await ask(connection, body, load, time.perf_counter(), begun)
    connection.close()
    return load


def backlog_of(port: int) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"http://{HOST}:{port}/v1/statistics").json()["backlog"]
    return found


def fsync_ms(folder: Path) -> float:
    """Median time of a small write that is forced to the disk."""
    path, times = folder / "fsync", list[float]()
    with path.open("wb") as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(b"x" * 4_096)
            file.flush()
            os.fsync(file.fileno())
            times.append(1_000 * (time.perf_counter() - start))
    return statistics.median(times)


@contextmanager
def database_url(kind: str, folder: Path) -> Generator[str]:
    """A new database of a kind."""
    from tests.queues import PostgresServer  # noqa: PLC0415

    if kind == "sqlite":
        yield f"sqlite:///{folder / 'queue.db'}"
        return
    server = PostgresServer(folder / "postgres")
    try:
        yield server.url()
    finally:
        server.close()
