import io

import pyarrow as pa
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import BadRow, Format, Notice, Problem, ReadOptions, Row, open_source

OPTIONS = ReadOptions(format=Format.JSONL)


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def read(data: bytes) -> tuple[list[Row], list[object], list[Problem]]:
    with open_source(io.BytesIO(data), OPTIONS) as source:
        windows = list(source.windows(2))
    return (
        [row for window in windows for row in window.rows],
        [text for window in windows for text in window.texts],
        [problem for window in windows for problem in window.problems],
    )


def test_values_keep_their_types() -> None:
    rows, texts, problems = read(b'{"text":"a","n":1,"x":[{"y":null}],"z":1.5,"t":true}\n\n')
    assert rows == [{"text": "a", "n": 1, "x": [{"y": None}], "z": 1.5, "t": True}]
    assert texts == ["a"]
    assert not problems


def test_bad_lines_are_reported_and_the_rest_goes_on() -> None:
    lines = [
        b'{"text": "first"}',
        b'{"text": "cut',
        b'["text"]',
        b"7",
        b"[" * 100_000,
        b'{"n": ' + b"1" * 5000 + b"}",
        b'{"text": "last"}',
    ]
    rows, texts, problems = read(b"\n".join(lines))
    assert texts == ["first", "last"]
    assert len(rows) == 2
    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6]
    assert all(isinstance(problem, BadRow) and problem.raw for problem in problems)
    assert problems[0].reason == "not JSON: Invalid control character, character 14"
    assert problems[1].reason == "a JSON list and no object"
    assert problems[3].reason.startswith("its objects or arrays are nested too deep")
    assert problems[4].reason.startswith("a whole number has more than 4,300 digits; write it as")


def test_surrogates_nuls_and_non_texts_survive() -> None:
    data = rb"""{"text":"a\ud800b"}
{"text":"\ud83d\ude00"}
{"text":"a\u0000b"}
{"text":5}
{"other":1}
{"text":null}"""
    assert read(data)[1] == ["a\ud800b", "😀", "a\0b", 5, None, None]


def test_nan_is_null_and_an_infinity_is_told() -> None:
    lines = b'{"text":"a","reach":NaN}\n{"text":"b","id":-Infinity}\n{"text":"c","id":1e999}'
    rows, _, problems = read(lines)
    assert rows == [{"text": "a", "reach": None}, *({"text": t, "id": None} for t in "bc")]
    assert problems == [
        Notice("-Infinity is no number of JSON; read as null", 2),
        Notice("1e999 is too large a number; read as null", 3),
    ]


def test_a_key_that_stands_twice_is_told() -> None:
    lines = b'{"text":"a","text":"b","x":{"y":1,"y":2}}\n{"text":"c"}'
    rows, _, problems = read(lines)
    assert rows == [{"text": "b", "x": {"y": 2}}, {"text": "c"}]
    assert problems == [
        Notice(f"key {key!r} stands more than once; its last value is taken", 1)
        for key in ("y", "text")
    ]


def test_utf_16_without_a_mark_is_told_by_its_name() -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(UsageError, match=rf"UTF-16 .* \(--encoding {encoding}\)"):
            read('{"text":"a"}'.encode(encoding))


def test_bom_and_windows_1252() -> None:
    data = b'\xef\xbb\xbf{"text":"a"}\n' + '{"text":"café"}\n'.encode("cp1252")
    _, texts, problems = read(data)
    assert texts == ["a", "café"]
    assert len(problems) == 1


def test_array_is_refused() -> None:
    for data in (b'[{"text":"a"},\n{"text":"b"}]', b'[\n{"text":"a"}\n]', b'[{"text":"a"}]'):
        with pytest.raises(UsageError, match="JSON array"):
            read(data)


def test_no_object_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="no JSON object in its first 2 lines"):
        read(b"id,text\n1,a\n")


def test_empty_file_has_no_rows() -> None:
    with open_source(io.BytesIO(b""), OPTIONS) as source:
        assert source.mapping is None
        assert list(source.windows(5)) == []
        assert list(source.records()) == []


@pytest.mark.parametrize("stream", [io.BytesIO, Pipe])
def test_schema_holds_every_value(stream: type[io.BytesIO]) -> None:
    lines = [b'{"text":"a","i":1,"f":1,"b":true,"m":1,"n":null,"o":{"x":1},"big":1}'] * 500
    lines.append(b'{"i":2,"f":1.5,"b":null,"m":"one","late":3,"big":99999999999999999999}')
    with open_source(stream(b"\n".join(lines)), OPTIONS, rereadable=True) as source:
        schema = source.schema()
        rows = [row for window in source.windows(400) for row in window.rows]
    assert len(rows) == 501, "the rows can be read after the schema"
    expected = {
        "text": pa.string(),
        "i": pa.int64(),
        "f": pa.float64(),
        "b": pa.bool_(),
        "m": pa.string(),
        "n": pa.string(),
        "o": pa.string(),
        "big": pa.string(),
        "late": pa.int64(),
    }
    assert dict(zip(schema.names, schema.types, strict=True)) == expected
