"""Killed at random moments while messages come in: what was acknowledged is there, once.

A child process takes batches in and tells over a pipe which are acknowledged; it is killed with
SIGKILL at a random moment. Then the database is opened again: every acknowledged message must be
there, none twice, and the tables must be whole. A kill is no power cut: what the system had taken
over is not lost by it.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from replyrank.pipeline.markdown import table
from replyrank.serving.queue.database import Database
from tests.benchmarks.reporting import write
from tests.benchmarks.served import database_url
from tests.queues import inbound, rows, store

_COMMAND: Final = "python -m tests.benchmarks.chaos"
_BATCH: Final = 20
_LONGEST: Final = 0.12


def take_in(url: str, start: int, told: int) -> None:
    """The child: takes batches in, and tells each number after its commit, until it is killed."""
    database = Database(url)
    queue = store(database)
    number = start
    while True:
        batch = [
            inbound(f"m{n}", f"message {n} of {n % 7}", author=f"a{n % 50}")
            for n in range(number, number + _BATCH)
        ]
        queue.ingest(batch)
        os.write(told, b"".join(f"{n}\n".encode() for n in range(number, number + _BATCH)))
        number += _BATCH


def kill_once(url: str, start: int, rng: random.Random) -> set[int]:
    """One child and its end; the numbers that it acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            take_in(url, start, writing)
        finally:
            os._exit(1)
    os.close(writing)
    acknowledged = b""
    # The first commit begins the time in which it may die.
    acknowledged += os.read(reading, 1 << 16)
    time.sleep(rng.random() * _LONGEST)
    os.kill(child, signal.SIGKILL)
    while some := os.read(reading, 1 << 16):
        acknowledged += some
    os.close(reading)
    os.waitpid(child, 0)
    return {int(line) for line in acknowledged.split(b"\n")[:-1]}


def chaos(url: str, kills: int, seed: int) -> dict[str, int]:
    """Kill so many times; what was lost, doubled or broken."""
    database = Database(url)
    database.migrate()
    database.close()
    rng, acknowledged, start = random.Random(seed), set[int](), 0  # noqa: S311
    for turn in range(kills):
        acknowledged |= kill_once(url, start, rng)
        # What the child may have committed without telling is handed in again by the next one.
        start = max(acknowledged, default=-1) + 1
        if sys.stderr.isatty() and turn % 20 == 0:
            print(turn, len(acknowledged), file=sys.stderr)
    return _judged(url, acknowledged, kills)


def _judged(url: str, acknowledged: set[int], kills: int) -> dict[str, int]:
    database = Database(url)
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT external_id FROM message").scalars().all()
        whole = (
            connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            if database.is_sqlite
            else True
        )
    error = store(database).counts()["conservation_error"]
    orphans = _orphans(database)
    total = rows(database, "message")
    database.close()
    there = {int(one[1:]) for one in found}
    return {
        "kills": kills,
        "acknowledged": len(acknowledged),
        "lost": len(acknowledged - there),
        "twice": total - len(there),
        "messages without an item": orphans,
        "conservation error": error,
        "tables broken": int(not whole),
    }


def _orphans(database: Database) -> int:
    with database.read() as connection:
        query = "SELECT COUNT(*) FROM message WHERE item NOT IN (SELECT id FROM item)"
        return int(connection.exec_driver_sql(query).scalar_one())


@contextmanager
def _place(kind: str) -> Generator[str]:
    with tempfile.TemporaryDirectory() as folder, database_url(kind, Path(folder)) as url:
        yield url


def main() -> None:
    """Kill, judge, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = {}
    for kind in ("sqlite", "postgresql"):
        with _place(kind) as url:
            found[kind] = chaos(url, arguments.kills, arguments.seed)
        print(kind, found[kind], file=sys.stderr, flush=True)
    names = list(found["sqlite"])
    body = table(
        ("database", *names),
        [(kind, *(f"{facts[name]:,}" for name in names)) for kind, facts in found.items()],
    )
    write("chaos", {"found": found}, body, f"{_COMMAND} --kills {arguments.kills}")


if __name__ == "__main__":
    main()
