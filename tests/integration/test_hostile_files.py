"""Files as the world sends them: what is broken is reported, the rest is scored."""

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replyrank.data.readers import (
    Format,
    ReadOptions,
    Row,
    Source,
    Window,
    open_source,
    open_writer,
)
from replyrank.data.readers.columns import ColumnMap
from replyrank.data.vocabulary import SCORE_COLUMNS
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.bulk import BulkOptions, BulkSummary, score_file
from tests.fakes import FakeScorer

LONG = "wait " * 25_000


def rows_of(path: Path) -> list[Row]:
    with open_source(path) as source:
        return [row for window in source.windows(1000) for row in window.rows]


def report(path: Path) -> list[tuple[int | None, bool]]:
    lines = path.with_name(path.name + ".rejects.jsonl").read_text().splitlines()
    return [(item["line"], item["kept"]) for item in map(json.loads, lines)]


def score(source: Path, target: Path) -> tuple[FakeScorer, BulkSummary]:
    scorer = FakeScorer()
    return scorer, score_file(source, target, scorer, BulkOptions(window=4))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_hostile_csv(tmp_path: Path, suffix: str) -> None:
    lines = [
        "\ufeffid,text,created_at".encode(),
        "1,größe 😀,2020-03-04".encode(),
        b"2,caf\xe9,soon",  # Windows-1252: kept, told
        b"3,,",  # empty text: scored, for review
        b"4,nul \0 inside,",
        b"5,too,many,fields",  # bad
        b"6",  # bad
        b'7,"two\nlines",',
        b"8,lone \xed\xa0\x80 surrogate,",
        b"9," + LONG.encode() + b",",
        "10,¿dónde está mi pedido?,".encode(),
        b'11,"never closed,',  # bad
        b"12,last,",
    ]
    source, target = tmp_path / "in.csv", tmp_path / f"out.{suffix}"
    source.write_bytes(b"\n".join(lines))
    scorer, summary = score(source, target)
    rows = rows_of(target)
    assert [row["id"] for row in rows] == ["1", "2", "3", "4", "7", "8", "9", "10", "12"]
    # The scorer sees what was in the file; the output has what can be written.
    seen = [text for texts in scorer.seen for text in texts]
    assert seen[:6] == [
        *("größe 😀", "café", "", "nul \0 inside", "two\nlines", "lone \ud800 surrogate")
    ]
    assert rows[5]["text"] == "lone \ufffd surrogate"
    assert [row["text"] for row in rows[:5]] == seen[:5]
    assert rows[6]["text"] == LONG
    assert [row["review"] or None for row in rows].count("empty") == 1
    told = [(3, True), (5, True), (6, False), (7, False), (10, True), (11, True), (13, False)]
    assert sorted(report(target)) == told
    assert (summary.rows, summary.scored, summary.rejected) == (12, 9, 3)
    assert (summary.notices, summary.reviews) == (4, {"empty": 1})


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_hostile_jsonl(tmp_path: Path, suffix: str) -> None:
    lines = [
        '{"id":1,"text":"größe 😀"}'.encode(),
        b'{"id":2,"text":"cut',  # bad
        b'["id",3]',  # bad
        rb'{"id":4,"text":"lone \ud800 surrogate"}',
        rb'{"id":5,"text":"nul \u0000 inside"}',
        b'{"id":6,"text":7}',
        b'{"id":8,"text":["a"]}',
        b'{"id":9}',
        b'{"id":10,"text":"' + LONG.encode() + b'"}',
        b'{"id":11,"text":"caf\xe9"}',  # kept, told
        b"",
        b'{"id":12,"text":"last","score":NaN}',
        b"\xff\xfe\x00",  # bad, and told
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    source.write_bytes(b"\n".join(lines))
    scorer, summary = score(source, target)
    rows = rows_of(target)
    assert [str(row["id"]) for row in rows] == ["1", "4", "5", "6", "8", "9", "10", "11", "12"]
    seen = [text for texts in scorer.seen for text in texts]
    assert seen[1:6] == ["lone \ud800 surrogate", "nul \0 inside", 7, ["a"], None]
    assert rows[1]["text"] == "lone \ufffd surrogate"
    assert rows[6]["text"] == LONG
    assert [line for line, kept in report(target) if not kept] == [2, 3, 13]
    assert {line for line, kept in report(target) if kept} >= {4, 5, 9, 10}
    assert (summary.scored, summary.rejected) == (9, 3)
    assert summary.reviews == {"empty": 1, "unreadable": 2}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_hostile_parquet(tmp_path: Path, suffix: str) -> None:
    raw = [
        *("größe 😀".encode(), b"caf\xe9", b"", None, b"nul \0 inside"),
        *(b"lone \xed\xa0\x80 surrogate", LONG.encode(), b"two\nlines"),
    ]
    table = pa.table(
        {
            "text": pa.array(raw, pa.binary()).view(pa.string()),
            "n": pa.array(range(8), pa.int16()),
            "when": pa.array([datetime(2020, 3, 4, tzinfo=UTC)] * 8),
        }
    )
    source, target = tmp_path / "in.parquet", tmp_path / f"out.{suffix}"
    pq.write_table(table, source)
    scorer, summary = score(source, target)
    seen = [text for texts in scorer.seen for text in texts]
    assert seen == [
        *("größe 😀", "café", "", None, "nul \0 inside", "lone \ud800 surrogate"),
        *(LONG, "two\nlines"),
    ]
    rows = rows_of(target)
    assert [str(row["n"]) for row in rows] == list(map(str, range(8)))
    assert rows[1]["text"] == "café"
    assert rows[5]["text"] == "lone \ufffd surrogate"
    assert rows[6]["text"] == LONG
    assert (summary.scored, summary.reviews) == (8, {"empty": 2})
    assert {line for line, kept in report(target) if kept} >= {5, 6, 7}
    if suffix == "parquet":
        assert pq.read_schema(target).types[:3] == table.schema.types


def test_only_bad_rows_give_an_empty_output(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1\n2\n")
    _, summary = score(tmp_path / "in.csv", tmp_path / "out.parquet")
    assert (summary.rows, summary.scored, summary.rejected) == (2, 0, 2)
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_empty_jsonl_gives_an_empty_output(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.jsonl").touch()
    _, summary = score(tmp_path / "in.jsonl", tmp_path / f"out.{suffix}")
    assert summary.rows == 0
    assert (tmp_path / f"out.{suffix}").is_file()


class RowsSource(Source):
    """Rows from memory, as a source that a writer can be opened for."""

    def __init__(self, rows: list[Row], columns: tuple[str, ...], schema: Any = None) -> None:
        self.name = "memory"
        self.columns = columns
        self.mapping = ColumnMap("text", {})
        self.options = ReadOptions()
        self._rows = rows
        self._schema = schema or pa.schema([(name, pa.string()) for name in columns])

    def windows(self, size: int) -> Iterator[Window]:
        for first in range(0, len(self._rows), size):
            rows = self._rows[first : first + size]
            lines = range(first + 1, first + 1 + len(rows))
            yield Window(lines, [row.get("text") for row in rows], rows=rows)

    def schema(self) -> Any:
        return self._schema

    def fraction(self) -> float | None:
        return None

    def close(self) -> None:
        pass


def round_trip(source: Source, kind: Format, size: int) -> list[Row]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{kind}"
        with source, open_writer(path, source, {}) as writer:
            for window in source.windows(size):
                writer.write(window, {})
        with open_source(path) as written:
            windows = list(written.windows(size))
    assert not [problem for window in windows for problem in window.problems]
    return [row for window in windows for row in window.rows]


# Every character that can be encoded, those that break files more often than the others.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("\r\n\t\",;|'\0\\\x1f\x85\u2028\ufeff é€😀"), st.characters(codec="utf-8")
    ),
    max_size=20,
)
SIZES = st.integers(1, 4)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=8), SIZES)
def test_csv_round_trip(values: list[tuple[str, str, str]], size: int) -> None:
    columns = ("id", "text", "end")
    rows: list[Row] = [dict(zip(columns, value, strict=True)) for value in values]
    assert round_trip(RowsSource(rows, columns), Format.CSV, size) == rows


@settings(deadline=None, max_examples=40)
@given(st.lists(TEXTS, max_size=8), SIZES)
def test_csv_of_one_column_round_trip(texts: list[str], size: int) -> None:
    rows: list[Row] = [{"text": text} for text in texts]
    assert round_trip(RowsSource(rows, ("text",)), Format.CSV, size) == rows


JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.dictionaries(TEXTS, JSON_VALUES, max_size=4), max_size=6), SIZES)
def test_jsonl_round_trip(objects: list[Row], size: int) -> None:
    rows = [{**row, "text": "x"} for row in objects]
    assert round_trip(RowsSource(rows, ("text",)), Format.JSONL, size) == rows


TYPED = st.fixed_dictionaries(
    {
        "text": st.none() | TEXTS,
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "x": st.none() | st.floats(allow_nan=False),
        "yes": st.none() | st.booleans(),
        "when": st.none() | st.datetimes(timezones=st.just(UTC)),
        "raw": st.none() | st.binary(max_size=5),
        "tags": st.none() | st.lists(TEXTS, max_size=3),
    }
)
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("n", pa.int64()),
        ("x", pa.float64()),
        ("yes", pa.bool_()),
        ("when", pa.timestamp("us", "UTC")),
        ("raw", pa.binary()),
        ("tags", pa.list_(pa.string())),
    ]
)


@settings(deadline=None, max_examples=40)
@given(st.lists(TYPED, max_size=6), SIZES)
def test_parquet_round_trip(rows: list[Row], size: int) -> None:
    source = RowsSource(rows, tuple(SCHEMA.names), SCHEMA)
    assert round_trip(source, Format.PARQUET, size) == rows


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=300), st.sampled_from([Format.CSV, Format.JSONL]))
def test_any_bytes_are_scored_or_reported(body: bytes, kind: Format) -> None:
    head = b"id,text\n" if kind is Format.CSV else b'{"id":1,"text":"x"}\n'
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / f"in.{kind}", Path(folder) / "out.jsonl"
        source.write_bytes(head + body)
        summary = score_file(source, target, FakeScorer(), BulkOptions(window=3))
        rows = rows_of(target)
    assert len(rows) == summary.scored == summary.rows - summary.rejected
    assert all(set(SCORE_COLUMNS) <= set(row) for row in rows)


class ForgetfulScorer(FakeScorer):
    """Keeps no texts."""

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        self.seen.clear()
        return super().score_batch(texts)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    peaks: list[int] = []
    for count in (1_000, 4_000):
        source = tmp_path / f"in{count}.{suffix}"
        with source.open("w") as stream:
            if suffix == "csv":
                stream.write("id,text\n")
            for n in range(count):
                text = f"message {n} " + "x" * 600
                stream.write(
                    f"{n},{text}\n" if suffix == "csv" else f'{{"id":{n},"text":"{text}"}}\n'
                )
        tracemalloc.start()
        target, options = tmp_path / f"out{count}.csv", BulkOptions(window=100)
        score_file(source, target, ForgetfulScorer(), options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Four times the rows are 1.8 MB more of text.
    assert peaks[1] < peaks[0] + 400_000
