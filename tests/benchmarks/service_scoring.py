"""The service as a scorer: latency, rate, overload, swaps of the model."""

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import httpx

from replyrank.models import load_scorer
from replyrank.models.find import find_artefact
from replyrank.training.promotion import point_to
from tests.benchmarks.load import Load, closed_loop, open_loop, quantile, request, run
from tests.benchmarks.served import HOST, Facts, asked_in_turn, scores, served, wait_for


def one_connection(folder: Path, texts: list[str]) -> Facts:
    """One text over one connection, beside the same texts in process; in turns."""
    scorer, ours, theirs = load_scorer(threads=1), list[float](), list[float]()
    with served(folder, 8101), httpx.Client():
        for some in range(0, 600, 100):
            part = texts[some : some + 100]
            load = run(partial(asked_in_turn, scores(part), 8101))
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


def many_connections(folder: Path, texts: list[str]) -> Facts:
    """64 connections beside bulk scoring with as many threads, in turns."""
    from replyrank.pipeline.bulk import BulkOptions, score_file  # noqa: PLC0415

    source = folder / "tweets.jsonl"
    part = texts[:3_000]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in part), encoding="utf-8")
    rates, bulk = list[float](), list[float]()
    scorer, where = load_scorer(threads=2), (HOST, 8102)
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
            [*command, "--env-manager", "local", "-h", HOST], stdout=log, stderr=log,
            cwd=folder, start_new_session=True,
            # It starts uvicorn by its name.
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )  # fmt: skip
    try:
        wait_for(lambda: httpx.get(f"http://{HOST}:8104/ping").status_code == 200)
        theirs = [
            request("POST", "/invocations", {"dataframe_records": [{"text": text}]})
            for text in texts
        ]
        rates, rival_rates = list[float](), list[float]()
        with served(folder, 8103, "--max-wait", "1"):
            for _ in range(3):
                ours = run(lambda: closed_loop((HOST, 8103), scores(texts), 64, 8))
                rates.append(len(ours.of(200)) / 8)
                others = run(lambda: closed_loop((HOST, 8104), theirs, 64, 8))
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


def overload(folder: Path, texts: list[str], seconds: float = 120, rounds: int = 3) -> Facts:
    """Twice of what can be done, for two minutes, in turns with less; then whether it recovers."""
    found = [_flooded(folder / str(turn), texts, seconds) for turn in range(rounds)]
    return {name: [facts[name] for facts in found] for name in found[0]}


def _flooded(folder: Path, texts: list[str], seconds: float) -> Facts:
    folder.mkdir()
    where, bodies = (HOST, 8105), scores(texts)
    with served(folder, 8105):
        most = run(lambda: closed_loop(where, bodies, 16, 10))
        saturation = len(most.of(200)) / 10
        calm = run(lambda: open_loop(where, bodies, 0.8 * saturation, 30))
        flood = run(lambda: open_loop(where, bodies, 2 * saturation, seconds))
        after = run(lambda: open_loop(where, bodies, 0.8 * saturation, 12))
    usual = quantile([one.seconds for one in calm.of(200)], 0.99)
    admitted, refused = flood.of(200), flood.of(503, 429)
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
        "refusals over 50 ms, pauses of the load taken off": sum(
            flood.without_pauses(one) > 0.05 for one in refused
        ),
        "pauses of the load over 20 ms": len(flood.pauses),
        "slowest refusal, ms": 1_000 * max((one.served for one in refused), default=0),
        "other answers": len(flood.answers) - len(admitted) - len(refused),
        "broken connections": flood.broken,
        "recovered within, s": _recovered(after, 1.5 * usual),
    }


def _recovered(load: Load, p99: float) -> int | None:
    """The first second in which nothing is refused and the p99 is what it was before."""

    def within(second: int, *statuses: int) -> list[float]:
        return [one.seconds for one in load.of(*statuses) if second <= one.at < second + 1]

    calm = (
        at
        for at in range(12)
        if not within(at, 503, 429) and quantile(within(at, 200), 0.99) <= p99
    )
    return next(calm, None)


def swaps(folder: Path, texts: list[str], times: int = 50) -> Facts:
    """The champion pointer moves again and again while requests come in."""
    home = folder / "home"
    home.mkdir()
    artefacts = [find_artefact("default"), find_artefact("fallback")]
    point_to(home, artefacts[0])
    where, seen = (HOST, 8109), list[str]()
    environment = {"REPLYRANK_HOME": str(home), "REPLYRANK_WATCH": "0.1"}
    with served(folder, 8109, **environment):
        done = threading.Event()

        def move() -> None:
            for turn in range(1, times + 1):
                wanted = artefacts[turn % 2]
                point_to(home, wanted)
                wait_for(partial(_is_model, 8109, wanted.config.name))
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
        "failed with": ", ".join(sorted({str(one.status) for one in failed})),
        "p99, ms": 1_000 * quantile([one.seconds for one in load.of(200)], 0.99),
    }


def _is_model(port: int, name: str) -> bool:
    found = httpx.get(f"http://{HOST}:{port}/v1/statistics").json()["model"]
    return bool(found == name)
