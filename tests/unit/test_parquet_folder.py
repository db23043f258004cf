"""A folder of Parquet files is one input, and may be one output."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import (
    BadRow,
    Format,
    Notice,
    ReadOptions,
    Record,
    Row,
    WriteOptions,
    open_source,
)
from replyrank.data.vocabulary import SCORE_COLUMNS
from replyrank.pipeline.bulk import BulkOptions, BulkSummary, score_file
from tests.fakes import FakeScorer
from tests.unit.test_bulk import Dying


def write(path: Path, columns: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened here: the library takes only names in UTF-8.
    with path.open("wb") as file:
        pq.write_table(pa.table(columns), file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files with rows and one without, in two partitions; other files beside them."""
    root = tmp_path / "mentions"
    write(root / "year=2024/brand=Oak%2FBasket/b.parquet", {"id": [3], "text": ["three"]})
    write(
        root / "year=2024/brand=Oak%2FBasket/a.parquet",
        {"id": [1, 2], "text": ["one", "two"], "likes": [0.5, 1.5]},
    )
    empty = {"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())}
    write(root / "year=2024/brand=Oak%2FBasket/c.parquet", empty)
    write(root / "year=2025/brand=__HIVE_DEFAULT_PARTITION__/a.pq", {"id": [4], "text": ["four"]})
    (root / "_SUCCESS").write_text("")
    write(root / ".hidden/x.parquet", {"id": [9], "text": ["no"]})
    write(root / "_temporary/x.parquet", {"id": [9], "text": ["no"]})
    (root / "notes.txt").write_text("no")
    return root


def rows_of(path: Path) -> list[Row]:
    with open_source(path) as source:
        return [row for window in source.windows(1000) for row in window.rows]


def run(source: Path, target: Path, *, force: bool = False) -> BulkSummary:
    options = BulkOptions(window=2, write=WriteOptions(force=force))
    return score_file(source, target, FakeScorer(), options)


def table(path: Path) -> Any:
    return pq.ParquetFile(path).read()


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_one_output_has_the_rows_of_all_files_and_the_keys(
    folder: Path, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"out.{suffix}"
    assert run(folder, target).scored == 4
    expected: list[Row] = [
        {"id": 1, "text": "one", "likes": 0.5, "year": 2024, "brand": "Oak/Basket"},
        {"id": 2, "text": "two", "likes": 1.5, "year": 2024, "brand": "Oak/Basket"},
        {"id": 3, "text": "three", "likes": None, "year": 2024, "brand": "Oak/Basket"},
        {"id": 4, "text": "four", "likes": None, "year": 2025, "brand": None},
    ]
    own = [{k: v for k, v in row.items() if k not in SCORE_COLUMNS} for row in rows_of(target)]
    if suffix == "csv":
        expected = [{k: "" if v is None else str(v) for k, v in row.items()} for row in expected]
    if suffix == "jsonl":
        # A row of JSON has the keys that its own file has.
        for row in expected[2:]:
            del row["likes"]
    assert own == expected


def test_a_folder_mirrors_the_input(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "scored"
    summary = run(folder, target)
    assert (summary.rows, summary.scored, summary.rejects) == (4, 4, None)
    names = [
        "year=2024/brand=Oak%2FBasket/a.parquet",
        "year=2024/brand=Oak%2FBasket/b.parquet",
        "year=2024/brand=Oak%2FBasket/c.parquet",
        "year=2025/brand=__HIVE_DEFAULT_PARTITION__/a.pq",
    ]
    assert files(target) == names
    for name in names:
        source, scored = table(folder / name), table(target / name)
        assert scored.column_names == [*source.column_names, *SCORE_COLUMNS]
        assert scored.select(source.column_names).equals(source)
    first = table(target / names[0])
    assert first.column("urgency").to_pylist() == [
        round(FakeScorer().score([text])[0].urgency, 6) for text in ("one", "two")
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mentions", "scored"]


def test_messages_take_their_fields_from_the_keys(folder: Path) -> None:
    with open_source(folder) as source:
        assert source.columns == ("id", "text", "likes", "year", "brand")
        records = [item for item in source.records() if isinstance(item, Record)]
    assert [record.message.brand for record in records] == ["Oak/Basket"] * 3 + [None]


def test_keys_are_whole_numbers_only_where_all_are(tmp_path: Path) -> None:
    for month in ("07", "11"):
        write(tmp_path / f"in/day=1/month={month}/a.parquet", {"text": [month], "day": ["own"]})
    assert rows_of(tmp_path / "in") == [
        {"text": "07", "day": "own", "month": "07"},
        {"text": "11", "day": "own", "month": "11"},
    ]


def test_a_file_that_cannot_be_used_is_left_out(folder: Path, tmp_path: Path) -> None:
    broken, other = folder / "year=2024/broken.parquet", folder / "year=2026/other.parquet"
    broken.write_bytes(b"PAR1 no")
    write(other, {"id": [5, 6], "title": ["a", "b"]})
    summary = run(folder, tmp_path / "scored")
    assert (summary.scored, summary.rejected) == (4, 3)
    with open_source(folder) as source:
        bad = [item for item in source.records() if isinstance(item, BadRow)]
    assert [(item.count, item.reason.split(":")[0]) for item in bad] == [
        (1, "year=2024/broken.parquet is left out"),
        (2, "year=2026/other.parquet is left out"),
    ]
    assert "text" in bad[1].reason
    assert len(files(tmp_path / "scored")) == 4


def test_notices_say_in_which_file(folder: Path) -> None:
    write(folder / "z.parquet", {"text": ["fine", "nul \0 inside"]})
    with open_source(folder) as source:
        notices = [notice for window in source.windows(10) for notice in window.text_notices()]
    assert [notice.line for notice in notices] == [2]
    assert notices[0].reason.startswith("z.parquet: ")
    assert isinstance(notices[0], Notice)


def test_files_may_have_types_that_no_one_output_holds(folder: Path, tmp_path: Path) -> None:
    write(folder / "year=2026/a.parquet", {"id": ["x"], "text": ["five"]})
    with pytest.raises(UsageError, match=r"column 'id' is int64 .* string in year=2026/a.parquet"):
        run(folder, tmp_path / "out.parquet")
    assert run(folder, tmp_path / "out.jsonl").scored == 5
    assert run(folder, tmp_path / "scored").scored == 5
    assert pq.read_schema(tmp_path / "scored/year=2026/a.parquet").field("id").type == pa.string()


def test_numbers_of_two_kinds_are_widened(folder: Path, tmp_path: Path) -> None:
    write(folder / "year=2026/a.parquet", {"id": [0.5], "text": ["five"]})
    run(folder, tmp_path / "out.parquet")
    assert [row["id"] for row in rows_of(tmp_path / "out.parquet")] == [1, 2, 3, 4, 0.5]


def test_a_folder_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "scored"
    target.mkdir()
    assert run(folder, target).scored == 4
    for force in (False, True):
        with pytest.raises(UsageError, match="is there already, and folders are not replaced"):
            run(folder, target, force=force)
    assert len(files(target)) == 4
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        run(folder, tmp_path / "file", force=True)
    assert not (tmp_path / "scored.parts").exists()


@pytest.mark.parametrize("name", ["scored", "year=2024/scored", "out.csv"])
def test_the_output_is_not_put_into_the_input(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is inside the folder that is read"):
        run(folder, folder / name)
    assert len(rows_of(folder)) == 4


@pytest.mark.parametrize("windows", [1, 2, 3])
def test_a_run_that_was_stopped_goes_on(folder: Path, tmp_path: Path, windows: int) -> None:
    run(folder, tmp_path / "whole")
    options = BulkOptions(window=1)
    with pytest.raises(RuntimeError, match="out of memory"):
        score_file(folder, tmp_path / "scored", Dying(windows), options)
    assert not (tmp_path / "scored").exists()
    summary = score_file(folder, tmp_path / "scored", FakeScorer(), options)
    assert summary.resumed == windows
    assert files(tmp_path / "scored") == files(tmp_path / "whole")
    for name in files(tmp_path / "whole"):
        assert (tmp_path / "scored" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_fraction_counts_all_files(folder: Path) -> None:
    with open_source(folder) as source:
        fractions = [source.fraction() for _ in source.windows(1)]
        assert fractions == [0.25, 0.5, 0.75, 1.0]
        assert source.fraction() == 1.0


def test_what_is_no_folder_of_parquet_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"without a file that ends in \.parquet or \.pq"):
        open_source(tmp_path / "empty")
    with pytest.raises(UsageError, match="of folders only Parquet is read"):
        open_source(folder, ReadOptions(format=Format.CSV))
    with pytest.raises(UsageError, match="is a folder; give a file"):
        score_file(
            folder, tmp_path, FakeScorer(), BulkOptions(write=WriteOptions(format=Format.CSV))
        )


def test_columns_of_the_users_own_stay_where_only_some_files_were_scored(
    folder: Path, tmp_path: Path
) -> None:
    part = "year=2024/brand=Oak%2FBasket"
    run(folder, tmp_path / "once")
    (tmp_path / "once" / part / "a.parquet").replace(folder / part / "a.parquet")
    write(folder / part / "b.parquet", {"id": [3], "text": ["three"], "language": ["klingon"]})
    run(folder, tmp_path / "scored")
    assert table(tmp_path / "scored" / part / "b.parquet").column("input_language").to_pylist() == [
        "klingon"
    ]
    assert "input_intent" in table(tmp_path / "scored" / part / "a.parquet").column_names
    # Where all were, ours are replaced.
    run(tmp_path / "scored", tmp_path / "again")
    assert "input_input_intent" not in table(tmp_path / "again" / part / "a.parquet").column_names


def test_packed_files_are_none_of_the_folder(folder: Path) -> None:
    (folder / "x.parquet.gz").write_bytes(b"no")
    with open_source(folder) as source:
        assert len([row for window in source.windows(9) for row in window.rows]) == 4


def test_links_are_followed_and_loops_are_not(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "store/a.parquet", {"id": [5], "text": ["five"]})
    (folder / "year=2030").symlink_to(tmp_path / "store")
    (folder / "year=2024/loop").symlink_to(folder)
    rows = rows_of(folder)
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["year"] == 2030


def test_each_file_has_its_own_column_of_texts_and_a_key_is_none(tmp_path: Path) -> None:
    write(tmp_path / "in/message=1/a.parquet", {"body": ["one"]})
    write(tmp_path / "in/message=1/b.parquet", {"full_text": ["two"]})
    write(tmp_path / "in/_date=3/c.parquet", {"text": ["three"]})
    with open_source(tmp_path / "in") as source:
        texts = [text for window in source.windows(9) for text in window.texts]
        assert source.columns == ("text", "body", "full_text", "_date", "message")
    assert texts == ["three", "one", "two"]


def test_an_empty_file_without_texts_is_no_fault(folder: Path, tmp_path: Path) -> None:
    write(folder / "empty.parquet", {"id": pa.array([], pa.int64())})
    assert run(folder, tmp_path / "scored").rejected == 0


def test_values_that_fit_no_common_type_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "in/a.parquet", {"id": [2**60 + 1, 7], "text": ["one", "two"]})
    write(tmp_path / "in/b.parquet", {"id": [0.5], "text": ["three"]})
    summary = run(tmp_path / "in", tmp_path / "out.csv")
    assert (summary.scored, summary.rejected) == (1, 2)
    report = (tmp_path / "out.csv.rejects.jsonl").read_text()
    assert "a.parquet: rows 1 to 2 do not fit the columns of other files" in report
    assert "write to a folder" in report
    assert run(tmp_path / "in", tmp_path / "scored").scored == 3


def test_a_column_without_gaps_may_be_absent_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("text", pa.string())])
    pq.write_table(pa.table({"id": [1], "text": ["one"]}, schema), tmp_path / "in/a.parquet")
    write(tmp_path / "in/b.parquet", {"text": ["two"]})
    run(tmp_path / "in", tmp_path / "out.parquet")
    assert [row["id"] for row in rows_of(tmp_path / "out.parquet")] == [1, None]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/in/brand=Caf\xe9"))
    try:
        write(place / "a.parquet", {"text": ["one"]})
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    assert rows_of(tmp_path / "in") == [{"text": "one", "brand": "Caf\ufffd"}]
    assert run(tmp_path / "in", tmp_path / "scored").scored == 1


def test_a_key_of_our_names_is_refused_in_a_mirror(tmp_path: Path) -> None:
    write(tmp_path / "in/language=en/a.parquet", {"text": ["one"]})
    with pytest.raises(UsageError, match=r"are named by language, .* write to one file"):
        run(tmp_path / "in", tmp_path / "scored")
    run(tmp_path / "in", tmp_path / "out.jsonl")
    assert rows_of(tmp_path / "out.jsonl")[0]["input_language"] == "en"


def test_a_report_inside_the_output_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "scored").mkdir()
    options = BulkOptions(rejects=tmp_path / "scored" / "report.jsonl")
    with pytest.raises(UsageError, match="would stand in"):
        score_file(folder, tmp_path / "scored", FakeScorer(), options)
