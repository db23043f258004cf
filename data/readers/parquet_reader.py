"""Reading Parquet in batches; its columns keep their types."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from replyrank.data.errors import UsageError
from replyrank.data.readers.arrow import column_values, is_text_type, repaired
from replyrank.data.readers.columns import find_columns, unique_names
from replyrank.data.readers.decoding import Decoded, Text, decode
from replyrank.data.readers.rows import (
    WINDOW_BYTES,
    BadRow,
    Notice,
    Problem,
    ReadOptions,
    Source,
    Window,
)
from replyrank.data.readers.streams import Input

_BUFFER: Final = 1 << 16
_UTF8: Final = (Decoded.ASCII, Decoded.UTF8)


class ParquetSource(Source):
    """A Parquet file. A part of it that is broken is left out and the rest goes on.

    A pipe is copied to disk first: Parquet begins to be read at its end.

    Raises:
        UsageError: if it is no Parquet, or the text column is not there or holds no text.
    """

    def __init__(self, source: str | Path | BinaryIO, options: ReadOptions) -> None:
        self.options = options
        self._input = Input(source, rereadable=True)
        self.name = self._input.name
        self._rows_read = 0
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        try:
            # Buffered and not read ahead: a large row group is never in memory as a whole.
            self._file = pq.ParquetFile(self._input.stream, buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            told = str(error).rstrip(".")
            message = f"{self.name} is not a whole Parquet file: {told}; get a whole copy of it, "
            message += "or name its format (--format)"
            raise UsageError(message) from error
        found = self._file.schema_arrow
        self.columns = unique_names(found.names)
        self._schema = pa.schema(
            [column.with_name(name) for column, name in zip(found, self.columns, strict=True)]
        )
        self.mapping = find_columns(
            self.columns,
            source=self.name,
            text_column=self.options.text_column,
            named=self.options.columns,
        )
        self._text = self.columns.index(self.mapping.text)
        kind = self._schema.field(self._text).type
        if not is_text_type(kind):
            message = f"column {self.mapping.text!r} of {self.name} holds {kind} and no text; "
            message += "name another column"
            raise UsageError(message)

    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most ``size`` rows, in order."""
        file, problems = self._file, list[Problem]()
        if self.columns != tuple(file.schema_arrow.names):
            problems.append(Notice("columns without a name of their own were renamed"))
        for group in range(file.metadata.num_row_groups):
            facts = file.metadata.row_group(group)
            end = self._rows_read + facts.num_rows
            row_bytes = max(1, facts.total_byte_size // max(1, facts.num_rows))
            rows = max(1, min(size, WINDOW_BYTES // row_bytes))
            try:
                for batch in file.iter_batches(rows, row_groups=[group]):
                    yield self._window(batch, problems)
                    problems = []
            except (pa.ArrowException, OSError) as error:
                first, lost = self._rows_read + 1, end - self._rows_read
                reason = f"rows {first} to {end} cannot be read: {error}"
                problems.append(BadRow(first, reason, count=lost, unit="row"))
                self._rows_read = end
        if problems:
            yield Window([], [], rows=[], problems=problems)

    def _window(self, batch: Any, problems: list[Problem]) -> Window:
        first = self._rows_read + 1
        named = pa.RecordBatch.from_arrays(batch.columns, schema=self._schema)
        whole = repaired(named)
        texts, is_utf8 = _decoded(column_values(named.column(self._text)))
        if whole is not named or not is_utf8:
            last = first + batch.num_rows - 1
            reason = f"texts that are not UTF-8 in rows {first} to {last}; read as far as possible"
            problems = [*problems, Notice(reason, first, "row")]
        self._rows_read += batch.num_rows
        lines = range(first, first + batch.num_rows)
        return Window(lines, texts, batch=whole, problems=problems)

    def schema(self) -> Any:
        """The columns as they are."""
        return self._schema

    def fraction(self) -> float | None:
        """How many of the rows were read, 0 to 1."""
        total: int = self._file.metadata.num_rows
        return self._rows_read / total if total else 1.0

    def close(self) -> None:
        """Close the file; stdin stays open."""
        self._input.close()


def _decoded(values: Sequence[object]) -> tuple[list[object], bool]:
    """Values with their bytes as text, and whether all bytes were UTF-8."""
    read = [decode(value) if isinstance(value, bytes) else value for value in values]
    texts = [one.text if isinstance(one, Text) else one for one in read]
    return texts, all(one.how in _UTF8 for one in read if isinstance(one, Text))
