"""Reading CSV: any delimiter, any of the usual encodings, rows that are broken."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import pyarrow as pa

from replyrank.data.errors import UsageError
from replyrank.data.readers.columns import find_columns, unique_names
from replyrank.data.readers.formats import checked_delimiter, is_tab_separated
from replyrank.data.readers.lines import MAX_LINE, Line, Lines
from replyrank.data.readers.rows import (
    BadRow,
    Notice,
    ReadOptions,
    Source,
    Window,
    WindowBuilder,
    excerpt,
)
from replyrank.data.readers.streams import Input

_DELIMITERS: Final = (",", ";", "\t", "|")
# Of a file that has only one column: hardly any text contains it, and where one does the
# fields are joined again.
_NO_DELIMITER: Final = "\x1f"
_OPEN_QUOTE: Final = "a quote opens in this row and is not closed in it"


class CsvSource(Source):
    """A CSV file with a header.

    A row starts on one physical line and may go on over several inside quotes. Where it
    cannot be right (a quote that never closes, too few or too many fields) its first line
    alone is given up and reading goes on with the next, so that a stray quote costs one row
    and not all that follow.

    Raises:
        UsageError: if the file is empty, or the text column is not there.
    """

    def __init__(self, source: str | Path | BinaryIO, options: ReadOptions) -> None:
        self.options = options
        self._input = Input(source)
        self.name = self._input.name
        try:
            self._begin(tabs=isinstance(source, str | Path) and is_tab_separated(source))
        except BaseException:
            self.close()
            raise

    def _begin(self, *, tabs: bool) -> None:
        # A global of the csv module, and by default too small for a long text.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
        lines = Lines(self._input.stream, self.options.encoding)
        if self.options.delimiter is not None:
            self.delimiter = checked_delimiter(self.options.delimiter)
        else:
            sample = [text for _, text in lines.sample()]
            self.delimiter = _sniff(sample, tabs=tabs, quoted=self.options.quoted)
        self._rows = _Rows(lines, self.delimiter, quoted=self.options.quoted)
        header = next((item for item in self._rows if not isinstance(item, BadRow)), None)
        if header is None:
            message = f"{self.name} is empty; give a CSV file that begins with its column names"
            raise UsageError(message)
        names = [name.strip() for name in header[1]]
        self.columns = unique_names(names)
        if list(self.columns) != names:
            renamed = ", ".join(repr(name) for name in self.columns)
            lines.problems.append(Notice(f"columns without a name of their own; read as {renamed}"))
        self.mapping = find_columns(
            self.columns,
            source=self.name,
            text_column=self.options.text_column,
            named=self.options.columns,
        )
        self._lines = lines

    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most ``size`` rows, in order."""
        builder = WindowBuilder(size, self.mapping.text if self.mapping else None)
        columns, lines = self.columns, self._lines
        width = len(columns)
        for item in self._rows.of_width(width):
            if lines.problems:
                builder.problems += lines.take_problems()
            if isinstance(item, BadRow):
                builder.problems.append(item)
            else:
                line, values, length = item
                builder.add(line, dict(zip(columns, values, strict=True)), length)
            if builder.full:
                yield builder.take()
        builder.problems += lines.take_problems()
        if builder:
            yield builder.take()

    def schema(self) -> Any:
        """All columns as text."""
        return pa.schema([(name, pa.string()) for name in self.columns])

    def fraction(self) -> float | None:
        """How much was read, 0 to 1; None for a pipe."""
        return self._input.fraction()

    def close(self) -> None:
        """Close the file; stdin stays open."""
        self._input.close()


class _Feed:
    """Gives the csv module its lines, and remembers those of the row being read."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.taken: list[Line] = []
        self.size = 0
        self.broken_off = False

    def begin_row(self) -> None:
        self.taken = []
        self.size = 0
        self.broken_off = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        # Only inside quotes does the csv module ask for one more line of the same row.
        if self.size > MAX_LINE:
            self.broken_off = True
            raise StopIteration
        try:
            line = next(self.lines)
        except StopIteration:
            self.broken_off = bool(self.taken)
            raise
        self.taken.append(line)
        self.size += len(line[1])
        return line[1]


CsvRow = tuple[int, list[str], int]


class _Rows:
    """Iterates over (line, fields, characters) and bad rows; empty lines are passed over."""

    def __init__(self, lines: Lines, delimiter: str, *, quoted: bool) -> None:
        self._feed = _Feed(lines)
        self._delimiter = delimiter
        self._reader = csv.reader(self._feed, delimiter=delimiter, quoting=_quoting(quoted=quoted))

    def __iter__(self) -> Iterator[CsvRow | BadRow]:
        return self.of_width(None)

    def of_width(self, width: int | None) -> Iterator[CsvRow | BadRow]:
        """Rows with so many fields; others are bad."""
        feed, reader = self._feed, self._reader
        while True:
            feed.begin_row()
            try:
                values = self._joined(next(reader))
            except StopIteration:
                if not feed.taken:
                    return
                yield self._give_up(_OPEN_QUOTE)
                continue
            except csv.Error as error:
                yield self._give_up(_told(error))
                continue
            if feed.broken_off or (len(feed.taken) > 1 and not self._is_strict_csv()):
                yield self._give_up(_OPEN_QUOTE)
            elif not values:
                continue
            elif width is None or len(values) == width:
                yield feed.taken[0][0], values, feed.size
            elif len(values) > width and not any(values[width:]):
                # Spreadsheets end rows with empty fields.
                yield feed.taken[0][0], values[:width], feed.size
            else:
                yield self._give_up(f"number of fields: {len(values)}; the header has {width}")

    def _joined(self, values: list[str]) -> list[str]:
        if self._delimiter == _NO_DELIMITER and len(values) > 1:
            return [_NO_DELIMITER.join(values)]
        return values

    def _is_strict_csv(self) -> bool:
        # A stray quote that the quote of a later row closes: text follows the closing one.
        lines = [text for _, text in self._feed.taken]
        try:
            return len(list(csv.reader(lines, delimiter=self._delimiter, strict=True))) == 1
        except csv.Error:
            return False

    def _give_up(self, reason: str) -> BadRow:
        feed = self._feed
        (line, text), *rest = feed.taken
        feed.lines.push_back(rest)
        return BadRow(line, reason, excerpt(text.rstrip("\r\n")))


def _told(error: csv.Error) -> str:
    # The csv module's own words speak to whoever opened the file.
    if "new-line character" in str(error):
        return "a carriage return stands in a field without quotes"
    return f"not CSV: {error}"


def _quoting(*, quoted: bool) -> Literal[0, 3]:
    return csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE


def _sniff(lines: list[str], *, tabs: bool, quoted: bool) -> str:
    """The delimiter by which most of the first rows have as many fields as the header."""
    if tabs:
        return "\t"
    quoting = _quoting(quoted=quoted)
    best, best_rank = _NO_DELIMITER, (0.0, 0)
    for delimiter in _DELIMITERS:
        rows = list(_readable(csv.reader(lines, delimiter=delimiter, quoting=quoting)))
        width = len(rows[0]) if rows else 0
        if width > 1:
            same = sum(len(row) == width for row in rows) / len(rows)
            best, best_rank = max((best, best_rank), (delimiter, (same, width)), key=lambda x: x[1])
    return best


def _readable(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            continue
        if row:
            yield row
