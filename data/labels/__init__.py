"""Labels of public posts, kept without their text."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from io import StringIO
from pathlib import Path
from typing import Final, TextIO

from replyrank.data.errors import UsageError
from replyrank.data.messages import Labels
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import Intent, SentimentLabel, UrgencyLevel

LABEL_COLUMNS: Final = (
    "id",
    "source",
    "text_key",
    "split",
    "intent",
    "urgency",
    "sentiment",
    "votes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """Our labels of one post of a public corpus."""

    id: str
    source: str
    key: str
    #: ``train`` or ``test``
    split: str
    labels: Labels
    #: readers behind the label: 1, 2 (agreed) or 3 (adjudicated)
    votes: int


def read_labels(path: Path | None = None) -> list[LabelRow]:
    """Read a file of labels; without ``path`` the one in the package.

    Raises:
        UsageError: if a column is missing or a value is not of the vocabulary.
    """
    if path is None:
        return _committed("posts.csv")
    with path.open(encoding="utf-8", newline="") as lines:
        return list(_rows(lines, str(path)))


def read_added_labels() -> list[LabelRow]:
    """The labels that were added for training alone: nothing is ever measured on them."""
    return _committed("added.csv")


def write_labels(posts_csv: Path, out: Path) -> int:
    """Write the labels of ``posts_csv``, which has the texts, to ``out``, which has keys.

    Returns:
        The number of rows written, in the order of the input.

    Raises:
        UsageError: if a column is missing, or two rows of one source share a text.
    """
    seen: set[tuple[str, str]] = set()
    with (
        posts_csv.open(encoding="utf-8", newline="") as lines,
        out.open("w", encoding="utf-8", newline="") as target,
    ):
        reader = csv.DictReader(lines)
        needed = [*(column for column in LABEL_COLUMNS if column != "text_key"), "text"]
        _require(needed, reader.fieldnames, str(posts_csv))
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(LABEL_COLUMNS)
        for row in reader:
            row["text_key"] = text_key(row["text"])
            place = (row["source"], row["text_key"])
            if place in seen:
                message = f"{posts_csv}: post {row['id']!r} repeats a text; keep one of the two"
                raise UsageError(message)
            seen.add(place)
            writer.writerow([row[column] for column in LABEL_COLUMNS])
    return len(seen)


def read_control_labels() -> list[LabelRow]:
    """What the readers of the added labels said of posts of ``posts.csv``, unmarked among them."""
    return _committed("controls.csv")


def _committed(name: str) -> list[LabelRow]:
    source = resources.files("replyrank.data.labels").joinpath(name)
    with StringIO(source.read_text(encoding="utf-8")) as lines:
        return list(_rows(lines, f"labels/{name}"))


def _rows(lines: TextIO, name: str) -> Iterator[LabelRow]:
    reader = csv.DictReader(lines)
    _require(LABEL_COLUMNS, reader.fieldnames, name)
    for number, row in enumerate(reader, start=2):
        try:
            labels = Labels(
                intent=Intent(row["intent"]),
                urgency=UrgencyLevel.parse(row["urgency"]),
                sentiment=SentimentLabel(row["sentiment"]),
            )
            votes, split = int(row["votes"]), _split(row["split"])
        except ValueError as error:
            message = f"{name}, line {number}: {error}; correct the row"
            raise UsageError(message) from error
        yield LabelRow(
            id=row["id"],
            source=row["source"],
            key=row["text_key"],
            split=split,
            labels=labels,
            votes=votes,
        )


def _split(word: str) -> str:
    """The word, once it is known: anything else would train in silence."""
    if word not in {"train", "test"}:
        message = f"split {word!r} is not one; use train or test"
        raise ValueError(message)
    return word


def _require(columns: tuple[str, ...] | list[str], found: object, name: str) -> None:
    present = found if isinstance(found, list) else []
    missing = [column for column in columns if column not in present]
    if missing:
        message = f"{name} has no column {', '.join(missing)}; add it"
        raise UsageError(message)
