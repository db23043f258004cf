"""Speed file to file and of one message, beside what others would use on the same texts.

Every contender is a process of its own, since the thread pools of two runtimes disturb each
other; rounds are interleaved and their order is reversed every other time. Texts are distinct
real tweets, so that scoring repeats once gains nothing. Loading and a small file to warm up are not
timed. What the machine's int8 products could do is measured in the same rounds.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from replyrank.data.cleaning import clean
from replyrank.data.corpora import read_corpus
from replyrank.models.find import DEFAULT, FAST, find_artefact
from tests.benchmarks.posts import tweets
from tests.benchmarks.reporting import write
from tests.benchmarks.rivals import RIVALS, on_files
from tests.benchmarks.speed_report import LIMIT, OURS, PIPELINE, body, plot

_COMMAND: Final = "python -m tests.benchmarks.speed"
_ROWS: Final = 5_000
#: rivals that are too slow for all rows each round score the first of the same file
_FIRST_ROWS: Final = {PIPELINE: 400, "batched pipeline": 800, "quantize_dynamic": 2_000}
_SINGLES: Final = 200
_ROUNDS: Final = 5
_STREAM_ROWS: Final = 20_000
_THREADS: Final = 2


class _Watched:
    """A session that adds up the CPU time of its runs."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.seconds: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, *arguments: Any) -> Any:
        begun = time.thread_time()
        result = self._session.run(*arguments)
        self.seconds.append(time.thread_time() - begun)
        return result


def _bulk_ours(name: str, source: Path, folder: Path, *, deduplicate: bool) -> dict[str, float]:
    """Rows a second, and the share of the CPU time that is spent outside the session."""
    from replyrank.models import load_scorer  # noqa: PLC0415
    from replyrank.models import scorer as opens  # noqa: PLC0415
    from replyrank.models.session import open_session  # noqa: PLC0415
    from replyrank.pipeline.bulk import BulkOptions, score_file  # noqa: PLC0415

    watched = list[_Watched]()

    def open_watched(graph: Path | bytes) -> _Watched:
        watched.append(_Watched(open_session(graph)))
        return watched[-1]

    with patch.object(opens, "open_session", open_watched):
        scorer = load_scorer(name, threads=_THREADS)
    warm = folder / "warm.csv"
    warm.write_text("text\nwarm up\n", encoding="utf-8")
    score_file(warm, folder / "warmed.csv", scorer)
    for session in watched:
        session.seconds.clear()
    start, cpu = time.perf_counter(), time.process_time()
    summary = score_file(source, folder / "out.csv", scorer, BulkOptions(deduplicate=deduplicate))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    figures = {"rate": summary.rows / seconds}
    for session in watched:
        figures["outside"] = 1 - sum(session.seconds) / cpu
    return figures


def _bulk_rival(name: str, source: Path, folder: Path) -> dict[str, float]:
    run = RIVALS[name](_THREADS)
    run(["warm up"])
    start = time.perf_counter()
    rows = on_files(run)(source, folder / "out.csv", _FIRST_ROWS.get(name))
    return {"rate": rows / (time.perf_counter() - start)}


def _single(name: str, source: Path) -> dict[str, float]:
    """Median milliseconds of one message, one thread."""
    score = _one_message(name)
    texts = _texts(source)
    for text in texts[:10]:
        score(text)
    times = []
    for text in texts[:_SINGLES]:
        start = time.perf_counter()
        score(text)
        times.append(1_000 * (time.perf_counter() - start))
    return {"p50": statistics.median(times)}


def _one_message(name: str) -> Callable[[str], object]:
    if name in RIVALS:
        run = RIVALS[name](1)
        return lambda text: run([text])
    from replyrank.models import load_scorer  # noqa: PLC0415

    scorer = load_scorer(name, threads=1)
    return lambda text: scorer.score([text])


def _work(contender: str, job: str, source: Path) -> None:
    """One round of one contender, in a process of its own; prints its figures as JSON."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if contender == LIMIT:
            from tests.benchmarks.limits import int8_operations  # noqa: PLC0415

            figures = {"operations": int8_operations(_THREADS)}
        elif job == "single":
            figures = _single(contender, source)
        elif contender in RIVALS:
            figures = _bulk_rival(contender, source, folder)
        else:
            figures = _bulk_ours(contender, source, folder, deduplicate=job == "repeats once")
    print(json.dumps(figures))


def _rounds(job: str, source: Path, names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Figure by figure, the values of each contender in the order of the rounds."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else list(reversed(names)):
            command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.speed"]
            command += ["--contender", name, "--job", job, "--source", str(source)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            figures = json.loads(done.stdout.strip().splitlines()[-1])
            print(job, number + 1, name, figures, file=sys.stderr, flush=True)
            for key, value in figures.items():
                found[name].setdefault(key, []).append(value)
    return found


def _texts(source: Path) -> list[str]:
    with source.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def _write_texts(texts: Sequence[str], path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([text] for text in texts)
    return path


def _multiply_adds(texts: Sequence[str]) -> dict[str, float]:
    """Of the products of a graph in integers, for one of the texts on average."""
    from replyrank.models.artefact import TOKENIZER  # noqa: PLC0415
    from replyrank.models.tokens import PostTokenizer  # noqa: PLC0415
    from tests.benchmarks.limits import multiply_adds  # noqa: PLC0415

    counted = {}
    for name in (DEFAULT, FAST):
        artefact = find_artefact(name)
        tokens = PostTokenizer.from_file(artefact.path(TOKENIZER), artefact.config.max_tokens)
        lengths = list(map(len, tokens.ids([clean(text) for text in texts])))
        counted[name] = multiply_adds(artefact, lengths)
    return counted


def main() -> None:
    """Measure all jobs and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", choices=[*RIVALS, *OURS, LIMIT])
    parser.add_argument("--job", choices=["bulk", "single", "repeats once", "repeats again"])
    parser.add_argument("--source", type=Path)
    arguments = parser.parse_args()
    if arguments.contender:
        _work(arguments.contender, arguments.job, arguments.source)
        return
    texts = tweets(_ROWS)
    stream = [post.text for post in islice(read_corpus("uk_mobile"), _STREAM_ROWS)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = _write_texts(texts, folder / "tweets.csv")
        natural = _write_texts(stream, folder / "stream.csv")
        facts = {
            "rows": _ROWS,
            "first_rows": _FIRST_ROWS,
            "rounds": _ROUNDS,
            "bulk": _rounds("bulk", source, [*RIVALS, *OURS, LIMIT], _ROUNDS),
            "single": _rounds("single", source, [PIPELINE, *OURS], _ROUNDS),
            "stream": {
                "rows": len(stream),
                "repeats": 1 - len(set(stream)) / len(stream),
                "once": _rounds("repeats once", natural, [FAST], 3)[FAST]["rate"],
                "again": _rounds("repeats again", natural, [FAST], 3)[FAST]["rate"],
            },
            "multiply_adds": _multiply_adds(texts),
        }
    write("speed", facts, body(facts), _COMMAND)
    plot(facts)


if __name__ == "__main__":
    main()
