"""Reading JSON Lines: one object a line."""

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa

from replyrank.data.errors import UsageError
from replyrank.data.readers.columns import ColumnMap, encoding_remedy, find_columns
from replyrank.data.readers.lines import Line, Lines
from replyrank.data.readers.rows import (
    BadRow,
    Notice,
    Problem,
    ReadOptions,
    Row,
    Source,
    Window,
    WindowBuilder,
    excerpt,
)
from replyrank.data.readers.streams import Input

_ARRAY: Final = re.compile(r"\[\s*(\{|$)")
_INT64: Final = range(-(2**63), 2**63)


class JsonlSource(Source):
    """A JSON Lines file. Values keep their types; NaN and the infinities are read as null.

    An infinity, and a key that stands twice in an object, are told.

    Args:
        source: a path, ``-`` for stdin, or an open binary file.
        options: how to read it.
        rereadable: whether ``schema`` will be called; a pipe is then copied to disk first.

    Raises:
        UsageError: if it is a JSON array, or the text column is not in its first objects.
    """

    def __init__(
        self, source: str | Path | BinaryIO, options: ReadOptions, *, rereadable: bool = False
    ) -> None:
        self.options = options
        self._input = Input(source, rereadable=rereadable)
        self.name = self._input.name
        try:
            self._lines = Lines(self._input.stream, options.encoding)
            sample = self._lines.sample()
            self._refuse_array(sample)
            self.columns, self.mapping = self._find(sample)
        except BaseException:
            self.close()
            raise

    def _refuse_array(self, sample: Sequence[Line]) -> None:
        first = next((text.strip() for _, text in sample if text.strip()), "")
        if _ARRAY.match(first):
            message = f"{self.name} is one JSON array; give one object a line, "
            message += "as `jq -c '.[]' in.json > out.jsonl` writes"
            raise UsageError(message)

    def _find(self, sample: Sequence[Line]) -> tuple[tuple[str, ...], ColumnMap | None]:
        parsed = [_parse(number, text) for number, text in sample if text.strip()]
        if not parsed:
            return (), None
        names = dict.fromkeys(name for item in parsed if isinstance(item, dict) for name in item)
        if not names:
            first = next((item for item in parsed if isinstance(item, BadRow)), None)
            told = f" (line {first.line}: {first.reason})" if first else ""
            message = f"{self.name} has no JSON object in its first {len(parsed)} lines{told}; "
            remedy = encoding_remedy("".join(text for _, text in sample))
            raise UsageError(message + (remedy or "give one object a line, or the right format"))
        mapping = find_columns(
            tuple(names),
            source=self.name,
            text_column=self.options.text_column,
            named=self.options.columns,
        )
        return tuple(names), mapping

    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most ``size`` rows, in order."""
        lines = self._lines
        builder = WindowBuilder(size, self.mapping.text if self.mapping else None)
        for number, text in lines:
            if lines.problems:
                builder.problems += lines.take_problems()
            if not text.strip():
                continue
            row = _parse(number, text, builder.problems)
            if isinstance(row, BadRow):
                builder.problems.append(row)
            else:
                builder.add(number, row, len(text))
            if builder.full:
                yield builder.take()
        builder.problems += lines.take_problems()
        if builder:
            yield builder.take()

    def find_all_columns(self) -> None:
        """Know every column before the first row; this reads the input once more."""
        names = tuple(self.schema().names)
        if self.mapping is not None and set(names) > set(self.columns):
            self.columns = names
            self.mapping = find_columns(
                names,
                source=self.name,
                text_column=self.options.text_column or self.mapping.text,
                named=self.options.columns,
            )

    def schema(self) -> Any:
        """The columns of all objects with the types that hold their values.

        Whole numbers, numbers, truth values and texts keep their type where a column has only
        one; what is mixed or nested becomes text that holds JSON.
        """
        kinds: dict[str, Any] = {}
        self._input.rewind()
        lines = Lines(self._input.stream, self.options.encoding)
        for number, text in lines:
            # They are told when the rows are read; here they would only gather.
            lines.problems.clear()
            row = _parse(number, text) if text.strip() else {}
            if isinstance(row, dict):
                for name, value in row.items():
                    kinds[name] = _wider(kinds.get(name), _kind(value))
        self._input.rewind()
        self._lines = Lines(self._input.stream, self.options.encoding)
        return pa.schema([(name, kind or pa.string()) for name, kind in kinds.items()])

    def fraction(self) -> float | None:
        """How much was read, 0 to 1; None for a pipe."""
        return self._input.fraction()

    def close(self) -> None:
        """Close the file; stdin stays open."""
        self._input.close()


class _Doubtful(Exception):  # noqa: N818  no fault: the line is read again, with notices
    """A JSON text of which something is lost in a value."""


class _Decoder:
    """Reads JSON; what is lost in a value is told in ``lost``, or ends the reading."""

    def __init__(self, lost: list[str] | None) -> None:
        self._lost = lost
        self._decoder = json.JSONDecoder(
            parse_constant=self._constant, parse_float=self._float, object_pairs_hook=self._object
        )

    def decode(self, text: str) -> object:
        """The value that a text holds."""
        return self._decoder.decode(text)

    def _tell(self, reason: str) -> None:
        if self._lost is None:
            raise _Doubtful
        self._lost.append(reason)

    def _constant(self, name: str) -> None:
        # NaN is how tables write a missing number.
        if name != "NaN":
            self._tell(f"{name} is no number of JSON; read as null")

    def _float(self, digits: str) -> float | None:
        number = float(digits)
        if math.isfinite(number):
            return number
        self._tell(f"{excerpt(digits)} is too large a number; read as null")
        return None

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counted = Counter(name for name, _ in pairs)
            for name in (name for name, times in counted.items() if times > 1):
                self._tell(f"key {excerpt(name)!r} stands more than once; its last value is taken")
        return found


# Made once: json.loads makes one for each call that has options.
_STRICT: Final = _Decoder(None)


def _parse(number: int, text: str, problems: list[Problem] | None = None) -> Row | BadRow:
    """The object of a line; what is read with doubt is added to ``problems``."""
    try:
        try:
            value = _STRICT.decode(text)
        except _Doubtful:
            lost = list[str]()
            value = _Decoder(lost).decode(text)
            if problems is not None:
                problems += [Notice(reason, number) for reason in lost]
    except json.JSONDecodeError as error:
        reason = f"not JSON: {error.msg.removesuffix(' at')}, character {error.pos + 1}"
    except ValueError:
        most = sys.get_int_max_str_digits()
        reason = f"a whole number has more than {most:,} digits; write it as a text, in quotes"
    except RecursionError:
        reason = "its objects or arrays are nested too deep to be read; flatten them"
    else:
        if isinstance(value, dict):
            return cast("Row", value)
        reason = f"a JSON {type(value).__name__} and no object"
    return BadRow(number, reason, excerpt(text.strip()))


def _kind(value: object) -> Any:
    match value:
        case None:
            return None
        case bool():
            return pa.bool_()
        case int():
            return pa.int64() if value in _INT64 else pa.string()
        case float():
            return pa.float64()
        case _:
            return pa.string()


def _wider(old: Any, new: Any) -> Any:
    if old is None or old == new:
        return new
    if new is None:
        return old
    numbers = (pa.int64(), pa.float64())
    return pa.float64() if old in numbers and new in numbers else pa.string()
