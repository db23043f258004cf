"""Speed beside the default Hugging Face pipeline with the same encoder.

Every contender is a process of its own, since the thread pools of two runtimes disturb each
other; rounds are interleaved and their order is reversed every other time. Texts are distinct
real tweets, so that scoring repeats once gains nothing.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from replyrank.data.corpora import read_corpus
from replyrank.training.markdown import table
from tests.benchmarks.reporting import spread, write

_COMMAND: Final = "python -m tests.benchmarks.speed"
_ROWS: Final = 5_000
#: the pipeline is too slow for all rows each round; these are the first of the same file
_PIPELINE_ROWS: Final = 400
_SINGLES: Final = 200
_ROUNDS: Final = 5


def tweets(rows: int) -> list[str]:
    """Distinct real tweets to brands, of several corpora in turn."""
    sources: list[Iterator[str]] = [
        (post.text for post in read_corpus(name)) for name in ("airline", "twcs", "uk_mobile")
    ]
    seen: dict[str, None] = {}
    while len(seen) < rows:
        for source in sources:
            seen.setdefault(next(source))
    return list(seen)[:rows]


def _pipeline(threads: int) -> Callable[[str], object]:
    import torch  # noqa: PLC0415
    from transformers import (  # noqa: PLC0415
        AutoModelForSequenceClassification,
        AutoTokenizer,
        pipeline,
    )

    from replyrank.models.encoder import PACKAGED_MINILM, encoder_folder  # noqa: PLC0415

    torch.set_num_threads(threads)
    folder = encoder_folder(PACKAGED_MINILM)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=4)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return pipeline("text-classification", model=model, tokenizer=tokenizer)


def _bulk_pipeline(source: Path, target: Path) -> tuple[int, float]:
    classify = _pipeline(2)
    classify("warm up")
    start = time.perf_counter()
    with source.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:_PIPELINE_ROWS]
    results = classify(texts)  # type: ignore[arg-type]
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for text, result in zip(texts, results, strict=True):  # type: ignore[call-overload]
            writer.writerow([text, result["label"], result["score"]])
    return len(texts), time.perf_counter() - start


def _bulk_ours(source: Path, target: Path) -> tuple[int, float]:
    from replyrank.models import load_scorer  # noqa: PLC0415
    from replyrank.pipeline.bulk import BulkOptions, score_file  # noqa: PLC0415

    scorer = load_scorer(threads=2)
    scorer.score(["warm up"])
    start = time.perf_counter()
    summary = score_file(source, target, scorer, BulkOptions(deduplicate=False))
    return summary.rows, time.perf_counter() - start


def _one_message() -> Callable[[str], object]:
    from replyrank.models import load_scorer  # noqa: PLC0415

    scorer = load_scorer(threads=1)
    return lambda text: scorer.score([text])


def _single(name: str, texts: list[str]) -> list[float]:
    """Milliseconds of each message, one thread."""
    score = _pipeline(1) if name == "pipeline" else _one_message()
    for text in texts[:10]:
        score(text)
    times = []
    for text in texts[:_SINGLES]:
        start = time.perf_counter()
        score(text)
        times.append(1_000 * (time.perf_counter() - start))
    return times


def _work(contender: str, job: str, source: Path) -> None:
    """One round of one contender, in a process of its own; prints its figure as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        if job == "bulk":
            run = _bulk_pipeline if contender == "pipeline" else _bulk_ours
            rows, seconds = run(source, Path(folder) / "out.csv")
            print(json.dumps(rows / seconds))
        else:
            with source.open(encoding="utf-8", newline="") as file:
                texts = [row["text"] for row in csv.DictReader(file)]
            print(json.dumps(statistics.median(_single(contender, texts))))


def _rounds(job: str, source: Path) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {"pipeline": [], "replyrank": []}
    for number in range(_ROUNDS):
        names = list(figures) if number % 2 == 0 else list(reversed(figures))
        for name in names:
            command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.speed"]
            command += ["--contender", name, "--job", job, "--source", str(source)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            figures[name].append(float(done.stdout.strip().splitlines()[-1]))
            print(job, number + 1, name, figures[name][-1], file=sys.stderr)
    return figures


def main() -> None:
    """Measure both jobs and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", choices=["pipeline", "replyrank"])
    parser.add_argument("--job", choices=["bulk", "single"])
    parser.add_argument("--source", type=Path)
    arguments = parser.parse_args()
    if arguments.contender:
        _work(arguments.contender, arguments.job, arguments.source)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "tweets.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text"])
            writer.writerows([text] for text in tweets(_ROWS))
        bulk, single = _rounds("bulk", source), _rounds("single", source)
    faster = [
        ours / theirs for ours, theirs in zip(bulk["replyrank"], bulk["pipeline"], strict=True)
    ]
    quicker = [
        theirs / ours for ours, theirs in zip(single["replyrank"], single["pipeline"], strict=True)
    ]
    body = table(
        ("what", "default pipeline", "replyrank", "times faster"),
        [
            (
                f"file to file, 2 threads, messages a second ({_ROWS:,} tweets; the pipeline "
                f"the first {_PIPELINE_ROWS})",
                spread(bulk["pipeline"]),
                spread(bulk["replyrank"]),
                spread(faster),
            ),
            (
                f"one message, 1 thread, p50 in ms ({_SINGLES} tweets)",
                spread(single["pipeline"], 2),
                spread(single["replyrank"], 2),
                spread(quicker),
            ),
        ],
    )
    body += f"\n\nMedian (range) of {_ROUNDS} interleaved rounds; a ratio is taken within a round."
    write("speed", {"bulk": bulk, "single": single}, body, _COMMAND)


if __name__ == "__main__":
    main()
