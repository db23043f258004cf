"""Between Arrow batches and rows; text made fit for output."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final, cast

import pyarrow as pa

from replyrank.data.readers.decoding import decode

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"


def without_surrogates(text: str) -> str:
    """The text with each lone surrogate, which no encoding can write, as U+FFFD."""
    return _SURROGATE.sub(_REPLACEMENT, text)


def to_utf8(text: str) -> bytes:
    """The text as UTF-8; lone surrogates become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return without_surrogates(text).encode()


def plain(value: object) -> object:
    """A value that JSON has no type for, as text or number (``json.dumps(default=plain)``).

    Times as ISO 8601, durations in seconds, bytes as UTF-8 or else base64, the rest by ``str``.
    """
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case _:
            return str(value)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {str(key): _finite(item) for key, item in items}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in cast("Sequence[object]", value)]
    return value


# Made once: json.dumps makes one for each call that has options.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=plain)


def to_json(value: object) -> str:
    """The value as JSON; NaN and the infinities, which JSON lacks, as null."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_finite(value))


def to_cell(value: object) -> object:
    """A value as a field of a CSV file; lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict | list | tuple):
        return to_json(cast("object", value))
    return plain(value)


def batch_to_rows(batch: Any) -> list[dict[str, object]]:
    """The rows of a ``pyarrow.RecordBatch`` as dicts of Python values."""
    names = cast("list[str]", batch.schema.names)
    columns = [column_values(column) for column in batch.columns]
    if not columns:
        return [{} for _ in range(batch.num_rows)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def column_values(column: Any) -> list[object]:
    """The values of a ``pyarrow.Array``; bytes that are no text are decoded as far as possible."""
    try:
        return cast("list[object]", _without_nanoseconds(column).to_pylist())
    except UnicodeDecodeError:
        return [_text_or_none(value) for value in _as_binary(column).to_pylist()]
    except ValueError:
        # Nanoseconds inside a list or struct: Python's own times cannot hold them.
        return [None if value is None else str(value) for value in column.cast(pa.string())]


def _without_nanoseconds(column: Any) -> Any:
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return column.cast(pa.duration("us"), safe=False)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return column.cast(pa.time64("us"), safe=False)
    return column


def is_text_type(kind: Any) -> bool:
    """Whether a column of this type can hold texts."""
    if pa.types.is_dictionary(kind):
        return is_text_type(kind.value_type)
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _as_binary(column: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    wide = pa.types.is_large_string(column.type)
    return column.cast(pa.large_binary() if wide else pa.binary())


def _text_or_none(value: bytes | None) -> str | None:
    return None if value is None else decode(value).text


def repaired(batch: Any) -> Any:
    """The batch, its text columns made valid UTF-8 where they are not."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        columns = [_repaired_column(column) for column in batch.columns]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
    return batch


def _repaired_column(column: Any) -> Any:
    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return column
    return text_array([_text_or_none(value) for value in _as_binary(column).to_pylist()], kind)


def text_array(values: Sequence[object], kind: Any) -> Any:
    """An Arrow array of texts; lone surrogates become U+FFFD, what is no text becomes JSON."""
    texts = [
        value if value is None or isinstance(value, str) else to_json(value) for value in values
    ]
    try:
        return pa.array(texts, kind)
    except UnicodeEncodeError:
        cleaned = [None if text is None else without_surrogates(text) for text in texts]
        return pa.array(cleaned, kind)


def rows_to_arrays(rows: Sequence[Mapping[str, object]], schema: Any) -> list[Any]:
    """The rows as one Arrow array for each field of the schema; absent values are null."""
    arrays: list[Any] = []
    for column in schema:
        values = [row.get(column.name) for row in rows]
        if pa.types.is_string(column.type):
            arrays.append(text_array(values, column.type))
        else:
            arrays.append(pa.array(values, column.type))
    return arrays
