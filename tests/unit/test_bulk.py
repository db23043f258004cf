import io
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import Format, Problem, ReadOptions, Row, WriteOptions, open_source
from replyrank.data.vocabulary import SCORE_COLUMNS
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.bulk import BulkOptions, Progress, score_distinct, score_file
from replyrank.pipeline.score_columns import score_columns
from tests.fakes import FakeScorer


class Dying(FakeScorer):
    """Fails after so many windows."""

    def __init__(self, windows: int) -> None:
        super().__init__()
        self._windows = windows

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        if len(self.seen) == self._windows:
            message = "out of memory"
            raise RuntimeError(message)
        return super().score_batch(texts)


def rows_of(path: Path) -> list[Row]:
    with open_source(path) as source:
        return [row for window in source.windows(1000) for row in window.rows]


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.csv"
    lines = [f"{n},message number {n % 40}" for n in range(100)]
    path.write_text("id,text\n" + "\n".join(lines) + "\n7,a,b\n101,\n")
    return path


def test_rows_keep_their_order_and_get_their_scores(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    scorer = FakeScorer()
    summary = score_file(posts, target, scorer, BulkOptions(window=16))
    rows = rows_of(target)
    assert [row["id"] for row in rows] == [*map(str, range(100)), "101"]
    assert list(rows[0]) == ["id", "text", *SCORE_COLUMNS]
    for row in rows:
        score = FakeScorer().score([row["text"]])[0]
        assert row["intent"] == score.intent
        assert row["urgency"] == round(score.urgency, 6)
        assert row["urgency_level"] == score.urgency_level.label
        assert row["sentiment"] == round(score.sentiment, 6)
        assert row["review"] == score.review
    assert (summary.rows, summary.scored, summary.rejected) == (102, 101, 1)
    assert summary.reviews == {"empty": 1}
    assert summary.model == "fake-1.0"
    assert json.loads(json.dumps(summary.as_dict()))["rows"] == 102
    assert summary.rows_per_second > 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_all_formats_say_the_same(posts: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    score_file(posts, target, FakeScorer(), BulkOptions(window=16))
    score_file(posts, tmp_path / "reference.jsonl", FakeScorer())
    expected = rows_of(tmp_path / "reference.jsonl")
    if suffix == "csv":
        expected = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in expected
        ]
    assert rows_of(target) == expected


def test_repeated_texts_are_scored_once_in_a_window(posts: Path, tmp_path: Path) -> None:
    counts: list[int] = []
    for deduplicate in (True, False):
        scorer = FakeScorer()
        options = BulkOptions(deduplicate=deduplicate)
        score_file(posts, tmp_path / f"{deduplicate}.csv", scorer, options)
        counts.append(sum(map(len, scorer.seen)))
    assert counts == [41, 101]
    assert (tmp_path / "True.csv").read_bytes() == (tmp_path / "False.csv").read_bytes()


def test_score_distinct_takes_what_has_no_hash() -> None:
    texts: list[object] = ["a", [1], "b", "a", None, {"x": 1}, "a"]
    scorer = FakeScorer()
    batch = score_distinct(scorer, texts)
    assert scorer.seen == [["a", [1], "b", None, {"x": 1}]]
    plain = FakeScorer().score_batch(texts)
    np.testing.assert_array_equal(batch.need, plain.need)
    np.testing.assert_array_equal(batch.p_sentiment, plain.p_sentiment)
    assert (batch.review, batch.language) == (plain.review, plain.language)


def test_rejects_are_reported_beside_the_target(posts: Path, tmp_path: Path) -> None:
    told: list[Problem] = []
    summary = score_file(
        posts, tmp_path / "out.csv", FakeScorer(), BulkOptions(on_problem=told.append)
    )
    report = tmp_path / "out.csv.rejects.jsonl"
    assert summary.rejects == str(report)
    assert [json.loads(line) for line in report.read_text().splitlines()] == [
        {
            "line": 102,
            "kept": False,
            "reason": "number of fields: 3; the header has 2",
            "rows": 1,
            "raw": "7,a,b",
        }
    ]
    assert [problem.line for problem in told] == [102]


def test_no_report_without_problems_and_a_stale_one_goes(tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text("text\nfine\n")
    stale = tmp_path / "out.csv.rejects.jsonl"
    stale.write_text("{}\n")
    summary = score_file(tmp_path / "posts.csv", tmp_path / "out.csv", FakeScorer())
    assert summary.rejects is None
    assert not stale.exists()


def test_rescoring_replaces_the_scores(posts: Path, tmp_path: Path) -> None:
    score_file(posts, tmp_path / "one.csv", FakeScorer())
    told: list[Problem] = []
    summary = score_file(
        tmp_path / "one.csv",
        tmp_path / "two.csv",
        FakeScorer(),
        BulkOptions(on_problem=told.append),
    )
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert summary.notices == len(told) == 1
    assert "replaced by new ones" in told[0].reason


def test_progress_is_told(posts: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    options = BulkOptions(window=25, on_progress=seen.append)
    score_file(posts, tmp_path / "out.csv", FakeScorer(), options)
    assert [progress.rows for progress in seen] == [25, 50, 75, 100, 102]
    assert seen[-1].fraction == 1.0
    assert seen[-1].seconds_left == 0
    assert seen[-1].rows_per_second > 0
    assert Progress(5, 1.0, None).seconds_left is None
    assert Progress(5, 2.0, 0.25).seconds_left == 6.0


def test_progress_of_a_run_that_goes_on_counts_its_own_rows() -> None:
    progress = Progress(70, 2.0, 0.7, rows_before=50, fraction_before=0.5)
    assert progress.rows_per_second == 10
    assert progress.seconds_left == pytest.approx(3)
    assert Progress(50, 0.0, 0.5, 50, 0.5).seconds_left is None
    assert Progress(50, 0.0, 0.5, 50, 0.5).rows_per_second == 0


def test_a_failing_scorer_leaves_what_was_scored_and_nothing_else(
    posts: Path, tmp_path: Path
) -> None:
    before = threading.active_count()
    for windows, left in ((0, ["posts.csv"]), (2, ["out.csv.parts", "posts.csv"])):
        with pytest.raises(RuntimeError, match="out of memory"):
            score_file(posts, tmp_path / "out.csv", Dying(windows), BulkOptions(window=10))
        assert sorted(path.name for path in tmp_path.iterdir()) == left
    kept = sorted(path.name for path in (tmp_path / "out.csv.parts").iterdir())
    assert kept == ["000000.parquet", "000001.parquet", "lock", "run.json"]
    assert threading.active_count() == before


def test_target_that_is_there_is_kept(posts: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        score_file(posts, target, FakeScorer())
    assert target.read_text() == "precious"
    score_file(posts, target, FakeScorer(), BulkOptions(write=WriteOptions(force=True)))
    assert len(rows_of(target)) == 101


def test_file_is_scored_in_place_with_force(posts: Path) -> None:
    score_file(posts, posts, FakeScorer(), BulkOptions(write=WriteOptions(force=True)))
    assert [row["id"] for row in rows_of(posts)][:2] == ["0", "1"]
    assert "intent" in rows_of(posts)[0]


@pytest.mark.parametrize("written", list(Format))
@pytest.mark.parametrize("read", list(Format))
def test_standard_streams(
    read: Format,
    written: Format,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    (tmp_path / "posts.csv").write_text('id,text\n1,"a\nb"\n2,ok\n')
    score_file(tmp_path / "posts.csv", tmp_path / f"in.{read}", FakeScorer())

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    class Stdin:
        buffer = Pipe((tmp_path / f"in.{read}").read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin())
    options = BulkOptions(read=ReadOptions(format=read), write=WriteOptions(format=written))
    summary = score_file("-", "-", FakeScorer(), options)
    assert (summary.scored, summary.rejects) == (2, None)
    (tmp_path / f"out.{written}").write_bytes(capsysbinary.readouterr().out)
    rows = rows_of(tmp_path / f"out.{written}")
    assert [(row["id"], row["text"]) for row in rows] == [("1", "a\nb"), ("2", "ok")]


def test_standard_streams_need_a_format() -> None:
    with pytest.raises(UsageError, match="format of '-' is not known"):
        score_file("-", "out.csv", FakeScorer())


def test_score_columns_are_those_of_the_vocabulary() -> None:
    columns = score_columns(FakeScorer().score_batch(["a", "", 5]))
    assert tuple(columns) == SCORE_COLUMNS
    assert columns["review"] == [None, "empty", "unreadable"]
    for name in SCORE_COLUMNS:
        assert len(columns[name]) == 3
    shares = [columns[f"p_{word}"][0] for word in ("negative", "neutral", "positive")]
    assert sum(float(str(share)) for share in shares) == pytest.approx(1, abs=3e-6)
