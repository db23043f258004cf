"""The service under load, on this machine: server and load share its cores.

Every part starts a service of its own in a fresh folder and prints what it found; parts may be
named. Texts are distinct real posts. Rates that have a rival are taken in the same run.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from replyrank.pipeline.markdown import table
from tests.benchmarks.posts import tweets
from tests.benchmarks.reporting import REPORTS, spread, write
from tests.benchmarks.served import Facts, database_url
from tests.benchmarks.service_queue import claimers, deep_queue, ingest
from tests.benchmarks.service_scoring import (
    against_mlflow,
    many_connections,
    one_connection,
    overload,
    swaps,
)

_COMMAND: Final = "python -m tests.benchmarks.service"
_TEXTS: Final = 5_000


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
    if isinstance(value, list) and value and all(isinstance(one, int | float) for one in value):
        return spread(value, 2 if isinstance(value[0], float) else 0)
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
    body += (
        "\n\nMedian (range) where a part was done in turns with its rival. Parts that were not "
        "named in the last call stand as they were measured before."
    )
    write("service", {"parts": known}, body, _COMMAND)


if __name__ == "__main__":
    main()
