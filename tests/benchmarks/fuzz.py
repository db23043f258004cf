"""A million requests, as the service describes them and broken ones: none may break it.

Each process has a service and a database of its own, with the linear model, and asks every
operation in turn: what the OpenAPI document describes, and what it does not. What was counted lies
in a work folder: the same command goes on after an interruption.
"""

import argparse
import itertools
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from replyrank.pipeline.markdown import table
from tests.benchmarks.reporting import write
from tests.fuzzing import MODES, ask, operations
from tests.services import running, settings

_COMMAND: Final = "python -m tests.benchmarks.fuzz"
#: requests of one operation and kind between two looks at the count
_ROUND: Final = 500

#: of each operation, how often each status was answered
Statuses = dict[str, Counter[int]]


def fuzz(cases: int, seed: int, work: Path) -> Statuses:
    """Ask a service until it was asked so often, in this run and those before it.

    Args:
        cases: at least so many requests in all.
        seed: of the first draw; each round adds one.
        work: file of what was counted so far, written after each round.

    Returns:
        How often each operation answered each status.

    Raises:
        AssertionError: an answer that must not be, with the request that made it.
    """
    rounds, found = _counted(work)
    with tempfile.TemporaryDirectory() as folder, running(settings(Path(folder))) as service:
        calls = operations(service)
        while (asked := sum(one.total() for one in found.values())) < cases:
            begun = time.monotonic()
            for call, mode in itertools.product(calls, MODES):
                counts = found.setdefault(f"{call.method.upper()} {call.path}", Counter())
                counts.update(ask(call, mode, _ROUND, seed + rounds))
            rounds += 1
            told = {"rounds": rounds, "found": found}
            work.write_text(json.dumps(told), encoding="utf-8")
            rate = (sum(one.total() for one in found.values()) - asked) / (time.monotonic() - begun)
            print(f"{asked:,} of {cases:,}, {rate:,.0f} a second", file=sys.stderr, flush=True)
    return found


def _counted(work: Path) -> tuple[int, Statuses]:
    if not work.exists():
        return 0, {}
    told = json.loads(work.read_text(encoding="utf-8"))
    return told["rounds"], {
        call: Counter({int(status): count for status, count in counts.items()})
        for call, counts in told["found"].items()
    }


def main() -> None:
    """Ask, in several processes, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/fuzz"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    share = -(-arguments.cases // arguments.processes)
    # Seeds of the processes are far apart: each round of each takes one.
    work = [
        (share, arguments.seed + 1_000_000 * one, arguments.work / f"{arguments.seed}-{one}.json")
        for one in range(arguments.processes)
    ]
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        parts = pool.starmap(fuzz, work)
    found = {call: sum((part[call] for part in parts), Counter()) for call in parts[0]}
    kinds = sorted({status for counts in found.values() for status in counts})
    whole = sum(found.values(), Counter())
    rows = [
        (call, counts.total(), *(counts[kind] for kind in kinds)) for call, counts in found.items()
    ]
    rows.append(("all", whole.total(), *(whole[kind] for kind in kinds)))
    body = table(
        ("operation", "requests", *map(str, kinds)),
        [(str(row[0]), *(f"{count:,}" for count in row[1:])) for row in rows],
    )
    facts = {"requests": whole.total(), "found": {call: dict(one) for call, one in found.items()}}
    command = f"{_COMMAND} --cases {arguments.cases} --seed {arguments.seed}"
    told = "No answer was a 500; 503 says that it cannot answer in the time given."
    write("fuzz", facts, f"{body}\n\n{told}", command)


if __name__ == "__main__":
    main()
