"""The fenced blocks of the README, with their marks, and how they are run."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.acceptance.processes import ROOT, Done, run

README: Final = ROOT / "README.md"
#: stands in a block of output for lines that are not shown
ELISION: Final = "..."

_BLOCK: Final = re.compile(
    r"(?:<!-- test: (?P<mark>[^>]+?) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_NOT_COPIED: Final = {".git", ".venv", ".venv-wheel", "runs", "dist"}


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    line: int
    language: str
    #: what stands in the comment before it
    mark: str | None
    body: str


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks in order."""
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(line, match["language"], match["mark"], match["body"])


def make_workspace(folder: Path) -> Path:
    """A checkout to run in, so that what the commands write does not land in the real one."""
    for path in ROOT.iterdir():
        if path.name not in _NOT_COPIED:
            (folder / path.name).symlink_to(path)
    return folder


def run_block(block: Block, workspace: Path) -> Done:
    """Run a block of shell or Python with the environment of this interpreter."""
    binaries = Path(sys.executable).parent
    changes = {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        # `make demo` uses this environment in place of one of its own.
        "MAKEFLAGS": f"BIN={binaries} BASE= DEV=",
    }
    if "REPLYRANK_DATA" in os.environ:
        changes["REPLYRANK_DATA"] = os.environ["REPLYRANK_DATA"]
    if block.language == "python":
        return run([sys.executable, "-c", block.body], cwd=workspace, changes=changes)
    shell = shutil.which("bash") or "bash"
    return run([shell, "-euo", "pipefail", "-c", block.body], cwd=workspace, changes=changes)


def _masked(text: str) -> list[str]:
    """Lines without what differs from one machine to the next: digits and widths."""
    lines = (
        re.sub(r"\s+", " ", re.sub(r"[\d.]+", "#", line)).strip() for line in text.splitlines()
    )
    return [line for line in lines if line]


def missing_lines(shown: str, printed: str) -> list[str]:
    """The shown lines that were not printed, in this order; a line ``...`` stands for any."""
    rest = iter(_masked(printed))
    lines = [line for line in shown.splitlines() if line.strip() != ELISION]
    return [line for line in _masked("\n".join(lines)) if line not in rest]
