"""Reading a team's labels: tables, exports of Label Studio, and records of the service.

    table           CSV, JSON Lines or Parquet with a text and at least one label
    Label Studio    the JSON export (tasks with their annotations) and JSON-MIN (flat objects)
    records         JSON Lines of ``replyrank.data.label_records``, deletions among them

The text forms may be compressed with gzip.
"""

import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from pydantic import ValidationError

from replyrank.data.errors import UsageError
from replyrank.data.label_records import LabelRecord, Record, parse_record
from replyrank.data.readers import BadRow, Format, Notice, Source, open_source
from replyrank.data.readers import Record as Row
from replyrank.data.readers.columns import find_columns, normal_name
from replyrank.data.readers.lines import Lines
from replyrank.data.readers.rows import excerpt
from replyrank.data.readers.streams import Input
from replyrank.data.readers.times import parse_time
from replyrank.data.vocabulary import Channel
from replyrank.training.labelled import (
    LABEL_COLUMNS,
    OTHER_NAMES,
    LabelColumns,
    LabelledOptions,
    find_label_columns,
    text_and_labels,
)

#: what exports call who labelled a message, and when
_BY: Final = ("labelled_by", "labeled_by", "annotator", "annotated_by", "completed_by")
_AT: Final = ("labelled_at", "labeled_at", "annotated_at", "updated_at")
#: a column of Label Studio's flat exports: their ``id`` is the number of a task
_FLAT_EXPORT: Final = "annotation_id"
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

    #: line, or number of the row in a JSON array, from 1
    line: int
    record: Record


Item = Incoming | BadRow | Notice


def read_label_file(path: Path, options: LabelFileOptions) -> Iterator[Item]:
    """Read what a file says of labels, row by row; a row that is wrong is a ``BadRow``.

    Raises:
        UsageError: if the file cannot be read, or has no text or no label column.
    """
    start = ""
    # What cannot be unpacked is told by what reads it whole.
    with closing(Input(path)) as file, suppress(EOFError, OSError, zlib.error):
        start = file.stream.read(_PEEK).decode("utf-8-sig", "replace").lstrip()
    if start.startswith("["):
        yield from _table(_rows_of_array(path, options), options, path)
    elif '"schema_version"' in start.partition("\n")[0]:
        yield from _records(path)
    else:
        yield from _table(path, options, path)


def _records(path: Path) -> Iterator[Item]:
    with closing(Input(path)) as file:
        lines = Lines(file.stream, None)
        for number, line in lines:
            yield from lines.take_problems()
            if not line.strip():
                continue
            try:
                yield Incoming(number, parse_record(line))
            except ValueError as error:
                yield BadRow(number, str(error), excerpt(line.strip()))
        yield from lines.take_problems()


def _rows_of_array(path: Path, options: LabelFileOptions) -> BinaryIO:
    """The objects of a JSON array, or the annotations in it, as JSON Lines with all columns."""
    try:
        with closing(Input(path)) as file:
            items: Any = json.loads(file.stream.read().decode("utf-8-sig"))
    except (ValueError, EOFError, zlib.error) as error:
        message = f"{path} begins like a JSON array and is none: {error}; export it again"
        raise UsageError(message) from error
    rows = [row for item in items for row in _flat(item, options)]
    if not rows:
        message = f"{path} holds {len(items):,} tasks and no annotation; label some, and export "
        raise UsageError(message + "the annotations with them")
    names = dict.fromkeys(name for row in rows for name in _mapping(row))
    whole = [
        {**dict.fromkeys(names), **_mapping(row)} if isinstance(row, dict) else row for row in rows
    ]
    return io.BytesIO("\n".join(json.dumps(row) for row in whole).encode())


def _flat(item: object, options: LabelFileOptions) -> list[object]:
    """The rows of one object: of a task, one for each annotation that was not cancelled."""
    if not isinstance(item, dict):
        return [item]
    task = cast("dict[str, Any]", item)
    if not isinstance(task.get("annotations"), list):
        return [task]
    # What stands beside the text as a label is what a model or a table said, and no person here.
    labels = {*LABEL_COLUMNS, *OTHER_NAMES.values(), *_BY, *_AT}
    labels |= {normal_name(name) for name in options.table.label_columns.values()}
    data = {k: v for k, v in _mapping(task.get("data")).items() if normal_name(k) not in labels}
    return [
        {
            **data,
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


def _table(source: Path | BinaryIO, options: LabelFileOptions, path: Path) -> Iterator[Item]:
    reading = options.table.reading
    if not isinstance(source, Path):
        reading = replace(reading, format=Format.JSONL)
    with open_source(source, reading, rereadable=True) as opened:
        if not isinstance(source, Path):
            opened.name = str(path)
        opened.find_all_columns()
        _without_task_numbers(opened)
        columns = find_label_columns(opened, options.table)
        by, at = (_first(opened.columns, names) for names in (_BY, _AT))
        for item in opened.records():
            if not isinstance(item, Row):
                yield item
                continue
            yield from item.notices
            try:
                yield Incoming(item.line, _record(item, columns, by, at, options))
            except ValueError as error:
                yield BadRow(item.line, _reason(error), excerpt(str(item.text)))


def _without_task_numbers(source: Source) -> None:
    """In a flat export of Label Studio ``id`` is a task's: two projects both have a task 1."""
    names = {normal_name(column): column for column in source.columns}
    if _FLAT_EXPORT not in names or "id" not in names or source.mapping is None:
        return
    others = [column for column in source.columns if column != names["id"]]
    source.mapping = find_columns(
        others,
        source=source.name,
        text_column=source.mapping.text,
        named=source.options.columns,
    )


def _record(
    row: Row, columns: LabelColumns, by: str | None, at: str | None, options: LabelFileOptions
) -> LabelRecord:
    text, labels = text_and_labels(row, columns)
    return LabelRecord(
        brand=row.message.brand or options.brand,
        channel=row.message.channel or options.channel,
        external_id=row.message.id or None,
        text=text,
        intent=labels.intent,
        urgency_level=labels.urgency,
        sentiment_label=labels.sentiment,
        labelled_by=_given(row, by),
        labelled_at=_when(row, at, options),
    )


def _reason(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
    return str(error)


def _first(columns: Sequence[str], names: Sequence[str]) -> str | None:
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
