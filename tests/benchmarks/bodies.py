"""What pydantic costs where requests are read and answers written, beside checks by hand.

Reading: the models that the service uses, against ``json.loads`` and checks by hand of the same
rules, with the same result. Writing: as the service does it, against FastAPI's ``response_model``;
of each the time of a route that answers nothing is taken off. All in one process, in turns. What a
request takes as a whole comes from the report of ``service``.
"""

import asyncio
import csv
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, create_model
from starlette.responses import Response

from replyrank.data.vocabulary import SCORE_COLUMNS, TEXT_SCORE_COLUMNS
from replyrank.models import load_scorer
from replyrank.pipeline.markdown import table
from replyrank.serving.api.context import answer
from replyrank.serving.api.views import score_rows
from tests.benchmarks.bodies_by_hand import (
    batch_by_hand,
    batch_by_pydantic,
    check_both_agree,
    texts_by_hand,
    texts_by_pydantic,
)
from tests.benchmarks.reporting import read, spread, write

_COMMAND: Final = "python -m tests.benchmarks.bodies"
_SAMPLE: Final = Path("data/samples/inbox.csv")
_MANY: Final = 50
_ROUNDS: Final = 40
#: seconds of one turn of one way
_TURN: Final = 0.02
_TOLD: Final = (
    "Median and range of the rounds; differences and ratios are those of each round. Reading is "
    "`json.loads` and what checks its result, either way. Of writing, what a route takes that "
    "answers nothing is taken off."
)

#: does something so many times
Repeat = Callable[[int], object]
#: of each way, the microseconds of one call in each round
Times = dict[str, list[float]]


class Received(BaseModel):
    """What became of a message."""

    id: str | None
    result: str
    item: int | None
    detail: str | None


class ReceivedBatch(BaseModel):
    """What became of each message of a batch."""

    results: list[Received]


def _scores_model() -> type[BaseModel]:
    """The answer of ``POST /v1/score``, as FastAPI would have it declared."""
    columns: dict[str, Any] = {
        name: (str | None if name in TEXT_SCORE_COLUMNS else float, ...) for name in SCORE_COLUMNS
    }
    rows: Any = list[create_model("Row", **columns)]  # type: ignore[misc]
    return create_model("Scores", model=(str, ...), scores=(rows, ...))


def _sample() -> list[dict[str, Any]]:
    """Messages as clients hand them in, of the sample inbox."""
    with _SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = [
            {name: value for name, value in row.items() if value} for row in csv.DictReader(file)
        ]
    whole = [row for row in rows if {"id", "brand", "channel", "text"} <= row.keys()]
    return [row | {"reach": int(row["reach"])} if "reach" in row else row for row in whole]


def timed(ways: Mapping[str, Repeat], rounds: int = _ROUNDS) -> Times:
    """Microseconds of one call of each way, in turns."""
    counts = {name: _count(way) for name, way in ways.items()}
    found: Times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way(counts[name])
            seconds = time.perf_counter() - start
            found[name].append(round(1e6 * seconds / counts[name], 2))
    return found


def _count(way: Repeat) -> int:
    """How often a way is called in one turn."""
    count = 1
    while True:
        start = time.perf_counter()
        way(count)
        if time.perf_counter() - start > _TURN:
            return count
        count *= 2


def reading(way: Callable[[bytes], object], raw: bytes) -> Repeat:
    """Read one body again and again."""

    def repeat(count: int) -> None:
        for _ in range(count):
            way(raw)

    return repeat


def writing(
    content: Any, kind: type[BaseModel], loop: asyncio.AbstractEventLoop
) -> dict[str, Repeat]:
    """Answer with some content by a route, in each way; and with nothing."""
    app = FastAPI()

    @app.get("/nothing")
    async def nothing() -> Response:
        return Response(b"")

    @app.get("/ours")
    async def ours() -> Response:
        return answer(content)

    @app.get("/model", response_model=kind)
    async def model() -> Any:
        return content

    def repeat(path: str) -> Repeat:
        return lambda count: loop.run_until_complete(_ask(app, path, count))

    def json_of(path: str) -> Any:
        return json.loads(loop.run_until_complete(_ask(app, path, 1)))

    assert json_of("/ours") == json_of("/model")
    return {path: repeat(f"/{path}") for path in ("nothing", "ours", "model")}


async def _ask(app: FastAPI, path: str, count: int) -> bytes:
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
        "root_path": "", "query_string": b"", "headers": [], "http_version": "1.1",
        "scheme": "http", "server": ("localhost", 80), "client": ("localhost", 1),
    }  # fmt: skip
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        parts.append(message.get("body", b""))

    for _ in range(count):
        parts.clear()
        await app(dict(scope), receive, send)
    return b"".join(parts)


def _of_requests() -> dict[str, tuple[float, str]]:
    """Milliseconds of one request of each kind, and where that comes from."""
    parts = read("service")["parts"]
    bulk = statistics.median(parts["64 connections"]["bulk, messages a second"])
    taken_in = parts["ingest, sqlite"]["messages a second"]
    return {
        "score, 1 text": (parts["one connection"]["p50 over HTTP, ms"], "p50 over HTTP"),
        f"score, {_MANY} texts": (1_000 * _MANY / bulk, "at the rate of bulk scoring"),
        f"batch, {_MANY} messages": (1_000 * _MANY / taken_in, "at the rate of taking in"),
    }


def _measure() -> dict[str, dict[str, Times]]:
    """Reading and writing of each kind of request."""
    messages = list(islice(cycle(_sample()), _MANY))
    check_both_agree(messages)
    texts = [one["text"] for one in messages]
    scores = load_scorer("fallback").score_batch(texts)
    results = [
        {"id": one["id"], "result": "accepted", "item": number, "detail": None}
        for number, one in enumerate(messages, 1)
    ]
    found: dict[str, dict[str, Times]] = {}
    loop = asyncio.new_event_loop()
    try:
        for count in (1, _MANY):
            raw = json.dumps({"texts": texts[:count]}).encode()
            content = {"model": scores.model, "scores": score_rows(scores)[:count]}
            found[f"score, {count} text{'s' if count > 1 else ''}"] = {
                "reading": timed(
                    {
                        "pydantic": reading(texts_by_pydantic, raw),
                        "by hand": reading(texts_by_hand, raw),
                    }
                ),
                "writing": timed(writing(content, _scores_model(), loop)),
            }
        raw = json.dumps({"messages": messages}).encode()
        found[f"batch, {_MANY} messages"] = {
            "reading": timed(
                {
                    "pydantic": reading(batch_by_pydantic, raw),
                    "by hand": reading(batch_by_hand, raw),
                }
            ),
            "writing": timed(writing({"results": results}, ReceivedBatch, loop)),
        }
    finally:
        loop.close()
    return found


def _less(times: Iterable[float], others: Iterable[float]) -> list[float]:
    """The difference of each round: what loaded the machine loaded both."""
    return [one - other for one, other in zip(times, others, strict=True)]


def body(facts: Mapping[str, Any]) -> str:
    """The tables of the report, of what its JSON holds."""
    reads, writes = list[tuple[str, ...]](), list[tuple[str, ...]]()
    for name, parts in facts["microseconds"].items():
        whole, source = facts["requests, ms"][name]
        request = f"{whole:.1f} ms, {source}"
        models, by_hand = parts["reading"]["pydantic"], parts["reading"]["by hand"]
        ratio = [one / other for one, other in zip(models, by_hand, strict=True)]
        saved = statistics.median(_less(models, by_hand))
        times = (spread(models), spread(by_hand), spread(ratio, 2))
        shares = _percent(statistics.median(models), whole), _percent(saved, whole)
        reads.append((name, *times, request, *shares))
        nothing = parts["writing"]["nothing"]
        ours, model = (_less(parts["writing"][way], nothing) for way in ("ours", "model"))
        more = statistics.median(_less(model, ours))
        shares = _percent(statistics.median(ours), whole), _percent(more, whole)
        writes.append((name, spread(ours), spread(model), request, *shares))
    reading_head = ("request", "pydantic, µs", "by hand, µs", "ratio", "the whole request")
    writing_head = ("request", "as the service, µs", "`response_model`, µs", "the whole request")
    return "\n\n".join(
        (
            "## Reading a body",
            table((*reading_head, "pydantic is, of it", "by hand saves, of it"), reads),
            "## Writing an answer",
            table((*writing_head, "writing is, of it", "`response_model` adds, to it"), writes),
            _TOLD,
        )
    )


def _percent(microseconds: float, milliseconds: float) -> str:
    return f"{microseconds / 10 / milliseconds:.2f} %"


def main() -> None:
    """Measure, and write the report."""
    facts = {"rounds": _ROUNDS, "requests, ms": _of_requests(), "microseconds": _measure()}
    write("bodies", facts, body(facts), _COMMAND)


if __name__ == "__main__":
    main()
