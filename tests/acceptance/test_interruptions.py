"""Scoring that is stopped, by whatever, ends as if it had not been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import Command
from tests.acceptance.processes import TIMEOUT, environment, run

ROWS = 60_000
# It makes way for whoever waits to stop it: on a busy machine it would be done first.
MAKES_WAY = () if os.name == "nt" else ("nice", "-n", "19")
COMMAND = (sys.executable, "-m", "replyrank.serving", "score", "posts.csv", "-o", "out.csv")

# A limit on the size of a file is refused by the system as a full disk is. The language model
# unpacks itself to disk, and comes before.
LIMITED = """
import resource
from replyrank.models import language
from replyrank.serving.cli import main
language.load()
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
main(["score", "posts.csv", "-o", "out.csv"])
"""


@pytest.fixture
def posts(folder: Path) -> Path:
    path = folder / "posts.csv"
    rows = (f"{n},@Oakbasket order {n} is late and nobody answers" for n in range(ROWS))
    path.write_text("id,text\n" + "\n".join(rows) + "\n")
    return path


def started(folder: Path, model: Path, *more: str) -> subprocess.Popen[str]:
    changes = {"REPLYRANK_MODEL": str(model)}
    return subprocess.Popen(  # noqa: S603  the command line of this checkout
        [*MAKES_WAY, *COMMAND, *more],
        cwd=folder,
        env=environment(changes),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def parts(folder: Path) -> int:
    return len(list((folder / "out.csv.parts").glob("*.parquet")))


def stop_at(
    process: subprocess.Popen[str], number: int, folder: Path, least: int, *, wait: bool = True
) -> str:
    """Send a signal as soon as so many parts are there; returns what the process said.

    Without ``wait`` its stdin stays open.
    """
    end = time.monotonic() + TIMEOUT
    while parts(folder) < least and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(number)
    if wait:
        return process.communicate(timeout=TIMEOUT)[1]
    process.wait(TIMEOUT)
    assert process.stderr is not None
    with process.stderr as words:
        return words.read()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_signals(posts: Path, command: Command, tiny_model: Path) -> None:
    folder = posts.parent
    assert command("score", "posts.csv", "-o", "whole.csv").returncode == 0
    for least, number in enumerate((signal.SIGKILL, signal.SIGINT, signal.SIGTERM), start=1):
        process = started(folder, tiny_model)
        said = stop_at(process, number, folder, least)
        assert parts(folder) >= least
        assert not (folder / "out.csv").exists()
        if number == signal.SIGKILL:
            assert process.returncode == -number
            continue
        assert process.returncode == 128 + number
        rows = parts(folder) * 4096
        assert said == (
            f"replyrank: stopped; the scores of {rows:,} rows are kept in out.csv.parts; "
            "the same command goes on from there\n"
        )
    kept = parts(folder) * 4096
    done = command("score", "posts.csv", "-o", "out.csv")
    assert done.returncode == 0
    assert f"{kept:,} of them were scored before the run was stopped" in done.stderr
    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [
        *("inbox.csv", "out.csv", "posts.csv", "whole.csv")
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
def test_a_full_disk(posts: Path, command: Command, tiny_model: Path) -> None:
    folder = posts.parent
    assert command("score", "posts.csv", "-o", "whole.csv").returncode == 0
    changes = {"REPLYRANK_MODEL": str(tiny_model)}
    limited = run([sys.executable, "-c", LIMITED], cwd=folder, changes=changes)
    assert limited.returncode == 1
    assert "Traceback" not in limited.stderr
    kept = parts(folder) * 4096
    assert 0 < kept < ROWS
    assert "File too large" in limited.stderr
    assert f"the scores of {kept:,} rows are kept in out.csv.parts" in limited.stderr
    assert not (folder / "out.csv").exists()
    assert command("score", "posts.csv", "-o", "out.csv").returncode == 0
    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_another_run_on_the_same_file(posts: Path, command: Command, tiny_model: Path) -> None:
    folder = posts.parent
    first = started(folder, tiny_model)
    end = time.monotonic() + TIMEOUT
    while not (folder / "out.csv.parts" / "run.json").exists() and time.monotonic() < end:
        time.sleep(0.005)
    # Held where it is, so that it cannot be done before the second begins.
    first.send_signal(signal.SIGSTOP)
    second = command("score", "posts.csv", "-o", "out.csv")
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=TIMEOUT)
    assert (first.returncode, second.returncode) == (0, 2)
    assert second.stderr == (
        "replyrank: another run is writing 'out.csv'; wait for it, or give another name\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_pipe_with_nothing_to_read_does_not_keep_the_process(
    posts: Path, tiny_model: Path
) -> None:
    folder = posts.parent
    command = [*COMMAND[:4], "-", "--format", "csv", "-o", "out.csv"]
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=folder,
        env=environment({"REPLYRANK_MODEL": str(tiny_model)}),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdin is not None
    lines = posts.read_text().splitlines()[: 4096 + 2]
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.flush()
    said = stop_at(process, signal.SIGTERM, folder, 1, wait=False)
    process.stdin.close()
    assert process.returncode == 128 + signal.SIGTERM
    assert "the scores of 4,096 rows are kept" in said
