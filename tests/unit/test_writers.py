import gzip
import io
import json
import os
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import (
    Format,
    Notice,
    ReadOptions,
    Row,
    WriteOptions,
    open_source,
    open_writer,
    score_types,
)
from replyrank.data.vocabulary import SCORE_COLUMNS

ADDED = {"intent": pa.string(), "urgency": pa.float64()}


def convert(
    data: bytes,
    kind: Format,
    target: Path,
    added: Mapping[str, Any] = ADDED,
    options: WriteOptions | None = None,
) -> tuple[Notice, ...]:
    read = ReadOptions(format=kind)
    with (
        open_source(io.BytesIO(data), read, rereadable=True) as source,
        open_writer(target, source, added, options) as writer,
    ):
        for window in source.windows(2):
            values: dict[str, Sequence[object]] = {
                name: ["praise" if pa.types.is_string(kind) else 0.25] * len(window)
                for name, kind in added.items()
            }
            writer.write(window, values)
        return writer.notices


def rows_of(path: Path) -> list[Row]:
    with open_source(path) as source:
        return [row for window in source.windows(100) for row in window.rows]


CSV_INPUT = b'id;text;city\n1;"a;b\nc";Rome\n2;;\n3;x;Bonn\n'


def test_csv_to_csv_keeps_fields_and_delimiter(tmp_path: Path) -> None:
    convert(CSV_INPUT, Format.CSV, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (
        b"id;text;city;intent;urgency\n"
        b'1;"a;b\nc";Rome;praise;0.25\n2;;;praise;0.25\n3;x;Bonn;praise;0.25\n'
    )


def test_delimiter_follows_the_name_or_the_option(tmp_path: Path) -> None:
    convert(CSV_INPUT, Format.CSV, tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text().startswith("id\ttext\tcity\tintent\turgency\n")
    options = WriteOptions(delimiter="|")
    convert(CSV_INPUT, Format.CSV, tmp_path / "out.csv", options=options)
    assert (tmp_path / "out.csv").read_text().startswith("id|text|city|")
    convert(b'{"text":"a"}', Format.JSONL, tmp_path / "comma.csv")
    assert (tmp_path / "comma.csv").read_text() == "text,intent,urgency\na,praise,0.25\n"


def test_csv_to_jsonl_and_parquet(tmp_path: Path) -> None:
    convert(CSV_INPUT, Format.CSV, tmp_path / "out.jsonl")
    convert(CSV_INPUT, Format.CSV, tmp_path / "out.parquet")
    expected = {"id": "1", "text": "a;b\nc", "city": "Rome", "intent": "praise", "urgency": 0.25}
    assert rows_of(tmp_path / "out.jsonl")[0] == expected
    assert rows_of(tmp_path / "out.parquet")[0] == expected


JSONL_INPUT = b"""{"text":"a","n":1,"o":{"k":[1,"\\ud800"]}}
{"late":true,"n":2,"text":"b\\ud800"}
{"text":null,"n":NaN}
"""


def test_jsonl_to_jsonl_keeps_keys_and_types(tmp_path: Path) -> None:
    convert(JSONL_INPUT, Format.JSONL, tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    more = {"intent": "praise", "urgency": 0.25}
    assert [json.loads(line) for line in lines] == [
        {"text": "a", "n": 1, "o": {"k": [1, "\ufffd"]}, **more},
        {"late": True, "n": 2, "text": "b\ufffd", **more},
        {"text": None, "n": None, **more},
    ]
    assert list(json.loads(lines[1])) == ["late", "n", "text", "intent", "urgency"]


def test_jsonl_to_tables_has_all_columns(tmp_path: Path) -> None:
    convert(JSONL_INPUT, Format.JSONL, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == (
        "text,n,o,late,intent,urgency\n"
        'a,1,"{""k"": [1, ""\ufffd""]}",,praise,0.25\n'
        "b\ufffd,2,,true,praise,0.25\n"
        ",,,,praise,0.25\n"
    )
    convert(JSONL_INPUT, Format.JSONL, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column("n").to_pylist() == [1, 2, None]
    assert table.column("o").to_pylist() == ['{"k": [1, "\ufffd"]}', None, None]
    assert table.column("text").to_pylist() == ["a", "b\ufffd", None]


def typed_parquet() -> tuple[Any, bytes]:
    table = pa.table(
        {
            "text": pa.array(["a", "b", None], pa.large_string()),
            "when": pa.array([datetime(2020, 3, 4, tzinfo=UTC)] * 3, pa.timestamp("ns", "UTC")),
            "price": pa.array([Decimal("1.50"), None, None], pa.decimal128(9, 2)),
            "raw": pa.array([b"x", b"\xff", None]),
            "tags": pa.array([["x"], [], None]),
            "n": pa.array([1.5, float("nan"), None]),
            "code": pa.array(["u", "v", "u"]).dictionary_encode(),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return table, sink.getvalue()


def test_parquet_to_parquet_keeps_types(tmp_path: Path) -> None:
    table, data = typed_parquet()
    convert(data, Format.PARQUET, tmp_path / "out.parquet")
    result = pq.read_table(tmp_path / "out.parquet")
    assert result.schema.names == [*table.schema.names, "intent", "urgency"]
    assert result.schema.types[: table.num_columns] == table.schema.types
    assert result.drop_columns(["n", *ADDED]) == table.drop_columns(["n"])


def test_parquet_to_text_forms(tmp_path: Path) -> None:
    _, data = typed_parquet()
    convert(data, Format.PARQUET, tmp_path / "out.jsonl")
    first, second, _ = (tmp_path / "out.jsonl").read_text().splitlines()
    assert json.loads(first) == {
        "text": "a",
        "when": "2020-03-04T00:00:00+00:00",
        "price": "1.50",
        "raw": "x",
        "tags": ["x"],
        "n": 1.5,
        "code": "u",
        "intent": "praise",
        "urgency": 0.25,
    }
    assert json.loads(second)["n"] is None
    assert json.loads(second)["raw"] == "/w=="
    convert(data, Format.PARQUET, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == (
        'a,2020-03-04T00:00:00+00:00,1.50,x,"[""x""]",1.5,u,praise,0.25'
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", list(Format))
def test_columns_of_our_names_are_kept_under_another(
    tmp_path: Path, suffix: str, kind: Format
) -> None:
    table = pa.table({"intent": ["old"], "text": ["a"], "id": ["1"]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    data = {
        Format.CSV: b"intent,text,id\nold,a,1\n",
        Format.JSONL: b'{"intent":"old","text":"a","id":"1"}\n',
        Format.PARQUET: sink.getvalue(),
    }[kind]
    target = tmp_path / f"out.{suffix}"
    (notice,) = convert(data, kind, target)
    assert "'intent' as 'input_intent'" in notice.reason
    (row,) = rows_of(target)
    assert list(row) == ["input_intent", "text", "id", "intent", "urgency"]
    assert (row["input_intent"], row["intent"]) == ("old", "praise")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_text_column_of_our_name_is_renamed(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    (notice,) = convert(b"review,id\nfine,1\n", Format.CSV, target, {"review": pa.string()})
    assert "'review' as 'input_review'" in notice.reason
    assert rows_of(target) == [{"input_review": "fine", "id": "1", "review": "praise"}]


def test_finished_file_is_not_replaced_without_force(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        convert(CSV_INPUT, Format.CSV, target)
    assert target.read_text() == "precious"
    convert(CSV_INPUT, Format.CSV, target, options=WriteOptions(force=True))
    assert target.read_text().startswith("id;text")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "csv.gz"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    target.write_text("precious")
    options = WriteOptions(force=True)
    with pytest.raises(RuntimeError, match="scorer died"):
        _write_and_die(target, options)
    assert target.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [target]


def _write_and_die(target: Path, options: WriteOptions) -> None:
    source = open_source(io.BytesIO(CSV_INPUT), ReadOptions(format=Format.CSV))
    with source, open_writer(target, source, ADDED, options) as writer:
        for window in source.windows(1):
            writer.write(window, {"intent": ["praise"], "urgency": [0.5]})
            message = "scorer died"
            raise RuntimeError(message)


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    source = open_source(io.BytesIO(CSV_INPUT), ReadOptions(format=Format.CSV))
    with source, open_writer(target, source, {}) as writer:
        for window in source.windows(2):
            writer.write(window, {})
        assert not target.exists()
    assert len(rows_of(target)) == 3
    expected = 0o666 & ~_umask()
    assert stat.S_IMODE(target.stat().st_mode) == expected, "readable as other new files are"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_targets_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    for target in (tmp_path / "none" / "out.csv", tmp_path):
        with pytest.raises(UsageError):
            convert(CSV_INPUT, Format.CSV, target, options=WriteOptions(format=Format.CSV))


def test_device_is_written_in_place() -> None:
    convert(CSV_INPUT, Format.CSV, Path(os.devnull), options=WriteOptions(format=Format.CSV))
    assert not Path(os.devnull).is_file()


def test_gzip_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    convert(CSV_INPUT, Format.CSV, tmp_path / "a.jsonl.gz")
    convert(CSV_INPUT, Format.CSV, tmp_path / "b.jsonl.gz")
    first = (tmp_path / "a.jsonl.gz").read_bytes()
    assert first == (tmp_path / "b.jsonl.gz").read_bytes()
    assert len(gzip.decompress(first).splitlines()) == 3


@pytest.mark.parametrize("kind", list(Format))
def test_stdout(kind: Format, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with (
        open_source(io.BytesIO(CSV_INPUT), ReadOptions(format=Format.CSV)) as source,
        open_writer("-", source, {}, WriteOptions(format=kind)) as writer,
    ):
        for window in source.windows(9):
            writer.write(window, {})
    out = capsysbinary.readouterr().out
    with open_source(io.BytesIO(out), ReadOptions(format=kind)) as source:
        assert [text for window in source.windows(9) for text in window.texts] == [
            "a;b\nc",
            "",
            "x",
        ]


def test_score_types_are_those_of_the_vocabulary() -> None:
    types = score_types()
    assert tuple(types) == SCORE_COLUMNS
    assert {name for name, kind in types.items() if pa.types.is_string(kind)} == {
        *("intent", "urgency_level", "sentiment_label", "language", "review", "model")
    }
