"""The one table that says what a corpus's own labels mean in our words."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import StringIO
from typing import TypeVar

from replyrank.data.errors import UsageError
from replyrank.data.messages import Labels
from replyrank.data.vocabulary import Intent, SentimentLabel, UrgencyLevel

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRow:
    """What one label of one corpus means."""

    source: str
    #: the corpus's own label
    native: str
    labels: Labels
    #: whether the labels count unless someone asks for them
    default: bool
    #: how often the sentiment is ours on posts of split ``train`` that both label, as "a/n"
    agreement: str
    why: str


def labels_of(source: str, *native: str, optional: bool = False) -> Labels:
    """Our labels for a post that its corpus labels ``native``.

    Where a post has several labels of its own and they disagree in our words, that part is
    masked.

    Args:
        source: name of the corpus.
        native: the corpus's own labels of the post.
        optional: also give the mappings that the table does not switch on.

    Raises:
        UsageError: if the table does not know a label.
    """
    found: list[Labels] = []
    for label in native:
        row = mapping_table().get((source, label))
        if row is None:
            message = (
                f"label {label!r} of corpus {source!r} is not in corpora/mapping.csv; "
                "add a row that says what it means, or nothing"
            )
            raise UsageError(message)
        found.append(row.labels if row.default or optional else Labels())
    return Labels(
        intent=_agreed(labels.intent for labels in found),
        urgency=_agreed(labels.urgency for labels in found),
        sentiment=_agreed(labels.sentiment for labels in found),
    )


@cache
def mapping_table() -> dict[tuple[str, str], MappingRow]:
    """The whole table, by corpus and native label.

    Raises:
        ValueError: if a row is not of the vocabulary or stands twice.
    """
    table: dict[tuple[str, str], MappingRow] = {}
    source = resources.files("replyrank.data.corpora").joinpath("mapping.csv")
    with StringIO(source.read_text(encoding="utf-8")) as lines:
        for row in csv.DictReader(lines):
            place = (row["source"], row["native"])
            if place in table:
                message = f"corpora/mapping.csv has {place} twice"
                raise ValueError(message)
            table[place] = MappingRow(
                source=row["source"],
                native=row["native"],
                labels=Labels(
                    intent=Intent(row["intent"]) if row["intent"] else None,
                    urgency=UrgencyLevel.parse(row["urgency"]) if row["urgency"] else None,
                    sentiment=SentimentLabel(row["sentiment"]) if row["sentiment"] else None,
                ),
                default={"yes": True, "no": False}[row["default"]],
                agreement=row["agreement"],
                why=row["why"],
            )
    return table


def _agreed(values: Iterable[_T | None]) -> _T | None:
    """The one value that all give; None if they differ or one gives none."""
    different = set(values)
    return different.pop() if len(different) == 1 else None
