"""The service under load, on this machine: server and load share its cores.

Every part starts a service of its own in a fresh folder and prints what it found; parts may be
named. Texts are distinct real tweets. Rates that have a rival are taken in the same run.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from replyrank.models import load_scorer
from replyrank.models.find import find_artefact
from replyrank.pipeline.markdown import table
from replyrank.training.promotion import point_to
from tests.benchmarks.load import Load, closed_loop, open_loop, quantile, request, run
from tests.benchmarks.reporting import REPORTS, spread, write
from tests.benchmarks.speed import tweets

_COMMAND: Final = "python -m tests.benchmarks.service"
_HOST: Final = "127.0.0.1"
_TEXTS: Final = 5_000
_READY: Final = 60.0

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
    address = f"http://{_HOST}:{port}"
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


def messages(texts: list[str], start: int = 0) -> list[dict[str, Any]]:
    """Messages of as many authors."""
    return [
        {"id": f"m{n}", "brand": "acme", "channel": "twitter", "author": f"a{n}", "text": text}
        for n, text in enumerate(texts, start=start)
    ]


def scores(texts: list[str]) -> list[bytes]:
    """Requests to score one text each."""
    return [request("POST", "/v1/score", {"texts": [text]}) for text in texts]


def one_connection(folder: Path, texts: list[str]) -> Facts:
    """One text over one connection, beside the same texts in process; in turns."""
    scorer, ours, theirs = load_scorer(threads=1), list[float](), list[float]()
    with served(folder, 8101), httpx.Client():
        for some in range(0, 600, 100):
            part = texts[some : some + 100]
            load = run(partial(_each, scores(part)))
            theirs += [1_000 * one.served for one in load.answers]
            for text in part:
                start = time.perf_counter()
                scorer.score_batch([text])
                ours.append(1_000 * (time.perf_counter() - start))
    return {
        "p50 over HTTP, ms": statistics.median(theirs),
        "p50 in process, ms": statistics.median(ours),
        "more, ms": statistics.median(theirs) - statistics.median(ours),
    }


async def _each(requests: list[bytes], port: int = 8101) -> Load:
    from tests.benchmarks.load import Connection, ask  # noqa: PLC0415

    load, connection, begun = Load(), Connection(_HOST, port), time.perf_counter()
    for body in requests:
        await ask(connection, body, load, time.perf_counter(), begun)
    connection.close()
    return load


def many_connections(folder: Path, texts: list[str]) -> Facts:
    """64 connections beside bulk scoring with as many threads, in turns."""
    from replyrank.pipeline.bulk import BulkOptions, score_file  # noqa: PLC0415

    source = folder / "tweets.jsonl"
    part = texts[:3_000]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in part), encoding="utf-8")
    rates, bulk = list[float](), list[float]()
    scorer, where = load_scorer(threads=2), (_HOST, 8102)
    with served(folder, 8102, "--max-wait", "1"):
        for turn in range(3):
            load = run(lambda: closed_loop(where, scores(texts), 64, 8))
            assert not load.broken
            rates.append(len(load.of(200)) / 8)
            start = time.perf_counter()
            score_file(source, folder / f"out{turn}.jsonl", scorer, BulkOptions(deduplicate=False))
            bulk.append(len(part) / (time.perf_counter() - start))
    share = [a / b for a, b in zip(rates, bulk, strict=True)]
    return {"requests a second": rates, "bulk, messages a second": bulk, "share": share}


def against_mlflow(folder: Path, texts: list[str]) -> Facts:
    """64 connections against `mlflow models serve` of the same artefact, in turns."""
    model = _mlflow_model(folder)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "-p", "8104"]
    with (folder / "mlflow.log").open("wb") as log:
        rival = subprocess.Popen(  # noqa: S603
            [*command, "--env-manager", "local", "-h", _HOST], stdout=log, stderr=log,
            cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(lambda: httpx.get(f"http://{_HOST}:8104/ping").status_code == 200)
        theirs = [
            request("POST", "/invocations", {"dataframe_records": [{"text": text}]})
            for text in texts
        ]
        rates, rival_rates = list[float](), list[float]()
        with served(folder, 8103, "--max-wait", "1"):
            for _ in range(3):
                ours = run(lambda: closed_loop((_HOST, 8103), scores(texts), 64, 8))
                rates.append(len(ours.of(200)) / 8)
                others = run(lambda: closed_loop((_HOST, 8104), theirs, 64, 8))
                rival_rates.append(len(others.of(200)) / 8)
    finally:
        os.killpg(rival.pid, signal.SIGKILL)
    times = [a / b for a, b in zip(rates, rival_rates, strict=True)]
    return {"requests a second": rates, "mlflow models serve": rival_rates, "times": times}


def _mlflow_model(folder: Path) -> Path:
    import mlflow  # noqa: PLC0415

    target = folder / "mlflow-model"
    mlflow.pyfunc.save_model(
        path=str(target),
        loader_module="replyrank.pipeline.mlflow_model",
        data_path=str(find_artefact("default").folder),
        pip_requirements=["mlflow"],
    )
    return target


def _wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if holds():
                return
        except httpx.TransportError:
            time.sleep(0.2)
    message = "it did not come up"
    raise RuntimeError(message)


def overload(folder: Path, texts: list[str], seconds: float = 120) -> Facts:
    """Twice of what can be done, for two minutes; then whether it recovers."""
    where, bodies = (_HOST, 8105), scores(texts)
    with served(folder, 8105):
        most = run(lambda: closed_loop(where, bodies, 16, 10))
        saturation = len(most.of(200)) / 10
        calm = run(lambda: open_loop(where, bodies, 0.8 * saturation, 30))
        flood = run(lambda: open_loop(where, bodies, 2 * saturation, seconds))
        after = run(lambda: open_loop(where, bodies, 0.8 * saturation, 12))
    usual = quantile([one.seconds for one in calm.of(200)], 0.99)
    admitted = flood.of(200)
    refused = flood.of(503, 429)
    recovered = next(
        (
            at
            for at in range(12)
            if quantile([a.seconds for a in after.of(200) if at <= a.at < at + 1], 0.99)
            <= 1.5 * usual
            and not [a for a in after.of(503) if at <= a.at < at + 1]
        ),
        None,
    )
    return {
        "saturation, requests a second": saturation,
        "p99 at 0.8, ms": 1_000 * usual,
        "refused at 0.8": len(calm.of(503)) / max(1, len(calm.answers)),
        "p99 of admitted at 2, ms": 1_000 * quantile([one.seconds for one in admitted], 0.99),
        "ratio": quantile([one.seconds for one in admitted], 0.99) / usual,
        "served at 2, of saturation": len(admitted) / seconds / saturation,
        "refused": len(refused),
        "refused without Retry-After": sum(not one.retry_after for one in refused),
        "refusal p99, ms": 1_000 * quantile([one.served for one in refused], 0.99),
        "refusals over 50 ms": sum(one.served > 0.05 for one in refused),
        "slowest refusal, ms": 1_000 * max((one.served for one in refused), default=0),
        "other answers": len(flood.answers) - len(admitted) - len(refused) + flood.broken,
        "recovered within, s": recovered,
    }


def ingest(folder: Path, texts: list[str], url: str, seconds: float = 15) -> Facts:
    """Batches of 50 over 4 connections, scoring on; then the backlog."""
    where = (_HOST, 8106)
    total = 100_000
    long = [texts[n % len(texts)] + f" {n}" for n in range(total)]
    given = messages(long)
    bodies = [
        request("POST", "/v1/messages/batch", {"messages": given[at : at + 50]})
        for at in range(0, total, 50)
    ]
    with served(folder, 8106, "--database", url):
        load = run(lambda: closed_loop(where, bodies, 4, seconds))
        rate = 50 * len(load.of(200)) / seconds
        begun, first = time.monotonic(), _backlog(8106)
        time.sleep(20)
        drained = (first["provisional"] + first["unscored"]) - sum(_backlog(8106).values())
        counts = httpx.get(f"http://{_HOST}:8106/v1/statistics").json()["items"]
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


def _backlog(port: int) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"http://{_HOST}:{port}/v1/statistics").json()["backlog"]
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
        tops = run(lambda: _each([page] * 400, 8107))
        claims = [request("POST", "/v1/queue/claim", {"agent": f"k{n}"}) for n in range(400)]
        claimed = run(lambda: _each(claims, 8107))
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
        counts = httpx.get(f"http://{_HOST}:8108/v1/statistics").json()["items"]
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
    from tests.benchmarks.load import Connection  # noqa: PLC0415

    async def work(name: str) -> list[tuple[int, int]]:
        connection, got = Connection(_HOST, port), list[tuple[int, int]]()
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


def swaps(folder: Path, texts: list[str], times: int = 50) -> Facts:
    """The champion pointer moves again and again while requests come in."""
    home = folder / "home"
    home.mkdir()
    artefacts = [find_artefact("default"), find_artefact("fallback")]
    point_to(home, artefacts[0])
    where, seen = (_HOST, 8109), list[str]()
    environment = {"REPLYRANK_HOME": str(home), "REPLYRANK_WATCH": "0.1"}
    with served(folder, 8109, **environment):
        done = threading.Event()

        def move() -> None:
            for turn in range(1, times + 1):
                wanted = artefacts[turn % 2]
                point_to(home, wanted)
                _wait_for(partial(_is_model, 8109, wanted.config.name))
                seen.append(wanted.config.name)
            done.set()

        mover = threading.Thread(target=move)
        mover.start()

        async def flood() -> Load:
            whole = Load()
            while not done.is_set():
                part = await open_loop(where, scores(texts), 100, 3)
                whole.answers += part.answers
                whole.broken += part.broken
            return whole

        load = run(flood)
        mover.join()
    failed = [one for one in load.answers if one.status != 200]
    return {
        "swaps": len(seen),
        "requests": len(load.answers),
        "failed": len(failed) + load.broken,
        "p99, ms": 1_000 * quantile([one.seconds for one in load.of(200)], 0.99),
    }


def _is_model(port: int, name: str) -> bool:
    found = httpx.get(f"http://{_HOST}:{port}/v1/statistics").json()["model"]
    return bool(found == name)


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


def _on(kind: str, part: Callable[[Path, list[str], str], Facts]) -> Callable[..., Facts]:
    def measured(folder: Path, texts: list[str]) -> Facts:
        with database_url(kind, folder) as url:
            return part(folder, texts, url)

    return measured


PARTS: Final[dict[str, Callable[..., Facts]]] = {
    "one connection": one_connection,
    "64 connections": many_connections,
    "against mlflow": against_mlflow,
    "overload": overload,
    "ingest, sqlite": _on("sqlite", ingest),
    "ingest, postgresql": _on("postgresql", ingest),
    "deep queue": deep_queue,
    "claimers, sqlite": _on("sqlite", claimers),
    "claimers, postgresql": _on("postgresql", claimers),
    "swaps": swaps,
}


def _shown(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], float):
        return spread(value, 2)
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure the parts that are named, or all, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--dry", action="store_true", help="print only")
    arguments = parser.parse_args()
    texts = tweets(_TEXTS)
    path = REPORTS / "service.json"
    known: dict[str, Facts] = json.loads(path.read_text())["parts"] if path.exists() else {}
    for name in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory() as place:
            known[name] = PARTS[name](Path(place), texts)
        print(name, json.dumps(known[name]), file=sys.stderr, flush=True)
    if arguments.dry:
        return
    rows = [
        (name, what, _shown(value))
        for name, facts in known.items()
        for what, value in facts.items()
    ]
    body = table(("part", "what", "value"), rows)
    body += "\n\nMedian (range) where a part was done in turns with its rival."
    write("service", {"parts": known}, body, _COMMAND)


if __name__ == "__main__":
    main()
