"""An import takes labels whole or not at all."""

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from replyrank.data.errors import UsageError
from replyrank.data.label_records import LabelRecord, Record, format_record
from replyrank.data.vocabulary import UrgencyLevel
from replyrank.training.errors import ImportRefusedError
from replyrank.training.label_files import (
    LabelFileOptions,
)
from replyrank.training.label_import import Imported, ImportOptions, import_labels
from replyrank.training.label_set import load_label_set
from replyrank.training.labelled import read_labelled
from tests.labels import (
    PRAISE,
    deletion,
    label,
    read,
    write,
)

ONE, TWO, THREE = "the lift is out of order", "sofa came on time", "who else watches tonight"


def run(files: Sequence[Path], out: Path, **options: Any) -> Imported:
    return import_labels(files, out, ImportOptions(files=LabelFileOptions(), **options))


def table(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    return write(path, "text,intent\n" + "".join(f"{text},{intent}\n" for text, intent in rows))


def test_labels_that_come_late_in_a_file_are_read(tmp_path: Path) -> None:
    lines = [{"text": f"early number {n}", "intent": "praise"} for n in range(250)]
    late = {"text": "late and hurried", "intent": "praise", "urgency": "high", "id": "17"}
    path = write(tmp_path / "new.jsonl", "\n".join(map(json.dumps, [*lines, late])))
    array = write(tmp_path / "new.json", [*lines, late])
    for file in (path, array):
        record = read(file)[-1]
        assert isinstance(record, LabelRecord)
        assert (record.urgency_level, record.external_id) == (UrgencyLevel.HIGH, "17")
    out = tmp_path / "labels.jsonl"
    run([path], out)
    assert (read_labelled(out).rows.urgency == UrgencyLevel.HIGH.value).sum() == 1


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_a_file_that_breaks_off_is_refused(tmp_path: Path, name: str) -> None:
    draw = random.Random(0)  # noqa: S311  no secret
    texts = [f"queue number {draw.getrandbits(200)} is long" for _ in range(4_000)]
    if name.startswith("a.csv"):
        rows = "text,intent\n" + "".join(f"{text},praise\n" for text in texts)
    else:
        rows = "".join(f"{format_record(label(text, PRAISE))}\n" for text in texts)
    packed = gzip.compress(rows.encode())
    (tmp_path / name).write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ImportRefusedError, match=r"breaks off at line .* so nothing was taken"):
        run([tmp_path / name], tmp_path / "labels.jsonl")
    assert not (tmp_path / "labels.jsonl").exists()


def test_half_characters_can_be_written(tmp_path: Path) -> None:
    path = write(
        tmp_path / "new.jsonl",
        '{"text": "one \\ud800", "intent": "praise", "annotator": "\\ud800", "id": "a\\ud800"}',
    )
    out = tmp_path / "labels.jsonl"
    run([path], out)
    (record,) = load_label_set(out).labels
    assert (record.text, record.labelled_by, record.external_id) == (
        *("one \ufffd", "\ufffd", "a\ufffd"),
    )


def test_a_set_has_its_suffix(tmp_path: Path) -> None:
    one = table(tmp_path / "one.csv", [(ONE, "praise")])
    for name in ("labels.csv", "labels.jsonl.gz", "labels"):
        with pytest.raises(UsageError, match=r"does not end in \.jsonl"):
            run([one], tmp_path / name)


def test_doubts_of_the_reader_are_passed_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"text,intent,channel\n{ONE},praise,zendesk\n")
    done = run([path], tmp_path / "labels.jsonl")
    assert [notice.line for _, notice in done.merged.notices] == [2]
    assert "zendesk" in done.merged.notices[0][1].reason


def test_a_set_grows_and_has_a_version(tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"
    one = table(tmp_path / "one.csv", [(ONE, "praise"), (TWO, "chatter")])
    two = table(tmp_path / "two.csv", [(TWO, "praise"), (THREE, "chatter")])
    first = run([one], out)
    assert (first.rows, first.merged.new) == (2, 2)
    assert run([one], out).version == first.version
    second = run([two], out)
    assert second.version != first.version
    assert second.version == load_label_set(out).version
    # The same labels in another order are the same bytes.
    other = tmp_path / "other.jsonl"
    run([table(tmp_path / "x.csv", [(THREE, "chatter"), (TWO, "praise"), (ONE, "praise")])], other)
    assert other.read_bytes() == out.read_bytes()


def test_a_set_is_a_file_to_train_on(tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"
    records: list[Record] = [label("one", PRAISE, 4, "1"), deletion("2", 5)]
    lines = "".join(f"{format_record(record)}\n" for record in records)
    run([write(tmp_path / "new.jsonl", lines)], out)
    posts = read_labelled(out)
    assert posts.rows.texts == ("one",)
    assert posts.left_out == ()
    assert load_label_set(out).deletions == (records[1],)
    assert "one" not in (tmp_path / "labels.deletions.jsonl").read_text()


def test_too_many_rows_left_out_and_nothing_is_taken(tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"
    run([table(tmp_path / "one.csv", [(ONE, "praise")])], out)
    before = out.read_bytes()
    good = table(tmp_path / "good.csv", [(TWO, "praise")])
    bad = table(
        tmp_path / "bad.csv",
        [(f"queue number {n} " * (n + 1), "praise" if n > 2 else "kudos") for n in range(10)],
    )
    with pytest.raises(
        ImportRefusedError, match=r"3 of the 10 rows of .*bad.csv.* 3 x intent 'kudos'"
    ):
        run([good, bad], out)
    assert out.read_bytes() == before
    assert run([good, bad], out, most_left_out=0.3).merged.new == 8


def test_a_set_that_is_none_is_refused_and_kept(tmp_path: Path) -> None:
    out = write(tmp_path / "labels.jsonl", "precious\n")
    one = table(tmp_path / "one.csv", [(ONE, "praise")])
    with pytest.raises(UsageError, match=r"labels.jsonl, line 1: not JSON"):
        run([one], out)
    assert out.read_text() == "precious\n"
    run([one], tmp_path / "new.jsonl")
    with pytest.raises(UsageError, match="is the set itself"):
        run([tmp_path / "new.jsonl"], tmp_path / "new.jsonl")


def test_a_teams_own_test_posts_stay_apart(tmp_path: Path) -> None:
    text = "the parking machine took my card and keeps it"
    # Whatever its labels say, the text judges.
    judges = table(tmp_path / "test.csv", [(text, "kudos")])
    rows = table(tmp_path / "one.csv", [(f"{text}!!", "praise"), (ONE, "praise")])
    done = run([rows], tmp_path / "labels.jsonl", apart=judges, most_left_out=0)
    assert [record.text for record in done.merged.labels.labels] == [ONE]
