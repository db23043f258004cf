"""Memory and pace of bulk scoring: many real posts file to file, beside few, in every format.

Each run is a process of its own, which tells its greatest resident memory. With ``--million`` it is
a million rows beside 10,000, by the fast model in CSV: all distinct posts that there are, and,
where these do not suffice, the same again in another order; no score is kept from one row for
another.
"""

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from replyrank.data.readers import Format
from replyrank.models.find import DEFAULT, FAST
from replyrank.pipeline.markdown import table
from tests.benchmarks.posts import distinct_posts
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.memory"
_SIZES: Final = (30_000, 100_000)
_MILLION: Final = (10_000, 1_000_000)


def _write(texts: list[str], path: Path) -> None:
    match Format(path.suffix.removeprefix(".")):
        case Format.CSV:
            with path.open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["id", "text"])
                rows.writerows(enumerate(texts))
        case Format.JSONL:
            with path.open("w", encoding="utf-8") as file:
                file.writelines(
                    json.dumps({"id": n, "text": t}) + "\n" for n, t in enumerate(texts)
                )
        case Format.PARQUET:
            pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), path)


def _many(rows: int) -> tuple[list[str], int]:
    """So many posts in random order, and how many of them are distinct."""
    # The small file is to be like the large one: some corpora have longer posts than others.
    rng = random.Random(0)  # noqa: S311  no secret
    distinct = list(islice(distinct_posts(), rows))
    texts: list[str] = []
    while len(texts) < rows:
        rng.shuffle(distinct)
        texts += distinct
    return texts[:rows], len(distinct)


def _work(source: Path, model: str) -> None:
    """Score one file in this process; prints rows, seconds and the greatest memory in MiB."""
    from replyrank.models import load_scorer  # noqa: PLC0415
    from replyrank.pipeline.bulk import BulkOptions, score_file  # noqa: PLC0415

    scorer = load_scorer(model, threads=2)
    start = time.perf_counter()
    target = source.with_name(f"out-{source.name}")
    summary = score_file(source, target, scorer, BulkOptions(deduplicate=False))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([summary.scored, seconds, peak]))


def _measure(source: Path, model: str) -> tuple[int, float, float]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.memory"]
    command += ["--source", str(source), "--model", model]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    rows, seconds, peak = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{source.name}: {rows:,} rows, {seconds:.0f} s, {peak:.0f} MiB", file=sys.stderr)
    return int(rows), float(seconds), float(peak)


def main() -> None:
    """Measure every format at both sizes and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--model")
    arguments = parser.parse_args()
    if arguments.source:
        _work(arguments.source, arguments.model)
        return
    sizes_run = _MILLION if arguments.million else _SIZES
    formats = [Format.CSV] if arguments.million else list(Format)
    model = FAST if arguments.million else DEFAULT
    texts, distinct = _many(max(sizes_run))
    rows, facts = [], {}
    with tempfile.TemporaryDirectory() as place:
        for kind in formats:
            runs = []
            for size in sizes_run:
                source = Path(place) / f"posts-{size}.{kind}"
                _write(texts[:size], source)
                runs.append(_measure(source, model))
            facts[kind.value] = runs
            peaks = [peak for _, _, peak in runs]
            rates = [count / seconds for count, seconds, _ in runs]
            cells = [f"{value:,.0f}" for value in (*peaks, *rates)]
            ratios = peaks[-1] / peaks[-2], rates[-2] / rates[-1]
            rows.append((kind.value, *cells, *(f"{ratio:.2f}" for ratio in ratios)))
    sizes = [f"{size:,}" for size in sizes_run]
    body = table(
        (
            "format",
            *(f"MiB at {size} rows" for size in sizes),
            *(f"rows/s at {size}" for size in sizes),
            f"memory at {sizes[-1]} by that at {sizes[-2]}",
            "time per row likewise",
        ),
        rows,
    )
    body += (
        f"\n\n{distinct:,} distinct real posts in random order, by the model `{model}` on two "
        "threads, repeats scored again; format in and out is the same. Memory grows until a window "
        "has held as many long posts as any, and then no more."
    )
    if arguments.million:
        write("memory-million", {"runs": facts}, body, f"{_COMMAND} --million")
    else:
        write("memory", {"runs": facts}, body, _COMMAND)


if __name__ == "__main__":
    main()
