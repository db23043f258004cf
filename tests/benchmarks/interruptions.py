"""Bulk scoring that is killed at random moments, and its output beside that of one run.

The command line scores a file of real tweets; every process is killed (SIGKILL) after a random
time, between that in which a run begins to score and that in which it is done, and the same command
is given again until the file is there. Then it begins anew, until so many files were killed once or
more.
"""

import argparse
import csv
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from replyrank.pipeline.markdown import table
from replyrank.pipeline.parts import parts_folder
from tests.benchmarks.posts import tweets
from tests.benchmarks.reporting import spread, write

_COMMAND: Final = "python -m tests.benchmarks.interruptions"
_ROWS: Final = 12_000
_SCORE: Final = (sys.executable, "-W", "ignore", "-m", "replyrank.serving", "score", "--json")


@dataclass(frozen=True, slots=True)
class Pass:
    """A file that was scored in pieces."""

    #: seconds after which each process was killed
    kills: tuple[float, ...]
    #: rows that the last process took over, of all
    resumed: int
    identical: bool


def _start(source: Path, target: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603  the command line of this checkout
        [*_SCORE, str(source), "-o", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )


def _finish(process: subprocess.Popen[str]) -> int:
    """Wait for a process; returns the rows that it took over."""
    out, _ = process.communicate()
    if process.returncode:
        message = f"scoring ended with {process.returncode}"
        raise RuntimeError(message)
    return int(json.loads(out)["resumed"])


def _digest(target: Path) -> list[str]:
    """Hashes of what a run leaves: the output and, if there is one, the report."""
    left = sorted(target.parent.glob(f"{target.name}*"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in left if path.is_file()]


def _undisturbed(source: Path, target: Path) -> tuple[float, float]:
    """Seconds until a run begins to score, and until it is done."""
    start = time.perf_counter()
    process = _start(source, target)
    while process.poll() is None and not parts_folder(target).exists():
        time.sleep(0.01)
    begun = time.perf_counter() - start
    _finish(process)
    return begun, time.perf_counter() - start


def _pass(source: Path, target: Path, span: tuple[float, float], clock: random.Random) -> Pass:
    kills: list[float] = []
    while True:
        process = _start(source, target)
        wait = clock.uniform(*span)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills.append(wait)
            print(f"killed after {wait:.1f} s", file=sys.stderr)
            continue
        resumed = _finish(process)
        is_tidy = not parts_folder(target).exists()
        same = _digest(target) == _digest(source.with_name("whole.csv"))
        return Pass(tuple(kills), resumed, identical=same and is_tidy)


def main() -> None:
    """Kill, go on, compare, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    clock, passes = random.Random(arguments.seed), list[Pass]()  # noqa: S311  no secret
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "tweets.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "text"])
            rows.writerows(enumerate(tweets(_ROWS)))
        span = _undisturbed(source, source.with_name("whole.csv"))
        while len(passes) < arguments.files:
            target = source.with_name(f"out-{len(passes)}.csv")
            done = _pass(source, target, span, clock)
            for left in target.parent.glob(f"{target.name}*"):
                left.unlink()
            # One that was quicker than its clock says nothing.
            passes += [done] if done.kills else []
    kills = [wait for done in passes for wait in done.kills]
    body = table(
        ("what", "figure"),
        [
            ("rows; seconds of a run that is left alone", f"{_ROWS:,}; {span[1]:.0f}"),
            ("kills; seconds after the start", f"{len(kills)}; {spread(kills)}"),
            ("files that were finished in spite of them", str(len(passes))),
            ("of these, identical byte for byte", str(sum(done.identical for done in passes))),
            (
                "rows that the last process took over",
                spread([done.resumed for done in passes], 0),
            ),
        ],
    )
    facts = {
        "rows": _ROWS,
        "seconds": span[1],
        "passes": [
            {"kills": done.kills, "resumed": done.resumed, "identical": done.identical}
            for done in passes
        ],
    }
    write("interruptions", facts, body, _COMMAND)


if __name__ == "__main__":
    main()
