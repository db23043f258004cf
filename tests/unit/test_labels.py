"""Labels without their texts: written from a file that has them, and read again."""

import csv
from pathlib import Path

import pytest

from replyrank.data.errors import UsageError
from replyrank.data.labels import LABEL_COLUMNS, read_labels, write_labels
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import Intent, SentimentLabel, UrgencyLevel

HEADER = "id,split,source,channel,brand,created_at,text,intent,urgency,sentiment,votes\n"
FIRST = 'a1,train,twcs,twitter,acme,,"@acme my card, where?",support_request,2,negative,1\n'
SECOND = "a2,test,asapp,twitter,,,thank you,praise,0,positive,2\n"


def _write(folder: Path, *lines: str) -> Path:
    path = folder / "with_texts.csv"
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    return path


def test_the_text_is_left_behind(tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    assert write_labels(_write(tmp_path, FIRST, SECOND), out) == 2
    assert "card" not in out.read_text(encoding="utf-8")
    first, second = read_labels(out)
    assert (first.id, first.source, first.split, first.votes) == ("a1", "twcs", "train", 1)
    assert first.key == text_key("@acme my card, where?")
    assert first.labels.intent is Intent.SUPPORT_REQUEST
    assert first.labels.urgency is UrgencyLevel.HIGH
    assert second.labels.sentiment is SentimentLabel.POSITIVE


def test_a_repeated_text_is_refused(tmp_path: Path) -> None:
    again = FIRST.replace("a1", "a3").replace("my card", "my  card")
    with pytest.raises(UsageError, match="'a3' repeats a text"):
        write_labels(_write(tmp_path, FIRST, again), tmp_path / "labels.csv")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("id,text\n1,x\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no column source, split"):
        write_labels(path, tmp_path / "labels.csv")
    with pytest.raises(UsageError, match="no column source, text_key"):
        read_labels(path)


def test_a_wrong_label_is_named_with_its_line(tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    write_labels(_write(tmp_path, FIRST, SECOND.replace("praise", "joy")), out)
    with pytest.raises(UsageError, match="line 3: 'joy'"):
        read_labels(out)


def test_the_labels_in_the_package() -> None:
    rows = read_labels()
    assert len(rows) == 13_071
    assert len({(row.source, row.key) for row in rows}) == len(rows)
    assert sum(row.split == "test" for row in rows) == 975
    assert {row.split for row in rows} == {"train", "test"}
    assert all(len(row.key) == 64 for row in rows)


@pytest.mark.parametrize("name", ["posts.csv", "added.csv", "controls.csv"])
def test_no_text_is_shipped(name: str) -> None:
    path = Path(__file__).resolve().parents[2] / "data" / "labels" / name
    with path.open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert tuple(header) == LABEL_COLUMNS
    assert not any(" " in cell or len(cell) > 64 for row in rows for cell in row)
