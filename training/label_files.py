"""Reading a team's labels: tables, exports of Label Studio, and records of the service.

table           CSV, JSON Lines or Parquet with a text and at least one label
Label Studio    the JSON export (tasks with their annotations) and JSON-MIN (flat objects)
records         JSON Lines of ``replyrank.data.label_records``, deletions among them
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from replyrank.data.errors import UsageError
from replyrank.data.label_records import LabelRecord, Record, parse_record
from replyrank.data.readers import BadRow, Format, open_source
from replyrank.data.readers import Record as Row
from replyrank.data.readers.columns import normal_name
from replyrank.data.readers.rows import excerpt
from replyrank.data.readers.times import parse_time
from replyrank.data.vocabulary import Channel
from replyrank.training.labelled import (
    LabelColumns,
    LabelledOptions,
    find_label_columns,
    text_and_labels,
)

#: what exports call who labelled a message, and when
_BY: Final = ("labelled_by", "labeled_by", "annotator", "annotated_by", "completed_by")
_AT: Final = ("labelled_at", "labeled_at", "annotated_at", "updated_at")
_PEEK: Final = 4096


@dataclass(frozen=True)
class LabelFileOptions:
    """How a file of labels is read."""

    table: LabelledOptions = field(default_factory=LabelledOptions)
    #: of all messages that do not say theirs
    brand: str | None = None
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record, and where it stands in its file."""

    #: line, or number of the object in a JSON array, from 1
    line: int
    record: Record


def read_label_file(path: Path, options: LabelFileOptions) -> Iterator[Incoming | BadRow]:
    """Read what a file says of labels, row by row; a row that is wrong is a ``BadRow``.

    Raises:
        UsageError: if the file cannot be read, or has no text or no label column.
    """
    start = _start(path)
    if start.startswith("["):
        yield from _table(_rows_of_array(path), options, path)
    elif '"schema_version"' in start.partition("\n")[0]:
        yield from _records(path)
    else:
        yield from _table(path, options, path)


def _start(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_PEEK).decode("utf-8-sig", "replace").lstrip()
    except OSError as error:
        message = f"{str(path)!r} cannot be read: {error.strerror}; give a file that can"
        raise UsageError(message) from error


def _records(path: Path) -> Iterator[Incoming | BadRow]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield Incoming(number, parse_record(line))
            except ValueError as error:
                yield BadRow(number, str(error), excerpt(line.strip()))


def _rows_of_array(path: Path) -> BinaryIO:
    """The objects of a JSON array, or the annotations in it, as JSON Lines."""
    try:
        items: Any = json.loads(path.read_bytes())
    except ValueError as error:
        message = f"{path} begins like a JSON array and is none: {error}; export it again"
        raise UsageError(message) from error
    rows = [row for item in items for row in _flat(item)]
    if not rows:
        message = f"{path} holds {len(items):,} tasks and no annotation; label some, and export "
        raise UsageError(message + "the annotations with them")
    return io.BytesIO("\n".join(json.dumps(row) for row in rows).encode())


def _flat(item: object) -> list[object]:
    """The rows of one object: of a task, one for each annotation that was not cancelled."""
    if not isinstance(item, dict):
        return [item]
    task = cast("dict[str, Any]", item)
    if not isinstance(task.get("annotations"), list):
        return [task]
    return [
        {
            **_mapping(task.get("data")),
            **_choices(note.get("result")),
            "labelled_by": _person(note.get("completed_by")),
            "labelled_at": note.get("updated_at") or note.get("created_at"),
        }
        for note in map(_mapping, task["annotations"])
        if not note.get("was_cancelled")
    ]


def _choices(result: object) -> dict[str, str]:
    """What was chosen, by the name of the control."""
    found: dict[str, str] = {}
    for part in map(_mapping, result if isinstance(result, list) else []):
        chosen = _mapping(part.get("value")).get("choices")
        if isinstance(chosen, list):
            # Several where one is asked for is no word of the vocabulary, and is told as such.
            found[str(part.get("from_name"))] = ", ".join(map(str, chosen))
    return found


def _person(value: object) -> object:
    """Of a person with details the e-mail address, else the id; others as they are."""
    details = _mapping(value)
    return (details.get("email") or details.get("id")) if details else value


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _table(
    source: Path | BinaryIO, options: LabelFileOptions, path: Path
) -> Iterator[Incoming | BadRow]:
    reading = options.table.reading
    if not isinstance(source, Path):
        reading = replace(reading, format=Format.JSONL)
    with open_source(source, reading) as opened:
        if not isinstance(source, Path):
            opened.name = str(path)
        columns = find_label_columns(opened, options.table)
        by, at = (_first(opened.columns, names) for names in (_BY, _AT))
        for item in opened.records():
            if isinstance(item, BadRow):
                yield item
            elif isinstance(item, Row):
                try:
                    record = _record(item, columns, options)
                    who, when = _given(item, by), _when(item, at, options)
                except ValueError as error:
                    yield BadRow(item.line, str(error), excerpt(str(item.text)))
                    continue
                given = record.model_copy(update={"labelled_by": who, "labelled_at": when})
                yield Incoming(item.line, given)


def _record(row: Row, columns: LabelColumns, options: LabelFileOptions) -> LabelRecord:
    text, labels = text_and_labels(row, columns)
    return LabelRecord(
        brand=row.message.brand or options.brand,
        channel=row.message.channel or options.channel,
        external_id=row.message.id,
        text=text,
        intent=labels.intent,
        urgency_level=labels.urgency,
        sentiment_label=labels.sentiment,
    )


def _first(columns: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    by_normal = {normal_name(column): column for column in columns}
    return next((by_normal[name] for name in names if name in by_normal), None)


def _given(row: Row, column: str | None) -> str | None:
    value = None if column is None else row.values.get(column)
    return None if value in (None, "") else str(value)


def _when(row: Row, column: str | None, options: LabelFileOptions) -> datetime | None:
    value = None if column is None else row.values.get(column)
    if value in (None, ""):
        return None
    try:
        return parse_time(value, options.table.reading.times)
    except ValueError as error:
        message = f"{column} {value!r} is no time: {error}"
        raise ValueError(message) from None
