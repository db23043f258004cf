"""Replays of three real traces: what each way of ordering the queue costs.

Runs ``replyrank simulate --full`` on the arrivals of nine days of three mobile operators, nine days
of six airlines, and ten weeks of many brands (``REPLYRANK_DATA``).
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from replyrank.data.corpora import corpora_root
from replyrank.data.corpora.base import CorpusPost
from replyrank.data.corpora.care import airline, twcs, uk_mobile
from tests.benchmarks.reporting import REPORTS, write

_COMMAND: Final = "python -m tests.benchmarks.replay"
#: what is replayed, by name
TRACES: Final[dict[str, Callable[[Path], Iterator[CorpusPost]]]] = {
    "uk_mobile": uk_mobile,
    "airlines": airline,
    "twcs": twcs,
}


def write_trace(posts: Iterator[CorpusPost], path: Path) -> None:
    """Write the posts that have a time as a file to replay."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("created_at", "channel", "text"))
        for post in posts:
            if post.created_at is not None:
                writer.writerow((post.created_at.isoformat(), post.channel, post.text))


def main() -> None:
    """Replay every trace and write its report."""
    root = corpora_root(None)
    for name, load in TRACES.items():
        with tempfile.TemporaryDirectory() as place:
            trace, out = Path(place) / f"{name}.csv", Path(place) / "out"
            write_trace(load(root), trace)
            began = time.perf_counter()
            subprocess.run(  # noqa: S603  our own interpreter
                [sys.executable, "-m", "replyrank.serving", "simulate", str(trace), "--full",
                 "-o", str(out)],
                check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            seconds = time.perf_counter() - began
            facts = json.loads((out / "replay.json").read_text(encoding="utf-8"))
            page = (out / "replay.md").read_text(encoding="utf-8").split("\n", 2)[2]
            minutes = f"The whole took {seconds / 60:.1f} minutes."
            picture = f"![urgent messages answered too late](replay-{name}.svg)"
            body = f"{page.strip()}\n\n{minutes}\n\n{picture}"
            write(f"replay-{name}", facts | {"seconds": seconds}, body, _COMMAND)
            svg = (out / "replay.svg").read_text(encoding="utf-8")
            (REPORTS / f"replay-{name}.svg").write_text(svg, encoding="utf-8")
            sys.stderr.write(f"{name}: {seconds:.0f} s\n")


if __name__ == "__main__":
    main()
