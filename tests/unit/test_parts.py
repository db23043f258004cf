"""A run that was stopped goes on, with the result of one that was not."""

import errno
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.errors import UsageError
from replyrank.data.readers import Added, WriteOptions, targets
from replyrank.pipeline.bulk import BulkOptions, BulkSummary, Progress, score_file
from replyrank.pipeline.errors import DiskError, PartsError
from replyrank.pipeline.parts import Parts, kept_words
from replyrank.pipeline.rejects import Rejects
from replyrank.pipeline.score_columns import score_columns
from tests.fakes import FAKE_CONFIG, FakeScorer
from tests.unit.test_bulk import Dying

WINDOW = 10


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.csv"
    lines = [f"{n},message number {n % 7 if n < 20 else n}" for n in range(55)]
    lines[25] = "25,"
    lines[33] = "33,too,many"
    path.write_text("id,text\n" + "\n".join(lines) + "\n")
    return path


def run(source: Path, target: Path, scorer: FakeScorer, **options: object) -> BulkSummary:
    return score_file(source, target, scorer, BulkOptions(window=WINDOW, **options))  # type: ignore[arg-type]


def stop(source: Path, target: Path, windows: int) -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        run(source, target, Dying(windows))


def columns(texts: list[object]) -> Added:
    return score_columns(FakeScorer().score_batch(texts))


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "jsonl", "parquet"])
@pytest.mark.parametrize("stops", [(0,), (1,), (3, 1), (5,), (1, 1, 1)])
def test_output_report_and_counts_are_those_of_one_run(
    posts: Path, tmp_path: Path, suffix: str, stops: tuple[int, ...]
) -> None:
    whole, target = tmp_path / f"whole.{suffix}", tmp_path / f"out.{suffix}"
    once = run(posts, whole, FakeScorer())
    for windows in stops:
        stop(posts, target, windows)
    scorer = FakeScorer()
    summary = run(posts, target, scorer)
    assert target.read_bytes() == whole.read_bytes()
    report = tmp_path / f"out.{suffix}.rejects.jsonl"
    assert report.read_bytes() == (tmp_path / f"whole.{suffix}.rejects.jsonl").read_bytes()
    assert not (tmp_path / f"out.{suffix}.parts").exists()
    same = replace(
        summary,
        resumed=0,
        seconds=once.seconds,
        rows_per_second=once.rows_per_second,
        rejects=once.rejects,
    )
    assert same == once
    done = sum(stops)
    assert len(scorer.seen) == 6 - done
    assert summary.resumed == min(done * WINDOW, 54)


def test_progress_tells_the_rows_that_were_there(posts: Path, tmp_path: Path) -> None:
    target, seen = tmp_path / "out.csv", list[Progress]()
    stop(posts, target, 2)
    run(posts, target, FakeScorer(), on_progress=seen.append)
    assert [(step.rows, step.rows_before) for step in seen] == [
        *((10, 10), (20, 20), (30, 20), (41, 20), (51, 20), (55, 20))
    ]
    assert seen[1].rows_per_second == 0
    assert seen[-1].rows_per_second == pytest.approx(35 / seen[-1].seconds)


def test_rows_may_have_been_added_at_the_end(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 2)
    with posts.open("a") as file:
        file.write("55,one more\n")
    assert run(posts, target, FakeScorer()).resumed == 20
    run(posts, tmp_path / "whole.csv", FakeScorer())
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_another_input_is_refused_and_nothing_lost(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 3)
    was = posts.read_text()
    posts.write_text(was.replace("13,message number 6", "13,something else"))
    with pytest.raises(PartsError, match="from row 11 on; give that input, or remove the folder"):
        run(posts, target, FakeScorer())
    posts.write_text(was)
    assert run(posts, target, FakeScorer()).resumed == 30


def test_another_model_is_refused_and_nothing_lost(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 1)
    thresholds = FAKE_CONFIG.thresholds.model_copy(update={"low_confidence": 0.3})
    for changes in ({"name": "other-1.0"}, {"thresholds": thresholds}):
        with pytest.raises(PartsError, match=r"begun by model fake-1\.0.*\(10 rows are done\)"):
            Parts(target, FAKE_CONFIG.model_copy(update=changes))
    (tmp_path / "out.csv.parts" / "run.json").write_text("{")
    with pytest.raises(PartsError, match="begun by model None"):
        Parts(target, FAKE_CONFIG)
    assert (tmp_path / "out.csv.parts" / "000000.parquet").exists()


def test_what_holds_no_scores_is_taken_over(tmp_path: Path) -> None:
    other = FAKE_CONFIG.model_copy(update={"name": "other-1.0"})
    folder = tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    with Parts(tmp_path / "out.csv", other) as parts:
        begun = json.loads((folder / "run.json").read_text())
        assert begun["model"] == "other-1.0"
        assert parts.find(0, ["a"]) is None


def test_two_runs_do_not_write_one_file(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with (
        Parts(target, FAKE_CONFIG),
        pytest.raises(PartsError, match=r"another run is writing '.*out\.csv'; wait for it"),
    ):
        run(posts, target, FakeScorer())
    assert run(posts, target, FakeScorer()).scored == 54


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 1.0])
def test_a_damaged_part_is_scored_anew(posts: Path, tmp_path: Path, at: float) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 2)
    part = tmp_path / "out.csv.parts" / "000001.parquet"
    raw = bytearray(part.read_bytes())
    raw[round(at * (len(raw) - 1))] ^= 1
    part.write_bytes(raw)
    scorer = FakeScorer()
    run(posts, target, scorer)
    run(posts, tmp_path / "whole.csv", FakeScorer())
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_part_cut_short_is_scored_anew(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 2)
    part = tmp_path / "out.csv.parts" / "000000.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    assert kept_words(target) == (
        f"the scores of 10 rows are kept in {part.parent}; the same command goes on from there"
    )
    assert run(posts, target, FakeScorer()).resumed == 10


def test_a_finished_file_is_told_before_any_work(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 2)
    target.write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        run(posts, target, FakeScorer())
    assert target.read_text() == "precious"
    assert run(posts, target, FakeScorer(), write=WriteOptions(force=True)).resumed == 20


def test_a_full_disk_is_told_with_what_is_kept(
    posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, target = Parts.keep, tmp_path / "out.csv"

    def refuse(parts: Parts, number: int, texts: list[object], scores: Added) -> None:
        if number == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(parts.folder / "partial"))
        keep(parts, number, texts, scores)

    monkeypatch.setattr(Parts, "keep", refuse)
    with pytest.raises(
        DiskError, match=r"partial: No space left.*; the scores of 20 rows are kept in"
    ):
        run(posts, target, FakeScorer())
    monkeypatch.undo()
    assert run(posts, target, FakeScorer()).resumed == 20


def test_a_disk_that_is_full_before_anything_is_kept_is_told_with_the_file(
    posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Parts, "keep", refuse)
    words = r"out\.csv: No space left on device; no scores are kept; give the same command again"
    with pytest.raises(DiskError, match=words):
        run(posts, tmp_path / "out.csv", FakeScorer())
    assert list(tmp_path.iterdir()) == [posts]


def test_an_output_that_cannot_take_its_place_is_told_with_what_is_kept(
    posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, target = targets.move, tmp_path / "out.csv"

    def refuse(part: Path, final: Path) -> None:
        if final == target:
            raise OSError(errno.ENOSPC, "No space left on device")
        move(part, final)

    monkeypatch.setattr(targets, "move", refuse)
    words = r"out\.csv: No space left .*; all scores are kept in .*\.parts; the same command does"
    with pytest.raises(DiskError, match=words):
        run(posts, target, FakeScorer())
    assert not target.exists()
    monkeypatch.undo()
    scorer = FakeScorer()
    assert run(posts, target, scorer).resumed == 54
    assert scorer.seen == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"out\.csv' cannot be written: No such file"):
        Parts(tmp_path / "absent" / "out.csv", FAKE_CONFIG)


texts = st.lists(
    st.none() | st.text() | st.integers() | st.floats() | st.just("\ud800"), min_size=1, max_size=8
)


@given(first=texts, second=texts)
def test_scores_come_back_as_they_were_for_the_same_texts_alone(
    tmp_path_factory: pytest.TempPathFactory, first: list[object], second: list[object]
) -> None:
    with Parts(tmp_path_factory.mktemp("runs") / "out.csv", FAKE_CONFIG) as parts:
        parts.keep(0, first, columns(first))
        assert parts.find(0, first) == columns(first)
        assert parts.find(1, first) is None
        if list(map(repr, first)) != list(map(repr, second)):
            with pytest.raises(PartsError):
                parts.find(0, second)


def test_a_folder_of_the_users_own_is_left_alone(posts: Path, tmp_path: Path) -> None:
    own = tmp_path / "out.csv.parts"
    own.mkdir()
    for name in ("precious.txt", "000000.parquet"):
        (own / name).write_text("precious")
        with pytest.raises(PartsError, match="was not made by a run; rename it"):
            run(posts, tmp_path / "out.csv", FakeScorer())
        assert (own / name).read_text() == "precious"
        (own / name).unlink()
    (own / "lock").touch()
    run(posts, tmp_path / "out.csv", FakeScorer())
    assert not own.exists()


def test_what_a_user_puts_among_the_parts_stays(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 1)
    (tmp_path / "out.csv.parts" / "notes.txt").write_text("mine")
    run(posts, target, FakeScorer())
    assert [path.name for path in (tmp_path / "out.csv.parts").iterdir()] == ["notes.txt"]


def test_a_run_that_begins_again_on_a_full_disk_loses_nothing(
    posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.csv"
    stop(posts, target, 2)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Parts, "_write", refuse)
    with pytest.raises(DiskError, match="the scores of 20 rows are kept"):
        run(posts, target, FakeScorer())
    monkeypatch.undo()
    assert run(posts, target, FakeScorer()).resumed == 20


@pytest.mark.parametrize("own_report", [False, True])
@pytest.mark.parametrize("killed_in", ["report", "removal"])
def test_a_kill_behind_the_end(
    posts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_report: bool,
    killed_in: str,
) -> None:
    """The output stands in its place; what was left to do is done when the command comes again."""
    target = tmp_path / "out.csv"
    report = tmp_path / ("mine.jsonl" if own_report else "out.csv.rejects.jsonl")
    options = {"rejects": report if own_report else None}
    whole = run(posts, tmp_path / "whole.csv", FakeScorer())

    class KillError(BaseException):
        """Nothing that follows is run."""

    def die(rejects: Rejects, *_: object) -> None:
        vars(rejects)["_target"].stream.close()
        raise KillError

    if killed_in == "report":
        monkeypatch.setattr(Rejects, "__exit__", die)
    # A process that is killed leaves no folder.
    monkeypatch.setattr(Parts, "_leave", lambda parts, **_: vars(parts)["_lock"].release())
    if killed_in == "report":
        with pytest.raises(KillError):
            run(posts, target, FakeScorer(), **options)
    else:
        run(posts, target, FakeScorer(), **options)
    monkeypatch.undo()
    assert (tmp_path / "out.csv.parts").exists()
    assert kept_words(target) is None
    scorer = FakeScorer()
    summary = run(posts, target, scorer, **options)
    assert scorer.seen == []
    assert (summary.scored, summary.rejected, summary.rejects) == (54, 1, str(report))
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert report.read_bytes() == Path(str(whole.rejects)).read_bytes()
    assert not (tmp_path / "out.csv.parts").exists()
    with pytest.raises(UsageError, match="is there already"):
        run(posts, target, FakeScorer(), **options)


def test_a_report_of_the_users_own_place_comes_with_the_output(posts: Path, tmp_path: Path) -> None:
    report = tmp_path / "reports" / "mine.jsonl"
    report.parent.mkdir()
    with pytest.raises(RuntimeError, match="out of memory"):
        run(posts, tmp_path / "out.csv", Dying(4), rejects=report)
    assert list(report.parent.iterdir()) == []
    assert run(posts, tmp_path / "out.csv", FakeScorer(), rejects=report).rejects == str(report)
    assert len(report.read_text().splitlines()) == 1


def test_a_link_leads_to_the_file_that_is_written(posts: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out.csv").symlink_to(elsewhere / "real.csv")
    stop(posts, tmp_path / "out.csv", 1)
    assert [path.name for path in elsewhere.iterdir()] == ["real.csv.parts"]
    with pytest.raises(PartsError, match="another run"), Parts(tmp_path / "out.csv", FAKE_CONFIG):
        run(posts, elsewhere / "real.csv", FakeScorer())
    assert run(posts, tmp_path / "out.csv", FakeScorer()).resumed == 10
    assert (elsewhere / "real.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


@pytest.mark.parametrize("target", [".", "", "/", "..", "folder/.."])
def test_a_place_without_a_name_is_refused(
    posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    work = tmp_path / "work"
    (work / "folder").mkdir(parents=True)
    monkeypatch.chdir(work)
    with pytest.raises(UsageError, match=r"names no file|is a folder|no format"):
        run(posts, Path(target), FakeScorer())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["posts.csv", "work"]


def test_a_file_that_came_meanwhile_is_kept(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"

    def write(_: Progress) -> None:
        target.write_text("precious")

    with pytest.raises(UsageError, match="is there already"):
        run(posts, target, FakeScorer(), on_progress=write)
    assert target.read_text() == "precious"
    target.unlink()
    assert run(posts, target, FakeScorer()).resumed == 54


@pytest.mark.parametrize("seed", range(8))
def test_no_flipped_bit_is_taken_for_scores(posts: Path, tmp_path: Path, seed: int) -> None:
    target, draw = tmp_path / "out.csv", random.Random(seed)  # noqa: S311  no secret
    run(posts, tmp_path / "whole.csv", FakeScorer())
    stop(posts, target, 1)
    part = tmp_path / "out.csv.parts" / "000000.parquet"
    raw = bytearray(part.read_bytes())
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    part.write_bytes(raw)
    try:
        run(posts, target, FakeScorer())
    except PartsError:
        # The hash of the texts was hit: refused, and nothing wrong is written.
        assert not target.exists()
    else:
        assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()
