"""The README is true: its commands run, and print what it says."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT
from tests.acceptance.readme_blocks import (
    README,
    Block,
    blocks_of,
    make_workspace,
    missing_lines,
    run_block,
)

RUNNABLE = {"sh", "python"}
BLOCKS = list(blocks_of(README.read_text(encoding="utf-8")))


def _pairs() -> list[tuple[Block, Block | None]]:
    """Each block that runs, with the block that shows its output."""
    after: list[Block | None] = [*BLOCKS[1:], None]
    return [
        (block, shown if shown is not None and shown.mark == "output" else None)
        for block, shown in zip(BLOCKS, after, strict=True)
        if block.mark in ("run", "corpora")
    ]


def _name(value: object) -> str:
    return f"line {value.line}" if isinstance(value, Block) else "-"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize(("block", "shown"), _pairs(), ids=_name)
def test_a_block_runs_and_prints_what_is_shown(
    block: Block, shown: Block | None, workspace: Path
) -> None:
    if block.mark == "corpora" and "REPLYRANK_DATA" not in os.environ:
        pytest.skip("needs the public corpora: set REPLYRANK_DATA to their folder")
    if block.language == "sh" and not (shutil.which("bash") and shutil.which("make")):
        pytest.skip("the shell blocks of the README need bash and make, which are not here")
    done = run_block(block, workspace)
    assert done.returncode == 0, f"{block.body}\n{done.stdout}\n{done.stderr}"
    if shown is not None:
        assert missing_lines(shown.body, done.stdout) == []


def test_every_block_of_code_is_run_or_says_why_not() -> None:
    silent = [
        block.line
        for block in BLOCKS
        if block.language in RUNNABLE
        and block.mark not in ("run", "corpora")
        and not (block.mark or "").startswith("skip, because ")
    ]
    assert silent == []


def test_the_first_screen_shows_commands_with_output_and_the_library() -> None:
    pairs = _pairs()
    assert any("make demo" in block.body and shown is not None for block, shown in pairs)
    assert any(
        "from replyrank.models import load_scorer" in block.body and block.language == "python"
        for block, _ in pairs
    )


def test_every_target_that_the_readme_names_is_in_the_makefile() -> None:
    named = set(re.findall(r"`?make ([a-z]+)", README.read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert named - targets == set()


def test_every_relative_link_leads_somewhere() -> None:
    text = README.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "//" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_blocks_are_found_with_their_marks() -> None:
    text = "a\n<!-- test: run -->\n```sh\nls\n```\n\n<!-- test: output -->\n```text\nx 1\n```\n"
    assert list(blocks_of(text)) == [
        Block(2, "sh", "run", "ls\n"),
        Block(7, "text", "output", "x 1\n"),
    ]


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ("rank 1  due 10:15", []),
        ("rank 9 due 11:00\n...\nlast line", []),
        ("last line\nrank 1 due 10:15", ["rank # due #:#"]),
        ("rank 1 due soon", ["rank # due soon"]),
    ],
)
def test_shown_lines_are_compared_in_order(shown: str, missing: list[str]) -> None:
    assert missing_lines(shown, "rank 2 due 10:20\nmore\nlast line") == missing
