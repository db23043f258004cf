"""Runs commands as a user does: as processes, with nothing of the test's own in their way."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TIMEOUT: Final = 300

Done = subprocess.CompletedProcess[str]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without settings of ours, and wide enough that no line is cut."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPLYRANK_")}
    return {**kept, "COLUMNS": "100", **(changes or {})}


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    cwd: Path | None = None,
    changes: Mapping[str, str] | None = None,
) -> Done:
    """Run a command to its end and give its exit code, stdout and stderr."""
    return subprocess.run(  # noqa: S603  commands of the tests themselves
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=TIMEOUT,
        cwd=cwd,
        env=environment(changes),
    )


def replyrank(
    *arguments: str | Path,
    stdin: str = "",
    cwd: Path | None = None,
    changes: Mapping[str, str] | None = None,
) -> Done:
    """Run the command line of this checkout."""
    command = [sys.executable, "-m", "replyrank.serving", *arguments]
    return run(command, stdin=stdin, cwd=cwd, changes=changes)
