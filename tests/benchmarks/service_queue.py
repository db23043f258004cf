"""The service as a queue: intake, its first page, claims."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import httpx

from tests.benchmarks.load import Connection, closed_loop, quantile, request, run
from tests.benchmarks.posts import mixed_posts
from tests.benchmarks.served import (
    HOST,
    Facts,
    asked_in_turn,
    backlog_of,
    fsync_ms,
    messages,
    served,
)

#: distinct posts for the intake: more than come in while it is measured
_POSTS: Final = 100_000
_BATCH: Final = 50


def ingest(folder: Path, _: list[str], url: str, seconds: float = 15) -> Facts:
    """Batches of 50 distinct posts over 4 connections, scoring on; then the backlog."""
    where, given = (HOST, 8106), messages(mixed_posts(_POSTS))
    bodies = [
        request("POST", "/v1/messages/batch", {"messages": given[at : at + _BATCH]})
        for at in range(0, len(given), _BATCH)
    ]
    with served(folder, 8106, "--database", url):
        load = run(lambda: closed_loop(where, bodies, 4, seconds))
        rate = _BATCH * len(load.of(200)) / seconds
        begun, first = time.monotonic(), backlog_of(8106)
        time.sleep(20)
        drained = (first["provisional"] + first["unscored"]) - sum(backlog_of(8106).values())
        counts = httpx.get(f"http://{HOST}:8106/v1/statistics").json()["items"]
        span = time.monotonic() - begun
    return {
        "messages a second": rate,
        "p99 of a batch, ms": 1_000 * quantile([one.served for one in load.of(200)], 0.99),
        "fsync, ms": fsync_ms(folder),
        "never scored at the end": first["unscored"],
        "backlog drained, messages a second": drained / span,
        "conservation error": counts["conservation_error"],
        "broken or refused": load.broken + len(load.answers) - len(load.of(200)),
    }


def deep_queue(folder: Path, texts: list[str], waiting: int = 100_000) -> Facts:
    """The first page, and claims, of a queue with very many items."""
    from tests.queues import opened, store  # noqa: PLC0415

    url = f"sqlite:///{folder / 'deep.db'}"
    with opened(url) as database:
        fill(store(database), waiting, texts)
    # Nothing else is to run: what is measured is the queue, not the scoring of its filling.
    with served(folder, 8107, "--database", url):
        time.sleep(2)
        page = request("GET", "/v1/queue?limit=50")
        tops = run(lambda: asked_in_turn([page] * 400, 8107))
        claims = [request("POST", "/v1/queue/claim", {"agent": f"k{n}"}) for n in range(400)]
        claimed = run(lambda: asked_in_turn(claims, 8107))
    return {
        "waiting": waiting,
        "top 50, p50 ms": 1_000 * quantile([one.served for one in tops.of(200)], 0.5),
        "top 50, p99 ms": 1_000 * quantile([one.served for one in tops.of(200)], 0.99),
        "claim, p50 ms": 1_000 * quantile([one.served for one in claimed.of(200)], 0.5),
        "claim, p99 ms": 1_000 * quantile([one.served for one in claimed.of(200)], 0.99),
    }


def fill(queue: Any, count: int, texts: list[str]) -> None:
    """Many items that are scored already."""
    import numpy as np  # noqa: PLC0415

    from replyrank.serving.queue.items import Said  # noqa: PLC0415
    from tests.queues import private, weighing  # noqa: PLC0415

    rng = np.random.default_rng(0)
    mood = np.array([0.3, 0.4, 0.3], dtype=np.float32)
    for at in range(0, count, 2_000):
        numbers = range(at, min(at + 2_000, count))
        changes = queue.ingest(
            [private(f"m{n}", texts[n % len(texts)], author=f"a{n}") for n in numbers]
        )
        needs = rng.dirichlet(np.full(16, 0.3), len(changes.unscored)).astype(np.float32)
        queue.write_said(
            [
                Said(one.seq, need, mood, "en", None, "made", provisional=False)
                for one, need in zip(changes.unscored, needs, strict=True)
            ],
            weighing(),
        )


def claimers(folder: Path, texts: list[str], url: str, count: int = 20_000) -> Facts:
    """16 claimers over HTTP until nothing waits; who got what."""
    from tests.queues import opened, store  # noqa: PLC0415

    with opened(url) as database:
        fill(store(database), count, texts)
    with served(folder, 8108, "--database", url):
        begun = time.monotonic()
        taken = asyncio.run(_claim_all(8108))
        span = time.monotonic() - begun
        counts = httpx.get(f"http://{HOST}:8108/v1/statistics").json()["items"]
    pairs = [pair for of in taken for pair in of]
    return {
        "items": count,
        "claimed": len(pairs),
        "claimed twice": len(pairs) - len({item for item, _ in pairs}),
        "claims a second": len(pairs) / span,
        "by claimer": [min(map(len, taken)), max(map(len, taken))],
        "answered": counts["answered"],
        "conservation error": counts["conservation_error"],
    }


async def _claim_all(port: int) -> list[list[tuple[int, int]]]:
    async def work(name: str) -> list[tuple[int, int]]:
        connection, got = Connection(HOST, port), list[tuple[int, int]]()
        claim = request("POST", "/v1/queue/claim", {"agent": name})
        while True:
            status, _, body = await connection.ask(claim)
            if status == 204:
                connection.close()
                return got
            item = json.loads(body)
            got.append((item["item"], item["generation"]))
            finish = {"generation": item["generation"]}
            path = f"/v1/items/{item['item']}/finish"
            status, _, _ = await connection.ask(request("POST", path, finish))
            assert status == 200, status

    return list(await asyncio.gather(*(work(f"agent{n}") for n in range(16))))
