"""Checks an installed wheel, without pytest: run by ``make wheel`` in a clean environment.

Usage: python installed.py INBOX
"""

import csv
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

REPLYRANK = Path(sysconfig.get_path("scripts")) / "replyrank"
ABSENT = ("torch", "transformers", "datasets", "sklearn", "mlflow", "onnx", "matplotlib", "pytest")


def check(fact: bool, failure: str) -> None:
    """Stop with the failure unless the fact holds."""
    if not fact:
        sys.exit(f"installed wheel: {failure}")


def replyrank(*arguments: str, folder: str) -> str:
    """What a command prints, run in a folder where no checkout can help it."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("REPLYRANK_", "PYTHON"))
    }
    done = subprocess.run(  # noqa: S603  the installed script itself
        [str(REPLYRANK), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    check(done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def main(inbox: Path) -> None:
    """Score and rank a file with the installed package."""
    present = [name for name in ABSENT if importlib.util.find_spec(name) is not None]
    check(present == [], f"the environment is not clean, it has {present}")
    found = importlib.util.find_spec("replyrank.serving")
    where = str(found.origin) if found is not None else "nowhere"
    check("site-packages" in where, f"replyrank.serving was found in {where}")

    with inbox.open(encoding="utf-8", newline="") as lines:
        messages = list(csv.DictReader(lines))
    with tempfile.TemporaryDirectory() as folder:
        scored = Path(folder) / "scored.csv"
        replyrank("score", str(inbox), "-o", str(scored), folder=folder)
        with scored.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        ranking = json.loads(replyrank("rank", str(inbox), "--json", folder=folder))
        version = replyrank("--version", folder=folder).strip()

    check(len(rows) == len(messages), f"{len(messages)} messages in, {len(rows)} scored rows out")
    own = list(messages[0])
    kept = [{name: row[name] for name in own} for row in rows]
    check(kept == messages, "the input's own columns or their order changed")
    check(all(0 <= float(row["urgency"]) <= 1 for row in rows), "an urgency is no probability")
    items = ranking["items"]
    check([item["rank"] for item in items] == list(range(1, len(items) + 1)), "ranks have gaps")
    ranked = sum(len(item["messages"]) for item in items)
    check(ranked == len(messages), f"{len(messages)} messages in, {ranked} in the ranking")
    check(all(item["reason"] for item in items), "an item has no reason")
    sys.stdout.write(f"{version}: wheel scored {len(rows)} and ranked {len(items)} items\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
