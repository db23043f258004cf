"""Read a labelled file: any CSV, JSON Lines or Parquet file with a text and labels."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np

from replyrank.data.companies import (
    companies_addressed,
    companies_mentioned,
    company_of,
    normalise_alias,
)
from replyrank.data.errors import UsageError
from replyrank.data.messages import Labels
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.readers import BadRow, ReadOptions, Record, Source, open_source
from replyrank.data.readers.columns import normal_name
from replyrank.data.vocabulary import (
    INTENTS,
    SENTIMENT_LABELS,
    Intent,
    SentimentLabel,
    UrgencyLevel,
)
from replyrank.data.wording import counted
from replyrank.training.rows import TrainingRows

#: what a label column is called, unless the user names another
LABEL_COLUMNS: Final = ("intent", "urgency", "sentiment")
#: the names of records and of scored files, taken where the first is not there
OTHER_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"urgency": "urgency_level", "sentiment": "sentiment_label"}
)

_OWN_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
_OWN_WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({})
_SHOWN: Final = 60
_Label = TypeVar("_Label")


@dataclass(frozen=True)
class LabelledPosts:
    """Posts with at least one label each, and the rows that were left out."""

    rows: TrainingRows
    #: n lines on which they start
    lines: tuple[int, ...]
    #: n values each, None where the file has none
    source: tuple[str | None, ...]
    channel: tuple[str | None, ...]
    brand: tuple[str | None, ...]
    left_out: tuple[BadRow, ...]
    #: of the whole file
    sha256: str

    def __len__(self) -> int:
        """Number of posts."""
        return len(self.rows)

    @property
    def companies(self) -> tuple[str | None, ...]:
        """Company of each post: by its brand, else by the one company that it mentions."""
        return tuple(
            _company(brand, text) for brand, text in zip(self.brand, self.rows.texts, strict=True)
        )

    def without(self, others: "LabelledPosts") -> "LabelledPosts":
        """The posts that neither stand among ``others`` nor are near-copies of one."""
        kept = NearCopyGuard(others.rows.texts).filter(self.rows.texts)
        return replace(
            self,
            rows=self.rows.take(np.array(kept, dtype=np.int64)),
            lines=tuple(self.lines[row] for row in kept),
            source=tuple(self.source[row] for row in kept),
            channel=tuple(self.channel[row] for row in kept),
            brand=tuple(self.brand[row] for row in kept),
        )


@dataclass(frozen=True)
class LabelledOptions:
    """How a labelled file is read."""

    reading: ReadOptions = field(default_factory=ReadOptions)
    #: ``intent``, ``urgency``, ``sentiment`` -> column, where it has another name
    label_columns: Mapping[str, str] = field(default_factory=lambda: _OWN_NAMES)
    #: ``intent``, ``urgency``, ``sentiment`` -> word of the file -> word of the vocabulary
    words: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _OWN_WORDS)
    #: only rows with this value in the column ``split``
    split: str | None = None


def labelled_options(reading: ReadOptions, split: str | None) -> LabelledOptions:
    """Options whose ``columns`` may name the labels as well as the fields of a message."""
    labels = {field: name for field, name in reading.columns.items() if field in LABEL_COLUMNS}
    others = {field: name for field, name in reading.columns.items() if field not in labels}
    return LabelledOptions(replace(reading, columns=others), labels, split=split)


def named_words(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """Label -> a team's word -> ours, from what was written as LABEL:WORD=OURS.

    Raises:
        UsageError: if one was not, or names what is no label.
    """
    found: dict[str, dict[str, str]] = {}
    for one in given:
        label, colon, rest = one.partition(":")
        word, equals, ours = rest.rpartition("=")
        if not (colon and equals and word and ours) or label not in _PARSERS:
            message = f"--word {one!r} is not LABEL:WORD=OURS with a label of "
            message += f"{', '.join(_PARSERS)}; write it such as intent:complaint=support_request"
            raise UsageError(message)
        try:
            _PARSERS[label](ours)
        except ValueError as error:
            message = f"--word {one!r}: {error}"
            raise UsageError(message) from error
        found.setdefault(label, {})[word] = ours
    return found


@dataclass(frozen=True)
class LabelColumns:
    """Where the labels and the rest stand in a file."""

    labels: Mapping[str, str]
    split: str | None
    source: str | None
    #: label -> word of the file, as ``normal_name`` has it -> word of the vocabulary
    words: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class _Post:
    line: int
    text: str
    labels: Labels
    source: str | None
    channel: str | None
    brand: str | None


def read_labelled(path: str | Path, options: LabelledOptions | None = None) -> LabelledPosts:
    """Read posts with their labels.

    A label may be empty: the post is then left out of that label's figures. A row whose
    label is wrong, that has no label at all or no text, is left out and reported by line.
    Urgency is 0 to 3 or none, low, high, critical.

    Raises:
        UsageError: if the file cannot be read, has no text or no label column, or no usable
            row of the split asked for.
    """
    options = options or LabelledOptions()
    posts: list[_Post] = []
    left_out: list[BadRow] = []
    with open_source(path, options.reading, rereadable=True) as source:
        source.find_all_columns()
        columns = find_label_columns(source, options)
        for item in _items(source, columns, options.split):
            if isinstance(item, BadRow):
                left_out.append(item)
            else:
                posts.append(item)
    if not posts:
        raise UsageError(_nothing_left(path, options, left_out))
    with Path(path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return LabelledPosts(
        rows=TrainingRows.of([post.text for post in posts], [post.labels for post in posts]),
        lines=tuple(post.line for post in posts),
        source=tuple(post.source for post in posts),
        channel=tuple(post.channel for post in posts),
        brand=tuple(post.brand for post in posts),
        left_out=tuple(sorted(left_out, key=lambda row: row.line)),
        sha256=sha256,
    )


def find_label_columns(source: Source, options: LabelledOptions) -> LabelColumns:
    """Where the labels stand.

    Raises:
        UsageError: if a column that the options name is not there, or no label is.
    """
    by_normal: dict[str, str] = {}
    for name in source.columns:
        by_normal.setdefault(normal_name(name), name)
    chosen = options.label_columns
    labels: dict[str, str] = {}
    for label in LABEL_COLUMNS:
        wanted = chosen.get(label, label)
        found = wanted if wanted in source.columns else by_normal.get(normal_name(wanted))
        if found is None and label not in chosen:
            found = by_normal.get(OTHER_NAMES.get(label, label))
        if found is not None:
            labels[label] = found
        elif label in chosen:
            message = f"{source.name} has no column {wanted!r} for {label}; it has "
            raise UsageError(message + _listed(source.columns))
    if not labels:
        message = f"{source.name} has no label column; it has {_listed(source.columns)}; "
        message += "name one intent, urgency or sentiment"
        raise UsageError(message)
    if options.split is not None and "split" not in by_normal:
        message = f"{source.name} has no column 'split' to take {options.split!r} from; "
        message += "leave the split out to take every row"
        raise UsageError(message)
    words = {
        label: {normal_name(word): ours for word, ours in named.items()}
        for label, named in options.words.items()
    }
    return LabelColumns(labels, by_normal.get("split"), by_normal.get("source"), words)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:_SHOWN]) for name in names) or "no columns"


def _items(source: Source, columns: LabelColumns, split: str | None) -> Iterator[_Post | BadRow]:
    for item in source.records():
        if isinstance(item, BadRow):
            yield item
        elif isinstance(item, Record):
            if split is not None and _word(item.values.get(columns.split or "")) != split:
                continue
            try:
                yield _post(item, columns)
            except ValueError as error:
                yield BadRow(item.line, str(error))


def text_and_labels(record: Record, columns: LabelColumns) -> tuple[str, Labels]:
    """The text of a row and what is known of its labels.

    Raises:
        ValueError: if it has no text, no label, or a wrong one.
    """
    if not isinstance(record.text, str) or not record.text.strip():
        message = "no text"
        raise ValueError(message)

    def read(label: str, parse: Callable[[str], _Label]) -> _Label | None:
        column = columns.labels.get(label)
        word = None if column is None else _word(record.values.get(column))
        if word is None:
            return None
        return parse(columns.words.get(label, {}).get(normal_name(word), word))

    labels = Labels(
        intent=read("intent", _intent),
        urgency=read("urgency", UrgencyLevel.parse),
        sentiment=read("sentiment", _sentiment),
    )
    if labels == Labels():
        message = "no label"
        raise ValueError(message)
    return record.text, labels


def _post(record: Record, columns: LabelColumns) -> _Post:
    text, labels = text_and_labels(record, columns)
    return _Post(
        line=record.line,
        text=text,
        labels=labels,
        source=None if columns.source is None else _word(record.values.get(columns.source)),
        channel=None if record.message.channel is None else record.message.channel.value,
        brand=record.message.brand,
    )


def _company(brand: str | None, text: str) -> str | None:
    if brand:
        # A brand that the table does not have is taken for a company of that name.
        return company_of(brand) or normalise_alias(brand)
    mentioned = companies_addressed(text) or companies_mentioned(text)
    return next(iter(mentioned)) if len(mentioned) == 1 else None


def _word(value: object) -> str | None:
    """A value as text, None where it is empty; 2.0, as tables with gaps write it, is 2."""
    if isinstance(value, float):
        # NaN, the one value that differs from itself, is how tables write a missing number.
        if value != value:  # noqa: PLR0124
            return None
        return str(int(value)) if value.is_integer() else str(value)
    word = "" if value is None else str(value).strip()
    return word or None


def _intent(word: str) -> Intent:
    try:
        return Intent(normal_name(word))
    except ValueError:
        message = f"intent {word[:_SHOWN]!r} is not one; use {', '.join(INTENTS)}"
        raise ValueError(message) from None


def _sentiment(word: str) -> SentimentLabel:
    try:
        return SentimentLabel(normal_name(word))
    except ValueError:
        message = f"sentiment {word[:_SHOWN]!r} is not one; use {', '.join(SENTIMENT_LABELS)}"
        raise ValueError(message) from None


def _nothing_left(path: str | Path, options: LabelledOptions, left_out: Sequence[BadRow]) -> str:
    of_split = "" if options.split is None else f" with split {options.split!r}"
    message = f"{path} has no labelled post{of_split}; give a file with text and labels"
    if left_out:
        first = left_out[0]
        message += f" ({counted(len(left_out), 'row')} left out; line {first.line}: {first.reason})"
    return message


_PARSERS: Final[Mapping[str, Callable[[str], object]]] = MappingProxyType(
    {"intent": _intent, "urgency": UrgencyLevel.parse, "sentiment": _sentiment}
)
