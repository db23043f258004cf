"""Records and files of labels that several tests make."""

import json
from datetime import UTC, datetime
from pathlib import Path

from replyrank.data.label_records import Deletion, LabelRecord, Record
from replyrank.data.vocabulary import Intent
from replyrank.training.label_files import (
    Incoming,
    Item,
    LabelFileOptions,
    read_label_file,
)
from replyrank.training.label_set import LabelSet

PRAISE, REQUEST, CHATTER = Intent.PRAISE, Intent.SUPPORT_REQUEST, Intent.CHATTER


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


def label(text: str, intent: Intent, at: int | None = None, key: str | None = None) -> LabelRecord:
    when = None if at is None else day(at)
    return LabelRecord(text=text, intent=intent, labelled_at=when, external_id=key)


def deletion(key: str, at: int) -> Deletion:
    return Deletion(kind="deletion", external_id=key, deleted_at=day(at))


def incoming(*records: Record) -> list[tuple[str, Item]]:
    return [("new.jsonl", Incoming(line, record)) for line, record in enumerate(records, start=1)]


def labels(*records: LabelRecord) -> LabelSet:
    return LabelSet(tuple(sorted(records, key=lambda record: record.message_key)))


def read(
    path: Path, options: LabelFileOptions | None = None
) -> list[Record | tuple[int | None, str]]:
    return [
        item.record if isinstance(item, Incoming) else (item.line, item.reason)
        for item in read_label_file(path, options or LabelFileOptions())
    ]


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path
