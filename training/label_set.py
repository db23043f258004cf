"""A team's set of labels: what is known of each message, one label a text, nothing deleted.

``labels.jsonl`` holds records sorted by message, so that the same labels are the same bytes;
its SHA-256 is its version. ``labels.deletions.jsonl`` beside it holds what must never come back,
without text.

Which of several labels counts is decided for intent, urgency and sentiment alone: one with a time
before one without, the later before the earlier, and without times that of the later import. Labels
that contradict each other at one time, or without any in one import, are left out.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from replyrank.data.errors import UsageError
from replyrank.data.label_records import (
    Deletion,
    LabelRecord,
    Record,
    format_record,
    parse_record,
)
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.readers import BadRow, Notice
from replyrank.data.readers.targets import Target
from replyrank.data.splits.sketches import Sketches, is_like_one_of, no_sketches
from replyrank.data.text_key import text_key
from replyrank.training.label_files import Incoming, Item

Key = tuple[str, ...]

_DELETIONS: Final = ".deletions.jsonl"
_SUFFIX: Final = ".jsonl"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_HEADS: Final = ("intent", "urgency_level", "sentiment_label")


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
    #: that came again, and are as they were
    unchanged: int
    #: that were known and are gone, by why
    deleted: int
    replaced: int
    now_apart: int
    #: deletions that met no label
    unmatched: int
    left_out: tuple[LeftOut, ...]
    notices: tuple[tuple[str, Notice], ...]


@dataclass(frozen=True)
class Apart:
    """Texts that no label may train on: those that judge models."""

    #: of posts known by their key alone
    keys: frozenset[str] = frozenset()
    #: of the same posts, by which their near-copies are known
    sketches: Sketches = field(default_factory=no_sketches)
    guard: NearCopyGuard = field(default_factory=lambda: NearCopyGuard([]))

    def why(self, text: str) -> str | None:
        """Why a text must stay out; None if it need not."""
        if text_key(text) in self.keys:
            return "the text is one of the public posts that judge the shipped models"
        if is_like_one_of(text, self.sketches):
            return "the text is a near-copy of a public post that judges the shipped models"
        if self.guard.copied(text) is not None:
            return "the text is a near-copy of one that judges models"
        return None


@dataclass(frozen=True, slots=True)
class _Claim:
    """A record that has a say, and where it came from; None of what was known."""

    record: LabelRecord
    origin: tuple[str, Incoming] | None = None

    @property
    def rank(self) -> tuple[bool, datetime, bool]:
        """What counts more is larger."""
        at = self.record.labelled_at
        return (at is not None, at or _LONG_AGO, at is None and self.origin is not None)


def load_label_set(path: Path) -> LabelSet:
    """Read a set; one that is not there is empty.

    Raises:
        UsageError: if the file is not named ``.jsonl``, or holds anything but records.
    """
    if path.suffix != _SUFFIX:
        message = f"{str(path)!r} does not end in {_SUFFIX}, as a set of labels does; name it so"
        raise UsageError(message)
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


def merge(before: LabelSet, incoming: Iterable[tuple[str, Item]], apart: Apart) -> Merged:
    """Take labels of files into a set.

    Args:
        before: what is known.
        incoming: rows, each with the name of its file.
        apart: texts that must not train.
    """
    return _Merge(before, apart).take(incoming)


class _Merge:
    """One import; its steps as methods in their order."""

    def __init__(self, before: LabelSet, apart: Apart) -> None:
        self._apart = apart
        self._before = before
        self._left_out: list[LeftOut] = []
        self._notices: list[tuple[str, Notice]] = []
        self._claims: dict[Key, list[_Claim]] = defaultdict(list)
        self._deletions = {one.message_key: one for one in before.deletions}
        #: where the record that counts of each message came from; None as it was known
        self._origin: dict[Key, tuple[str, Incoming] | None] = {}
        #: deletions of this import
        self._given: set[Key] = set()

    def take(self, incoming: Iterable[tuple[str, Item]]) -> Merged:
        before = {record.message_key: record for record in self._before.labels}
        stays = {key: record for key, record in before.items() if not self._why(record)}
        for key, record in stays.items():
            self._claims[key].append(_Claim(record))
        came = self._sort(incoming)
        self._delete()
        merged = {key: self._agreed(key, claims) for key, claims in self._claims.items()}
        known = {key: record for key, record in merged.items() if record is not None}
        after = self._one_label_a_text(known)
        gone = stays.keys() - after.keys()
        deleted = sum(self._is_deleted(stays[key]) for key in gone)
        return Merged(
            labels=LabelSet(
                tuple(after[key] for key in sorted(after)),
                tuple(self._deletions[key] for key in sorted(self._deletions)),
            ),
            new=len(after.keys() - before.keys()),
            changed=sum(after[key] != before[key] for key in after.keys() & before.keys()),
            unchanged=sum(after[key] == before[key] for key in came & after.keys() & before.keys()),
            deleted=deleted,
            replaced=len(gone) - deleted,
            now_apart=len(before) - len(stays),
            unmatched=sum(not self._deletions[key].text_keys for key in self._given),
            left_out=tuple(self._left_out),
            notices=tuple(self._notices),
        )

    def _why(self, record: LabelRecord) -> str | None:
        return self._apart.why(record.text)

    def _sort(self, incoming: Iterable[tuple[str, Item]]) -> set[Key]:
        """Put each row where it belongs; returns the messages that labels came of."""
        came = set[Key]()
        for file, item in incoming:
            if isinstance(item, BadRow):
                self._left_out.append(LeftOut(file, item))
            elif isinstance(item, Notice):
                self._notices.append((file, item))
            elif isinstance(item.record, Deletion):
                key = item.record.message_key
                self._given.add(key)
                earlier = self._deletions.get(key, item.record)
                self._deletions[key] = max(
                    earlier, item.record, key=lambda one: (len(one.text_keys), one.deleted_at)
                )
            elif reason := self._why(item.record):
                row = BadRow(item.line, reason)
                self._left_out.append(LeftOut(file, row, is_fault=False))
            else:
                self._claims[item.record.message_key].append(_Claim(item.record, (file, item)))
                came.add(item.record.message_key)
        return came

    def _delete(self) -> None:
        """Take out what is deleted, and remember the hash of its text."""
        records = [claim.record for claims in self._claims.values() for claim in claims]
        for key, deletion in self._deletions.items():
            texts = {text_key(one.text) for one in records if deletion.meets(one)}
            texts |= {*deletion.text_keys}
            self._deletions[key] = deletion.model_copy(update={"text_keys": tuple(sorted(texts))})
        for key in list(self._claims):
            left = [one for one in self._claims[key] if not self._is_deleted(one.record)]
            if left:
                self._claims[key] = left
            else:
                del self._claims[key]

    def _is_deleted(self, record: LabelRecord) -> bool:
        return any(deletion.meets(record) for deletion in self._deletions.values())

    def _agreed(self, key: Key, claims: Sequence[_Claim]) -> LabelRecord | None:
        """The record of one message; None if nothing is known of its labels."""
        reason = "labels of one message contradict each other, and no times tell the later"
        agreed: dict[str, Any] = {}
        for head in _HEADS:
            saying = [one for one in claims if getattr(one.record, head) is not None]
            agreed[head] = self._winner(saying, head, reason)
        told = {head: label for head, label in agreed.items() if label is not None}
        behind = [
            one
            for one in claims
            if any(getattr(one.record, head) == label for head, label in told.items())
        ]
        if not behind:
            return None
        latest = max(behind, key=lambda one: (one.rank, format_record(one.record)))
        self._origin[key] = latest.origin
        return latest.record.model_copy(update=agreed)

    def _winner(self, saying: Sequence[_Claim], head: str, reason: str) -> object:
        """The label that counts; where that cannot be told, what was known, or nothing."""
        if not saying:
            return None
        top = max(one.rank for one in saying)
        first = [one for one in saying if one.rank == top]
        if len({getattr(one.record, head) for one in first}) == 1:
            return getattr(first[0].record, head)
        self._leave_out(first, reason)
        known = [one for one in saying if one.origin is None]
        return getattr(known[0].record, head) if known else None

    def _leave_out(self, claims: Iterable[_Claim], reason: str) -> None:
        told = {(one.file, one.row.line) for one in self._left_out}
        for one in claims:
            if one.origin is not None and (one.origin[0], one.origin[1].line) not in told:
                file, item = one.origin
                self._left_out.append(LeftOut(file, BadRow(item.line, reason)))

    def _one_label_a_text(self, records: Mapping[Key, LabelRecord]) -> dict[Key, LabelRecord]:
        """Of messages with the same text and different labels, those with the label that counts."""
        reason = "the same text has other labels elsewhere, and no times tell the later"
        by_text: dict[str, list[Key]] = defaultdict(list)
        for key, record in records.items():
            by_text[text_key(record.text)].append(key)
        kept = dict(records)
        for keys in by_text.values():
            if len({_said(records[key]) for key in keys}) == 1:
                continue
            claims = {key: _Claim(records[key], self._origin[key]) for key in keys}
            top = max(one.rank for one in claims.values())
            first = [key for key in keys if claims[key].rank == top]
            if len({_said(records[key]) for key in first}) > 1:
                self._leave_out((claims[key] for key in first), reason)
                first = [key for key in first if claims[key].origin is None][:1]
            right = {_said(records[key]) for key in first}
            for key in keys:
                if _said(records[key]) not in right:
                    del kept[key]
        return kept


def _said(record: LabelRecord) -> tuple[object, ...]:
    return tuple(getattr(record, head) for head in _HEADS)


def _read(path: Path) -> Iterator[Record]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield parse_record(line)
            except ValueError as error:
                message = f"{path}, line {number}: {error}; name a file that `data import` wrote"
                raise UsageError(message) from error


def _lines(records: Iterable[Record]) -> bytes:
    return "".join(f"{format_record(record)}\n" for record in records).encode()


def _deletions(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(_SUFFIX) + _DELETIONS)
