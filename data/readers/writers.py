"""Writing rows with the input's own columns first and added ones after them."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from replyrank.data.readers.arrow import (
    rows_to_arrays,
    text_array,
    to_cell,
    to_json,
    to_utf8,
)
from replyrank.data.readers.columns import unique_names
from replyrank.data.readers.csv_reader import CsvSource
from replyrank.data.readers.formats import (
    Format,
    checked_delimiter,
    is_tab_separated,
)
from replyrank.data.readers.rows import Notice, Row, Source, Window
from replyrank.data.readers.targets import Sink, Target
from replyrank.data.vocabulary import SCORE_COLUMNS, TEXT_SCORE_COLUMNS

#: Columns of values, one for each row of a window.
Added = Mapping[str, Sequence[object]]

_GROUP_ROWS: Final = 1 << 16
_GROUP_BYTES: Final = 64 << 20


def score_types() -> dict[str, Any]:
    """The score columns with their ``pyarrow.DataType``."""
    return {
        name: pa.string() if name in TEXT_SCORE_COLUMNS else pa.float64() for name in SCORE_COLUMNS
    }


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a file is written; what is None follows the target's name."""

    #: of the output; needed for ``-``
    format: Format | None = None
    #: None: a tab for .tsv, else that of a CSV input, else a comma
    delimiter: str | None = None
    #: whether a finished file may be replaced
    force: bool = False


class Writer(ABC):
    """An output that takes windows of rows. As a context manager it commits or leaves nothing.

    Args:
        target: where it goes.
        source: the input of which the rows are.
        added: the columns that follow the input's own, with their ``pyarrow.DataType``.
    """

    def __init__(self, target: Sink, source: Source, added: Mapping[str, Any]) -> None:
        self._target = target
        self.added = added
        self.renamed, self.notices = _resolve(source, tuple(added))

    @abstractmethod
    def write(self, window: Window, added: Added) -> None:
        """Write the rows of a window, each with its added values."""

    def finish(self) -> None:  # noqa: B027  only Parquet has something left to write
        """Write what is left; the target is committed or discarded afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.finish()
            if kind is None:
                self._target.commit()
        finally:
            self._target.discard()

    def _new(self, name: str) -> str | None:
        """The name that a column of the input has in the output; None where it has none."""
        return self.renamed.get(name, name)

    def _own(self, row: Row) -> Row:
        """The input's own values under the names that they have in the output."""
        if self.renamed.keys().isdisjoint(row):
            return row
        own: Row = {}
        for name, value in row.items():
            new = self._new(name)
            if new is not None:
                own[new] = value
        return own


class CsvWriter(Writer):
    """UTF-8 without BOM, ``\\n`` after each row; absent values are empty."""

    def __init__(
        self, target: Target, source: Source, added: Mapping[str, Any], schema: Any, delimiter: str
    ) -> None:
        super().__init__(target, source, added)
        self._stream = target.stream
        self._own_names = tuple(name for name in schema.names if self._new(name) is not None)
        self._plain = isinstance(source, CsvSource)
        self._lines = _CsvLines()
        # With "\r\n" the csv module also quotes a lone "\r"; the line end itself is cut off.
        self._writer = csv.writer(self._lines, delimiter=delimiter, lineterminator="\r\n")
        self._writer.writerow([*(self._new(name) for name in self._own_names), *added])
        self._flush()

    def write(self, window: Window, added: Added) -> None:
        """Write the rows of a window, each with its added values."""
        names, writer = self._own_names, self._writer
        values = _by_row(added, self.added, len(window))
        for row, more in zip(window.rows, values, strict=True):
            if self._plain:
                writer.writerow([*(row[name] for name in names), *more])
            else:
                own = (to_cell(row.get(name)) for name in names)
                writer.writerow([*own, *(to_cell(value) for value in more)])
        self._flush()

    def _flush(self) -> None:
        self._stream.write(to_utf8("".join(self._lines.take())))


class _CsvLines:
    """Collects what a csv.writer writes, with ``\\n`` as the end of rows."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def write(self, line: str) -> None:
        self._lines.append(line[:-2] + "\n")

    def take(self) -> list[str]:
        taken, self._lines = self._lines, []
        return taken


class JsonlWriter(Writer):
    """One object a line with the keys that the row had; NaN and the infinities are null."""

    def __init__(self, target: Target, source: Source, added: Mapping[str, Any]) -> None:
        super().__init__(target, source, added)
        self._stream = target.stream

    def write(self, window: Window, added: Added) -> None:
        """Write the rows of a window, each with its added values."""
        names = tuple(self.added)
        values = _by_row(added, names, len(window))
        lines: list[str] = []
        for row, more in zip(window.rows, values, strict=True):
            lines.append(to_json({**self._own(row), **dict(zip(names, more, strict=True))}))
        if lines:
            self._stream.write(to_utf8("\n".join(lines) + "\n"))


class ParquetWriter(Writer):
    """Columns of a Parquet input keep their types; of CSV all are text; zstd-compressed."""

    def __init__(
        self, target: Target, source: Source, added: Mapping[str, Any], schema: Any
    ) -> None:
        super().__init__(target, source, added)
        self._kept = [
            position for position, name in enumerate(schema.names) if self._new(name) is not None
        ]
        self._source_schema = schema
        own = [
            schema.field(position).with_name(self._new(schema.names[position]))
            for position in self._kept
        ]
        self._schema = pa.schema([*own, *(pa.field(name, kind) for name, kind in added.items())])
        self._writer = pq.ParquetWriter(target.stream, self._schema, compression="zstd")
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def write(self, window: Window, added: Added) -> None:
        """Write the rows of a window, each with its added values."""
        if window.batch is not None:
            columns = window.batch.columns
        else:
            columns = rows_to_arrays(window.rows, self._source_schema)
        own = [columns[position] for position in self._kept]
        more = [_array(added[name], kind) for name, kind in self.added.items()]
        batch = pa.RecordBatch.from_arrays([*own, *more], schema=self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._batches, self._schema))
        self._batches, self._rows, self._bytes = [], 0, 0

    def finish(self) -> None:
        """Write the last row group and the footer."""
        self._write_group()
        self._writer.close()


def _by_row(added: Added, names: Iterable[str], rows: int) -> Iterable[tuple[object, ...]]:
    columns = [added[name] for name in names]
    return zip(*columns, strict=True) if columns else repeat((), rows)


def _array(values: Sequence[object], kind: Any) -> Any:
    return text_array(values, kind) if pa.types.is_string(kind) else pa.array(values, kind)


def delimiter_for(target: str | Path, source: Source, given: str | None) -> str:
    """What stands between the fields of a CSV output."""
    if given is not None:
        return checked_delimiter(given)
    if is_tab_separated(target):
        return "\t"
    if isinstance(source, CsvSource) and source.delimiter in (",", ";", "|"):
        return source.delimiter
    return ","


def _resolve(
    source: Source, added: Sequence[str]
) -> tuple[dict[str, str | None], tuple[Notice, ...]]:
    """Old name -> new name, or None where our column replaces it; and what to say of it.

    A file that has all of our columns was written by us, and is scored again: ours replace
    them. In any other file a column of such a name is the user's own, and is kept as
    ``input_<name>``.
    """
    text = source.mapping.text if source.mapping else None
    scored_before = set(added) <= source.own_columns - {text}
    renamed: dict[str, str | None] = {}
    for name in added:
        *_, new = unique_names([*source.columns, *added, f"input_{name}"])
        renamed[name] = None if scored_before else new
    clashing = [name for name in source.columns if name in renamed]
    notices: list[Notice] = []
    if scored_before and added:
        notices.append(Notice("the scores that the input has already are replaced by new ones"))
    elif clashing:
        listed = ", ".join(f"{name!r} as {renamed[name]!r}" for name in clashing)
        notices.append(Notice(f"columns of the input whose names are ours are kept: {listed}"))
    return renamed, tuple(notices)
