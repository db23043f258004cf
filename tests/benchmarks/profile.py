"""Where each microsecond of a message goes: by stage, and by operator in the session.

A file of distinct real tweets is scored on one thread, so that the CPU time of a stage is its own.
Times are exclusive: what a stage calls counts for what it calls. The operators are those that ONNX
Runtime's own profiler tells of the same texts in a run of their own.
"""

import json
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from replyrank.data.readers import open_writer
from replyrank.models import intake, load_scorer, scorer
from replyrank.models.batches import EqualLengthBatches
from replyrank.models.find import DEFAULT, FAST
from replyrank.models.session import open_session
from replyrank.models.tokens import PostTokenizer
from replyrank.pipeline import bulk
from replyrank.pipeline.markdown import table
from replyrank.pipeline.parts import Parts
from tests.benchmarks.posts import tweets
from tests.benchmarks.reporting import REPORTS, spread, write

_COMMAND: Final = "python -m tests.benchmarks.profile"
_ROWS: Final = 5_000
_ROUNDS: Final = 3
_MODELS: Final = (DEFAULT, FAST)
_SESSION: Final = "the session"
_REST: Final = "all else"
#: stage -> whose function, by its name, is what it does
_STAGES: Final[Mapping[str, tuple[tuple[Any, str], ...]]] = {
    "cleaning": ((intake, "clean"),),
    "telling the language": ((intake, "detect"),),
    "tokens": ((PostTokenizer, "ids"),),
    "batches of equal length": (
        (EqualLengthBatches, "add"),
        (EqualLengthBatches, "finish"),
    ),
    "calibration": ((scorer.OnnxScorer, "_assemble"),),
    "columns": ((bulk, "score_columns"),),
    "parts kept against interruptions": ((Parts, "keep"), (Parts, "finish")),
}
_READING: Final = "reading"
_WRITING: Final = "writing"
_ALL: Final = (_READING, *_STAGES, _SESSION, _WRITING, _REST)


class Stages:
    """CPU seconds by stage, of all threads; a stage that another calls counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._own = threading.local()

    @contextmanager
    def __call__(self, name: str) -> Generator[None]:
        """What runs within is of this stage."""
        inner: list[float] = self._own.__dict__.setdefault("inner", [])
        inner.append(0.0)
        begun = time.thread_time()
        try:
            yield
        finally:
            whole = time.thread_time() - begun
            self.seconds[name] += whole - inner.pop()
            if inner:
                inner[-1] += whole

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted."""

        def run(*arguments: Any, **named: Any) -> Any:
            with self(name):
                return function(*arguments, **named)

        return run

    def read(self, name: str, function: Callable[..., Iterator[Any]]) -> Callable[..., Any]:
        """What gives items one by one, each of them counted."""

        def run(*arguments: Any) -> Iterator[Any]:
            items = function(*arguments)
            while True:
                with self(name):
                    item = next(items, None)
                if item is None:
                    return
                yield item

        return run


class _Session:
    def __init__(self, session: Any, stages: Stages) -> None:
        self._session = session
        self.run = stages.timed(_SESSION, session.run)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def stages(model: str, source: Path, folder: Path) -> dict[str, float]:
    """Microseconds of CPU a message, by stage, of one run from file to file."""
    clock = Stages()

    def opened_writer(*arguments: Any, **named: Any) -> Any:
        writer: Any = open_writer(*arguments, **named)
        writer.write = clock.timed(_WRITING, writer.write)
        return writer

    with ExitStack() as patches:
        for stage, functions in _STAGES.items():
            for owner, name in functions:
                timed = clock.timed(stage, getattr(owner, name))
                # A function of a class gets its instance, which a plain function passes on.
                patches.enter_context(patch.object(owner, name, timed))
        reading = clock.read(_READING, vars(bulk)["_with_fraction"])
        patches.enter_context(patch.object(bulk, "_with_fraction", reading))
        patches.enter_context(patch.object(bulk, "open_writer", opened_writer))
        patches.enter_context(
            patch.object(scorer, "open_session", lambda graph: _Session(open_session(graph), clock))
        )
        loaded = load_scorer(model, threads=1)
        clock.seconds.clear()
        begun = time.process_time()
        summary = bulk.score_file(
            source, folder / "out.csv", loaded, bulk.BulkOptions(deduplicate=False)
        )
        whole = time.process_time() - begun
    (folder / "out.csv").unlink()
    clock.seconds[_REST] = whole - sum(clock.seconds.values())
    return {name: 1e6 * clock.seconds[name] / summary.rows for name in _ALL}


def operators(model: str, texts: list[str], folder: Path) -> dict[str, float]:
    """Microseconds a message, by operator, as the runtime's profiler tells."""
    import onnxruntime  # noqa: PLC0415

    sessions, make = list[Any](), onnxruntime.SessionOptions

    def profiled() -> Any:
        options = make()
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "profile")
        return options

    def opened(graph: Path | bytes) -> Any:
        with patch.object(onnxruntime, "SessionOptions", profiled):
            sessions.append(open_session(graph))
        return sessions[-1]

    with patch.object(scorer, "open_session", opened):
        loaded = load_scorer(model, threads=1)
    loaded.score_batch(texts)
    found: defaultdict[str, float] = defaultdict(float)
    for session in sessions:
        for event in json.loads(Path(session.end_profiling()).read_text(encoding="utf-8")):
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
                found[event["args"]["op_name"]] += event["dur"]
    most = sorted(found.items(), key=lambda one: -one[1])
    return {name: micros / len(texts) for name, micros in most}


def _table(what: str, found: Mapping[str, Mapping[str, list[float]]], names: list[str]) -> str:
    rows = []
    for name in names:
        row = [name]
        for model in _MODELS:
            values = found[model].get(name, [0.0])
            whole = sum(statistics.median(one) for one in found[model].values())
            row += [spread(values), f"{100 * statistics.median(values) / whole:.0f} %"]
        rows.append(tuple(row))
    head = [what]
    for model in _MODELS:
        head += [f"{model}, µs a message", "of all"]
    return table(tuple(head), rows)


def _plot(found: Mapping[str, Mapping[str, list[float]]]) -> None:
    from matplotlib import colormaps, rc_context  # noqa: PLC0415  (slow to import)
    from matplotlib.figure import Figure  # noqa: PLC0415

    colours = colormaps["tab20"].colors  # type: ignore[attr-defined]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "replyrank", "font.size": 10}):
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        axes = figure.subplots()
        left = dict.fromkeys(_MODELS, 0.0)
        for colour, name in zip(colours, _ALL, strict=False):
            widths = [statistics.median(found[model][name]) for model in _MODELS]
            axes.barh(_MODELS, widths, left=list(left.values()), color=colour, label=name)
            left = {model: left[model] + w for model, w in zip(_MODELS, widths, strict=True)}
        axes.invert_yaxis()
        axes.set_xlabel("microseconds of CPU for one message, file to file, one thread")
        figure.legend(loc="outside right upper", fontsize=8, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(
            REPORTS / "profile.svg", format="svg", metadata={"Date": None, "Creator": "replyrank"}
        )


def main() -> None:
    """Profile both networks and write the report."""
    texts = tweets(_ROWS)
    by_stage: dict[str, dict[str, list[float]]] = {model: {} for model in _MODELS}
    by_operator: dict[str, dict[str, list[float]]] = {model: {} for model in _MODELS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = folder / "tweets.jsonl"
        lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        source.write_text("".join(lines), encoding="utf-8")
        for _ in range(_ROUNDS):
            for model in _MODELS:
                for name, micros in stages(model, source, folder).items():
                    by_stage[model].setdefault(name, []).append(micros)
                for name, micros in operators(model, texts, folder).items():
                    by_operator[model].setdefault(name, []).append(micros)
    named = list(dict.fromkeys(name for model in _MODELS for name in by_operator[model]))
    body = "\n\n".join(
        (
            "![where each microsecond goes](profile.svg)",
            "## Stage by stage\n\n" + _table("stage", by_stage, list(_ALL)),
            f"{_ROWS:,} distinct tweets, JSON Lines to CSV, one thread, repeats not scored once; "
            f"CPU time, median (range) of {_ROUNDS} rounds.",
            "## In the session, operator by operator\n\n" + _table("operator", by_operator, named),
            "By ONNX Runtime's profiler, whose own work counts with the short ones, as the "
            "self-test of the model does.",
        )
    )
    facts = {"rows": _ROWS, "stages": by_stage, "operators": by_operator}
    write("profile", facts, body, _COMMAND)
    _plot(by_stage)


if __name__ == "__main__":
    main()
