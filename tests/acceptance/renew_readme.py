"""Puts what the commands of the README print now into its blocks of output.

Usage: python -m tests.acceptance.renew_readme

A long output is cut after some lines, and ``...`` stands for the rest.
"""

import itertools
import sys
import tempfile
from pathlib import Path

from tests.acceptance.readme_blocks import (
    ELISION,
    README,
    Block,
    blocks_of,
    make_workspace,
    run_block,
)

_SHOWN = 12


def _cut(printed: str) -> str:
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    return "\n".join(lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], ELISION]) + "\n"


def renewed(text: str, workspace: Path) -> str:
    """The text with each block of output replaced by what the block before it prints."""
    blocks: list[Block] = list(blocks_of(text))
    for block, shown in itertools.pairwise(blocks):
        if block.mark == "run" and shown.mark == "output":
            done = run_block(block, workspace)
            if done.returncode != 0:
                sys.exit(f"line {block.line} of the README fails:\n{done.stdout}{done.stderr}")
            old = f"```{shown.language}\n{shown.body}```"
            text = text.replace(old, f"```{shown.language}\n{_cut(done.stdout)}```", 1)
    return text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        content = renewed(README.read_text(encoding="utf-8"), make_workspace(Path(folder)))
    README.write_text(content, encoding="utf-8")
