"""A team's set of labels: what is known of each message, one label a text, nothing deleted.

``labels.jsonl`` holds records sorted by message, so that the same labels are the same bytes;
its SHA-256 is its version. ``labels.deletions.jsonl`` beside it holds what must never come back,
without text.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from replyrank.data.errors import UsageError
from replyrank.data.label_records import (
    Deletion,
    LabelRecord,
    Record,
    format_record,
    parse_record,
)
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.readers import BadRow
from replyrank.data.readers.targets import Target
from replyrank.data.text_key import text_key
from replyrank.training.label_files import Incoming

Key = tuple[str, ...]

_DELETIONS: Final = ".deletions.jsonl"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LabelSet:
    """Labels and deletions, each sorted by message."""

    labels: tuple[LabelRecord, ...] = ()
    deletions: tuple[Deletion, ...] = ()

    @property
    def version(self) -> str:
        """SHA-256 of the labels as they are written."""
        return hashlib.sha256(_lines(self.labels)).hexdigest()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A label that is not taken, and why."""

    file: str
    row: BadRow
    #: whether something is wrong with it; a copy of a text that judges models is only kept apart
    is_fault: bool = True


@dataclass(frozen=True)
class Merged:
    """A set of labels after an import, and what the import did."""

    labels: LabelSet
    new: int
    changed: int
    #: that came again as they were, or were overruled by a later label that was there
    unchanged: int
    deleted: int
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Apart:
    """Texts that no label may train on: those that judge models."""

    #: of posts known by their key alone
    keys: frozenset[str] = frozenset()
    guard: NearCopyGuard = field(default_factory=lambda: NearCopyGuard([]))

    def why(self, text: str) -> str | None:
        """Why a text must stay out; None if it need not."""
        if text_key(text) in self.keys:
            return "the text is one of the public posts that judge the shipped models"
        if self.guard.copied(text) is not None:
            return "the text is a near-copy of one that judges models"
        return None


def load_label_set(path: Path) -> LabelSet:
    """Read a set; one that is not there is empty.

    Raises:
        UsageError: if the file holds anything but records.
    """
    records = [*_read(path), *_read(_deletions(path))]
    return LabelSet(
        tuple(record for record in records if isinstance(record, LabelRecord)),
        tuple(record for record in records if isinstance(record, Deletion)),
    )


def write_label_set(labels: LabelSet, path: Path) -> None:
    """Write a set, deletions first: a crash in between forgets too much and not too little."""
    for records, place in ((labels.deletions, _deletions(path)), (labels.labels, path)):
        if records or place.exists() or place == path:
            with Target(place, force=True) as target:
                target.stream.write(_lines(records))


def merge(
    before: LabelSet, incoming: Iterable[tuple[str, Incoming | BadRow]], apart: Apart
) -> Merged:
    """Take labels of files into a set.

    Of two labels of one message the later counts; where times do not tell, labels that
    contradict each other are all left out. The same holds for messages of the same text.

    Args:
        before: what is known.
        incoming: rows, each with the name of its file.
        apart: texts that must not train.
    """
    left_out, deletions = list[LeftOut](), {one.message_key: one for one in before.deletions}
    known = {record.message_key: record for record in before.labels}
    given: dict[Key, list[tuple[str, Incoming]]] = defaultdict(list)
    for file, item in incoming:
        if isinstance(item, BadRow):
            left_out.append(LeftOut(file, item))
        elif isinstance(item.record, Deletion):
            key = item.record.message_key
            deletions[key] = max(item.record, deletions.get(key, item.record), key=_deleted_at)
        elif reason := apart.why(item.record.text):
            left_out.append(LeftOut(file, BadRow(item.line, reason), is_fault=False))
        else:
            given[item.record.message_key].append((file, item))
    after = dict(known)
    for key, items in given.items():
        chosen = _latest(known.get(key), items)
        if chosen is None:
            reason = "labels of one message contradict each other, and no times tell the later"
            left_out += [_out(file, item, reason) for file, item in items]
        else:
            after[key] = chosen
    after, contradictions = _one_label_a_text(after, given)
    left_out += contradictions
    kept = {key: record for key, record in after.items() if not _is_deleted(record, deletions)}
    return Merged(
        labels=LabelSet(
            tuple(kept[key] for key in sorted(kept)),
            tuple(deletions[key] for key in sorted(deletions)),
        ),
        new=len(kept.keys() - known.keys()),
        changed=sum(kept[key] != known[key] for key in kept.keys() & known.keys()),
        unchanged=sum(kept[key] == known[key] for key in kept.keys() & given.keys() & known.keys()),
        deleted=sum(_is_deleted(record, deletions) for record in known.values()),
        left_out=tuple(left_out),
    )


def _latest(known: LabelRecord | None, items: Sequence[tuple[str, Incoming]]) -> LabelRecord | None:
    """The record that counts, None where that cannot be told."""
    records = [item.record for _, item in items if isinstance(item.record, LabelRecord)]
    if known is not None:
        # An import without times is a correction of what was known before it.
        newer = [record for record in records if _time(record) >= _time(known)]
        undated = [record for record in records if record.labelled_at is None]
        records = newer or undated or [known]
    latest = max(map(_time, records))
    candidates = [record for record in records if _time(record) == latest]
    if len({_said(record) for record in candidates}) > 1:
        return None
    return candidates[-1]


def _one_label_a_text(
    records: dict[Key, LabelRecord], given: dict[Key, list[tuple[str, Incoming]]]
) -> tuple[dict[Key, LabelRecord], list[LeftOut]]:
    """Of messages with the same text the labels of the latest; contradictions are left out."""
    by_text: dict[str, list[Key]] = defaultdict(list)
    for key, record in records.items():
        by_text[text_key(record.text)].append(key)
    kept, left_out = dict(records), list[LeftOut]()
    reason = "the same text has other labels elsewhere, and no times tell the later"
    for keys in by_text.values():
        if len({_said(records[key]) for key in keys}) == 1:
            continue
        latest = max(_time(records[key]) for key in keys)
        right = {_said(records[key]) for key in keys if _time(records[key]) == latest}
        for key in keys:
            if len(right) == 1 and _said(records[key]) in right:
                continue
            del kept[key]
            if len(right) > 1:
                left_out += [_out(file, item, reason) for file, item in given.get(key, ())[-1:]]
    return kept, left_out


def _said(record: LabelRecord) -> tuple[object, ...]:
    return (record.intent, record.urgency_level, record.sentiment_label)


def _time(record: LabelRecord) -> datetime:
    return record.labelled_at or _LONG_AGO


def _deleted_at(deletion: Deletion) -> datetime:
    return deletion.deleted_at


def _is_deleted(record: LabelRecord, deletions: dict[Key, Deletion]) -> bool:
    deletion = deletions.get(record.message_key)
    return deletion is not None and _time(record) <= deletion.deleted_at


def _out(file: str, item: Incoming, reason: str) -> LeftOut:
    return LeftOut(file, BadRow(item.line, reason))


def _read(path: Path) -> Iterator[Record]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield parse_record(line)
            except ValueError as error:
                message = f"{path}, line {number}: {error}; name a file that `data import` wrote"
                raise UsageError(message) from error


def _lines(records: Iterable[Record]) -> bytes:
    return "".join(f"{format_record(record)}\n" for record in records).encode()


def _deletions(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".jsonl") + _DELETIONS)
