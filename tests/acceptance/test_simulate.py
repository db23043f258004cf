"""``replyrank simulate`` as a user runs it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from replyrank.models.artefact import write_manifest
from replyrank.models.cpus import available_cpus
from replyrank.models.held_out import HELD_OUT, save_held_out
from tests.acceptance.processes import Done, environment, replyrank
from tests.artefacts import tiny_linear_artefact
from tests.simulation import held_out

SMALL = """\
name: small
agents: 3
seeds: 2
scenarios:
  - {name: a busy morning, segments: [{hours: 3, load: 1.3}]}
sensitivity: {scenarios: [a busy morning], agents: [1]}
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that tells how it errs."""
    folder = tiny_linear_artefact(tmp_path_factory.mktemp("models") / "replayed")
    save_held_out(held_out(), folder / HELD_OUT)
    write_manifest(folder)
    return folder


def _simulate(folder: Path, model: Path, *arguments: str | Path) -> Done:
    return replyrank("simulate", "--model", model, *arguments, stdin="", cwd=folder, changes={})


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_the_sample_trace_is_replayed(tmp_path: Path, model: Path, small: Path) -> None:
    out, again = tmp_path / "replay", tmp_path / "again"
    options = ("--scenarios", small, "--full")
    done = _simulate(tmp_path, model, *options, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "a busy morning" in done.stdout
    assert "What ranking changes" in done.stdout
    assert "scoring the 1,492 messages of trace.csv" in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["replay.json", "replay.md", "replay.svg"]
    whole = json.loads((out / "replay.json").read_text(encoding="utf-8"))
    assert len(whole["mixes"]) == 2
    case = whole["mixes"][1]["cases"][0]
    late = {order["order"]: order["urgent_late"]["value"] for order in case["orders"]}
    # The linear model does not stand beside itself.
    assert len(late) == 9
    assert late["replyrank, true labels"] < late["replyrank"] < late["first come, first served"]
    one_process = _simulate(tmp_path, model, *options, "--threads", "1", "-o", again)
    assert one_process.stdout == done.stdout
    for path in out.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_a_report_is_not_replaced_unasked(tmp_path: Path, model: Path, small: Path) -> None:
    out = tmp_path / "replay"
    out.mkdir()
    (out / "replay.md").write_text("mine", encoding="utf-8")
    done = _simulate(tmp_path, model, "--scenarios", small, "-o", out)
    assert done.returncode == 2
    assert "holds a replay already; name another folder, or give --force" in done.stderr
    assert (out / "replay.md").read_text(encoding="utf-8") == "mine"
    assert "-o FOLDER" not in done.stderr
    done = _simulate(tmp_path, model, "--scenarios", small, "-o", out, "--force")
    assert done.returncode == 0
    assert (out / "replay.md").read_text(encoding="utf-8") != "mine"


def test_the_picture_is_drawn_without_a_folder_and_what_is_left_out_told(
    tmp_path: Path, model: Path, small: Path
) -> None:
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    times = [begin - timedelta(days=700), *(begin + timedelta(minutes=7 * n) for n in range(2000))]
    trace, out = tmp_path / "trace.csv", tmp_path / "out"
    rows = [f"{time.isoformat()},where is my parcel" for time in times]
    trace.write_text("\n".join(["created_at,text", *rows]), encoding="utf-8")
    done = _simulate(tmp_path, model, trace, "--scenarios", small)
    assert done.returncode == 0, done.stderr
    assert "for a report with the picture and all figures: -o FOLDER" in done.stderr
    bars = done.stdout.partition("Of 100 urgent messages")[2]
    drawn = {line.strip().partition(" #")[0].strip(): line.count("#") for line in bars.splitlines()}
    assert drawn["first come, first served"] == 40 > drawn["replyrank"]
    done = _simulate(tmp_path, model, trace, "--scenarios", small, "-o", out)
    # The first message stands 700 days before the others.
    words = "without 100 weeks in which hardly anybody wrote (1 message)"
    assert words in (out / "replay.md").read_text(encoding="utf-8")


def test_a_file_without_times_is_refused(tmp_path: Path, model: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("text\n" + "hello\n" * 200, encoding="utf-8")
    done = _simulate(tmp_path, model, trace)
    assert done.returncode == 2
    assert "0 messages with a time of arrival" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_scenario_file_is_told(tmp_path: Path, model: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("agent: 3\n", encoding="utf-8")
    done = _simulate(tmp_path, model, "--scenarios", mine)
    assert done.returncode == 2
    assert "did you mean agents?" in done.stderr


def test_a_model_that_does_not_tell_its_errors_is_refused(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bare = tiny_linear_artefact(tmp_path_factory.mktemp("models") / "bare")
    done = _simulate(tmp_path, bare)
    assert done.returncode == 1
    assert "has no held_out.npz, which tells how the model errs; train it again" in done.stderr
    assert "Traceback" not in done.stderr


def _parents() -> dict[int, int]:
    """The parent of every process that runs."""
    found: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *_ = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # One that is over and not yet told to its parent is no process any more.
        if state != "Z":
            found[int(stat.parent.name)] = int(parent)
    return found


def _until(met: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if met():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
@pytest.mark.skipif(available_cpus() < 2, reason="needs two CPUs for two processes")
def test_a_killed_replay_leaves_no_process_behind(tmp_path: Path, model: Path, small: Path) -> None:
    command = [sys.executable, "-m", "replyrank.serving", "simulate", "--model", str(model),
               "--scenarios", str(small), "--seeds", "5000", "--threads", "2"]  # fmt: skip
    children: set[int] = set()

    def has_begun() -> bool:
        parents = _parents()
        children.update(pid for pid, parent in parents.items() if parent == started.pid)
        # Two that work, and one of Python's own that keeps their books.
        return len(children) >= 3

    with subprocess.Popen(  # noqa: S603  our own command
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environment(),
    ) as started:
        try:
            assert _until(has_begun)
            # Long enough for both to have had a job.
            time.sleep(2)
        finally:
            started.kill()
    assert _until(lambda: children.isdisjoint(_parents()))
