import csv
import gzip
import io
from pathlib import Path

import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import (
    BadRow,
    Format,
    Notice,
    Problem,
    ReadOptions,
    Row,
    Source,
    Window,
    open_source,
)
from replyrank.data.readers.lines import MAX_LINE


def read_windows(data: bytes, **options: object) -> tuple[list[Window], Source]:
    chosen = ReadOptions(format=Format.CSV, **options)  # type: ignore[arg-type]
    with open_source(io.BytesIO(data), chosen) as source:
        return list(source.windows(3)), source


def read(data: bytes, **options: object) -> tuple[list[Row], list[Problem], Source]:
    windows, source = read_windows(data, **options)
    rows = [row for window in windows for row in window.rows]
    return rows, [problem for window in windows for problem in window.problems], source


def texts(data: bytes, **options: object) -> list[object]:
    return [text for window in read_windows(data, **options)[0] for text in window.texts]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(delimiter: str) -> None:
    data = delimiter.join(["id", "text", "city"]) + "\n"
    data += delimiter.join(["1", '"a, b; c"', "Rome"]) + "\n"
    rows, problems, source = read(data.encode())
    assert rows == [{"id": "1", "text": "a, b; c", "city": "Rome"}]
    assert not problems
    assert source.columns == ("id", "text", "city")


def test_delimiter_may_be_given() -> None:
    assert texts(b"id^text\n1^a,b\n", delimiter="^") == ["a,b"]
    assert texts(b"id\ttext;x\n1\ta;b\n", delimiter=r"\t", text_column="text;x") == ["a;b"]
    for wrong in ("", ";;", '"', "\n"):
        with pytest.raises(UsageError, match="cannot stand between fields"):
            read(b"id,text\n", delimiter=wrong)


def test_one_column_needs_no_quotes() -> None:
    assert texts(b"text\nhello, world; and | more\n\nnext\n") == [
        "hello, world; and | more",
        "next",
    ]


def test_one_column_keeps_quoted_empty_text() -> None:
    assert texts(b'text\n""\nx\n') == ["", "x"]


def test_quoting_may_be_off() -> None:
    assert texts(b'id\ttext\n1\t"so he said\n2\tok\n', quoted=False) == ['"so he said', "ok"]


@pytest.mark.parametrize(
    ("encoding", "bom"),
    [("utf-8", False), ("utf-8-sig", True), ("utf-16", True), ("utf-32", True)],
)
def test_unicode_encodings_are_found(encoding: str, bom: bool) -> None:
    rows, problems, source = read("text,id\ncafé 😀,1\n".encode(encoding))
    assert source.columns == ("text", "id"), f"BOM {bom} not taken off"
    assert rows == [{"text": "café 😀", "id": "1"}]
    assert not problems


def test_windows_1252_is_told_once() -> None:
    data = "id,text\n1,plain\n2,café\n3,\u201cquoted\u201d \u2013 naïve €\n".encode("cp1252")
    rows, problems, _ = read(data)
    assert [row["text"] for row in rows] == ["plain", "café", "\u201cquoted\u201d \u2013 naïve €"]
    assert problems == [Notice("not UTF-8 from line 3; read as Windows-1252 where it is not", None)]


def test_a_late_bad_byte_spoils_only_its_line() -> None:
    good = "".join(f"{n},größe {n}\n" for n in range(5000)).encode()
    data = b"id,text\n" + good + b"x,caf\xe9\n" + "y,né\n".encode() + b"z,\xf0\x9f\x98 \xc3\xa9\n"
    rows, problems, _ = read(data)
    assert [row["text"] for row in rows[-3:]] == ["café", "né", "\ufffd é"]
    assert problems == [
        Notice("the line is not UTF-8; read as Windows-1252", 5002),
        Notice("the line is not UTF-8; read as UTF-8 with bytes replaced by U+FFFD", 5004),
    ]


def test_surrogates_encoded_one_by_one_are_joined() -> None:
    pair = "\ud83d\ude00".encode("utf-8", "surrogatepass")
    lone = "\ud83d".encode("utf-8", "surrogatepass")
    assert texts(b"id,text\n1," + pair + b"\n2," + lone + b"!\n") == ["😀", "\ud83d!"]


def test_given_encoding_is_used_and_its_errors_are_told() -> None:
    rows, problems, _ = read("id,text\n1,Łódź\n".encode("cp1250"), encoding="cp1250")
    assert rows[0]["text"] == "Łódź"
    assert not problems
    rows, problems, _ = read(b"id,text\n1,a\xe9\n", encoding="ascii")
    assert rows[0]["text"] == "a\ufffd"
    assert problems == [Notice("bytes that are not ascii were replaced by U+FFFD", 2)]


def test_unknown_encoding_is_refused() -> None:
    with pytest.raises(UsageError, match="encoding 'klingon' is not known"):
        read(b"text\nx\n", encoding="klingon")


def test_line_numbers_count_physical_lines() -> None:
    data = b'id,text\n1,"a\nb\r\nc"\n\n2,short,row,x\n3,ok\n'
    rows, problems, _ = read(data)
    assert [row["text"] for row in rows] == ["a\nb\r\nc", "ok"]
    assert problems == [BadRow(6, "number of fields: 4; the header has 2", "2,short,row,x")]


def test_too_few_and_too_many_fields_are_bad_rows() -> None:
    rows, problems, _ = read(b"id,text,city\n1,a\n2,b,Rome\n3,c,Oslo,x\n4,d,Bonn,,\n")
    assert [row["id"] for row in rows] == ["2", "4"], "empty fields at the end are dropped"
    assert [(p.line, p.raw) for p in problems if isinstance(p, BadRow)] == [
        (2, "1,a"),
        (4, "3,c,Oslo,x"),
    ]


def test_unterminated_quote_at_the_end_costs_one_row() -> None:
    rows, problems, _ = read(b'id,text\n1,a\n2,"never closed\n3,c\n4,d')
    assert [row["id"] for row in rows] == ["1", "3", "4"]
    assert problems == [
        BadRow(3, "a quote opens in this row and is not closed in it", '2,"never closed')
    ]


def test_stray_quote_closed_by_a_later_row_costs_one_row() -> None:
    rows, problems, _ = read(b'id,text\n1,"oh no, he said\n2,b\n3,"quoted"\n4,d\n')
    assert [row["id"] for row in rows] == ["2", "3", "4"]
    assert [problem.line for problem in problems] == [2]


def test_quote_open_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replyrank.data.readers.csv_reader.MAX_LINE", 10_000)
    many = 2_000
    filler = b"".join(b"%d,%s\n" % (n, b"x" * 20) for n in range(many))
    rows, problems, _ = read(b'id,text\n0,"open\n' + filler)
    assert len(rows) == many
    assert [problem.line for problem in problems] == [2]


def test_overlong_line_is_left_out() -> None:
    rows, problems, _ = read(b"id,text\n1,a\n2," + b"x" * (2 * MAX_LINE) + b"\n3,c\n")
    assert [row["id"] for row in rows] == ["1", "3"]
    assert isinstance(problems[0], BadRow)
    assert problems[0].line == 3
    assert "longer than 4,194,304 bytes" in problems[0].reason


def test_long_texts_and_nuls_are_read() -> None:
    long = "é" * 150_000
    assert texts(f'id,text\n1,"{long}"\n2,a\0b\n'.encode()) == [long, "a\0b"]


def test_old_mac_line_ends() -> None:
    assert texts("id,text\r1,é\r2,b".encode()) == ["é", "b"]


def test_bare_carriage_return_is_a_bad_row() -> None:
    rows, problems, _ = read(b"id,text\n1,a\rb\n2,c\n")
    assert [row["id"] for row in rows] == ["2"]
    assert problems[0].reason == "a carriage return stands in a field without quotes"


def test_column_names_are_made_unique_and_told() -> None:
    _, problems, source = read(b"text, id ,,id\na,b,c,d\n")
    assert source.columns == ("text", "id", "column_3", "id_2")
    assert "column_3" in problems[0].reason


def test_empty_file_is_refused() -> None:
    for data in (b"", b"\n\n", b"\xef\xbb\xbf"):
        with pytest.raises(UsageError, match="is empty"):
            read(data)


def test_header_alone_gives_no_rows() -> None:
    assert read(b"id,text\n")[:2] == ([], [])


def test_windows_are_full_and_bounded_by_bytes() -> None:
    with open_source(
        io.BytesIO(b"id,text\n" + b"1,a\n" * 10), ReadOptions(format=Format.CSV)
    ) as source:
        assert [len(window) for window in source.windows(4)] == [4, 4, 2]
    big = b"id,text\n" + (b"1," + b"x" * 100_000 + b"\n") * 200
    with open_source(io.BytesIO(big), ReadOptions(format=Format.CSV)) as source:
        assert max(len(window) for window in source.windows(4096)) < 100


def test_gzip_and_tsv_are_known_by_name(tmp_path: Path) -> None:
    path = tmp_path / "posts.tsv.gz"
    path.write_bytes(gzip.compress(b"text\tid\na, b\t1\n"))
    with open_source(path) as source:
        assert [row for window in source.windows(9) for row in window.rows] == [
            {"text": "a, b", "id": "1"}
        ]
        assert source.fraction() == 1.0


def test_cut_gzip_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv.gz"
    whole = gzip.compress(
        b"id,text\n" + b"".join(b"%d,%x\n" % (n, n * 7919**3) for n in range(50_000))
    )
    path.write_bytes(whole[: len(whole) // 2])
    with open_source(path) as source:
        windows = list(source.windows(4096))
    assert sum(map(len, windows)) > 10_000
    last = windows[-1].problems[-1]
    assert isinstance(last, BadRow)
    assert "breaks off" in last.reason


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        open_source(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="is a folder"):
        open_source(tmp_path, ReadOptions(format=Format.CSV))
    (tmp_path / "no.csv.gz").write_bytes(b"text\nplain, not packed\n")
    with pytest.raises(UsageError, match="is it what its suffix says"):
        open_source(tmp_path / "no.csv.gz")


def test_field_size_limit_is_never_lowered() -> None:
    before = csv.field_size_limit(MAX_LINE * 2)
    try:
        read(b"text\nx\n")
        assert csv.field_size_limit() == MAX_LINE * 2
    finally:
        csv.field_size_limit(before)
