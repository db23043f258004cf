"""A load generator for the service: raw HTTP/1.1 over kept connections, closed and open loop.

Closed loop: each connection asks again when its answer is there. Open loop: requests begin when the
clock says so, whether or not others were answered; a time counts from when the request was due. So
a server that falls behind cannot hide it.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

#: seconds between two looks at whether the load itself stands still, and what counts as standing
_BEAT = 0.005
_STILL = 0.02

#: bodies that are sent in turn
Bodies = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Answered:
    """One request."""

    status: int
    #: from when it was due, and from when it was sent
    seconds: float
    served: float
    retry_after: bool
    #: when it was due, from the beginning
    at: float


@dataclass
class Load:
    """What came back."""

    answers: list[Answered] = field(default_factory=list)
    #: connections that broke
    broken: int = 0
    #: in which the load itself did not run, from the beginning: what shares its cores, or the
    #: machine, took the time
    pauses: list[tuple[float, float]] = field(default_factory=list)

    def of(self, *statuses: int) -> list[Answered]:
        """Those with a status."""
        return [one for one in self.answers if one.status in statuses]

    def without_pauses(self, one: Answered) -> float:
        """Seconds from sent to answered in which the load could have seen the answer."""
        end = one.at + one.seconds
        start = end - one.served
        still = sum(max(0.0, min(end, b) - max(start, a)) for a, b in self.pauses)
        return one.served - still


class Connection:
    """One kept connection."""

    def __init__(self, host: str, port: int) -> None:
        self._where = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bool, bytes]:
        """Status, whether Retry-After is there, and the body."""
        if self._streams is not None and self._streams[0].at_eof():
            # Closed by the server after its idle time, as any client finds out before it asks.
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._where, limit=1 << 24)
        reader, writer = self._streams
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lowered = head.lower()
            start = lowered.find(b"content-length:")
            body = b""
            if start >= 0:
                length = int(lowered[start + 15 : lowered.index(b"\r\n", start)])
                body = await reader.readexactly(length)
            return int(head[9:12]), b"retry-after:" in lowered, body
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            raise

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def request(method: str, path: str, body: object = None) -> bytes:
    """The bytes of a request."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def closed_loop(
    where: tuple[str, int], requests: Bodies, connections: int, seconds: float
) -> Load:
    """So many connections, each asking as soon as it is answered."""
    load, begun = Load(), time.perf_counter()
    end, turn = begun + seconds, iter(range(1 << 60))

    async def work() -> None:
        connection = Connection(*where)
        while (start := time.perf_counter()) < end:
            await ask(connection, requests[next(turn) % len(requests)], load, start, begun)
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return load


async def open_loop(
    where: tuple[str, int], requests: Bodies, rate: float, seconds: float, seed: int = 0
) -> Load:
    """Requests at the times of a Poisson process."""
    load, rng = Load(), random.Random(seed)  # noqa: S311
    free: list[Connection] = []
    tasks: set[asyncio.Task[None]] = set()
    begun = time.perf_counter()
    due, number = begun, 0
    beat = asyncio.create_task(_watch_pauses(load, begun))

    async def work(body: bytes, at: float) -> None:
        connection = free.pop() if free else Connection(*where)
        await ask(connection, body, load, at, begun)
        free.append(connection)

    while (due := due + rng.expovariate(rate)) < begun + seconds:
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        task = asyncio.create_task(work(requests[number % len(requests)], due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
    await asyncio.gather(*tasks)
    beat.cancel()
    for connection in free:
        connection.close()
    return load


async def _watch_pauses(load: Load, begun: float) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(_BEAT)
        now = time.perf_counter()
        if now - last > _STILL:
            load.pauses.append((last + _BEAT - begun, now - begun))
        last = now


async def ask(connection: Connection, body: bytes, load: Load, due: float, begun: float) -> None:
    sent = time.perf_counter()
    try:
        status, retry, _ = await connection.ask(body)
    except (OSError, asyncio.IncompleteReadError):
        load.broken += 1
        return
    now = time.perf_counter()
    load.answers.append(Answered(status, now - due, now - sent, retry, due - begun))


def quantile(values: Sequence[float], q: float) -> float:
    """By rank; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def run(work: Callable[[], Awaitable[Load]]) -> Load:
    """On the fast event loop."""
    import uvloop  # noqa: PLC0415

    async def go() -> Load:
        return await work()

    return uvloop.run(go())
