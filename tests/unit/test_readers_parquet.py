import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import BadRow, Format, Notice, ReadOptions, Record, open_source

OPTIONS = ReadOptions(format=Format.PARQUET)


def parquet(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def test_rows_have_python_values_of_every_type() -> None:
    when = dt.datetime(2020, 3, 4, 8, 5, 14, tzinfo=dt.UTC)
    table = pa.table(
        {
            "text": pa.array(["a", None]).dictionary_encode(),
            "when": pa.array([when, None], pa.timestamp("ns", "UTC")),
            "price": pa.array([Decimal("1.50"), None]),
            "tags": pa.array([["x"], []]),
            "who": pa.array([{"name": "n"}, None]),
        }
    )
    with open_source(io.BytesIO(parquet(table)), OPTIONS) as source:
        (window,) = source.windows(10)
    assert window.texts == ["a", None]
    assert list(window.lines) == [1, 2]
    assert window.rows[0] == {
        "text": "a",
        "when": when,
        "price": Decimal("1.50"),
        "tags": ["x"],
        "who": {"name": "n"},
    }


def test_windows_follow_row_groups_and_bytes() -> None:
    table = pa.table({"text": ["x" * 100_000] * 300})
    data = parquet(table, row_group_size=150, compression="none", use_dictionary=False)
    with open_source(io.BytesIO(data), OPTIONS) as source:
        sizes = [len(window) for window in source.windows(4096)]
        assert source.fraction() == 1.0
    assert sum(sizes) == 300
    assert max(sizes) < 100


def test_binary_texts_are_decoded() -> None:
    table = pa.table({"text": pa.array([b"caf\xe9", "né".encode(), None], pa.binary())})
    with open_source(io.BytesIO(parquet(table)), OPTIONS) as source:
        (window,) = source.windows(10)
    assert window.texts == ["café", "né", None]
    (notice,) = window.problems
    assert "not UTF-8" in notice.reason


def test_binary_texts_in_utf8_are_nothing_to_tell() -> None:
    table = pa.table({"text": pa.array(["né".encode(), None], pa.binary())})
    with open_source(io.BytesIO(parquet(table)), OPTIONS) as source:
        (window,) = source.windows(10)
    assert not window.problems


def test_strings_that_are_not_utf8_are_repaired_and_told() -> None:
    bad = pa.array([b"caf\xe9", b"ok", None], pa.binary()).view(pa.string())
    with open_source(io.BytesIO(parquet(pa.table({"text": bad, "n": [1, 2, 3]}))), OPTIONS) as s:
        (window,) = s.windows(10)
    assert window.texts == ["café", "ok", None]
    assert window.rows[0] == {"text": "café", "n": 1}
    assert isinstance(window.problems[0], Notice)
    window.batch.validate(full=True)


def test_broken_row_group_is_left_out(tmp_path: Path) -> None:
    texts = [f"text {n} {n * 7919}" for n in range(3000)]
    path = tmp_path / "posts.parquet"
    pq.write_table(pa.table({"text": texts}), path, row_group_size=1000, compression="gzip")
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset + 200
    data[start : start + 400] = b"\xff" * 400
    path.write_bytes(data)
    with open_source(path) as source:
        windows = list(source.windows(4096))
    lines = [line for window in windows for line in window.lines]
    (problem,) = (problem for window in windows for problem in window.problems)
    assert isinstance(problem, BadRow)
    assert len(lines) + problem.count == 3000
    assert lines == [*range(1, problem.line), *range(2001, 3001)]
    assert problem.unit == "row"


def test_what_is_no_parquet_or_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match=r"not a whole Parquet file"):
        open_source(io.BytesIO(b"text\nx\n"), OPTIONS)
    whole = parquet(pa.table({"text": ["a"]}))
    with pytest.raises(UsageError, match=r"not a whole Parquet file"):
        open_source(io.BytesIO(whole[:-20]), OPTIONS)
    with pytest.raises(UsageError, match="column 'text' of the input holds int64"):
        open_source(io.BytesIO(parquet(pa.table({"text": [1]}))), OPTIONS)


def test_pipe_is_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with open_source(Pipe(parquet(pa.table({"text": ["a", "b"]}))), OPTIONS) as source:
        assert [text for window in source.windows(1) for text in window.texts] == ["a", "b"]


def test_what_is_told_of_a_row_calls_it_a_row() -> None:
    table = pa.table({"text": ["a\0b"], "created_at": ["soon"]})
    with open_source(io.BytesIO(parquet(table)), OPTIONS) as source:
        (record,) = source.records()
    assert isinstance(record, Record)
    assert [(notice.unit, notice.line) for notice in record.notices] == [("row", 1), ("row", 1)]
    with open_source(io.BytesIO(parquet(table)), OPTIONS) as source:
        (window,) = source.windows(10)
    assert [notice.unit for notice in window.text_notices()] == ["row"]


def test_a_file_that_is_not_whole_is_told_with_a_remedy() -> None:
    data = parquet(pa.table({"text": ["a"]}))
    with pytest.raises(UsageError, match=r"not a whole Parquet file: .*; get a whole copy of it"):
        open_source(io.BytesIO(data[: len(data) // 2]), OPTIONS)
