"""What reading gives: rows in windows, records with messages, and what went wrong."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Self

from replyrank.data.messages import Message
from replyrank.data.readers.arrow import batch_to_rows
from replyrank.data.readers.columns import ColumnMap
from replyrank.data.readers.doubts import text_doubts
from replyrank.data.readers.fields import make_message
from replyrank.data.readers.formats import Format
from replyrank.data.readers.times import DEFAULT_TIMES, TimeRule

Row = dict[str, object]
#: what is counted where a row is told: lines of a text file, rows of a table
Unit = Literal["line", "row"]

_EXCERPT: Final = 200
_NO_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({})

#: A window is closed early at this size, so that long texts do not fill the memory.
WINDOW_BYTES: Final = 8 << 20


def excerpt(raw: str) -> str:
    """The beginning of a bad row, for a report."""
    return raw if len(raw) <= _EXCERPT else raw[: _EXCERPT - 1] + "…"


@dataclass(frozen=True, slots=True)
class BadRow:
    """Input that could not be read as a row, and is left out of the output."""

    #: line on which it starts, from 1; in Parquet the number of the row
    line: int
    reason: str
    #: its beginning, at most 200 characters
    raw: str = ""
    #: how many rows are lost (more than one where a part of a Parquet file is broken)
    count: int = 1
    #: nothing behind it can be read: how many more rows are lost is not known
    is_end: bool = False
    #: what ``line`` counts
    unit: Unit = "line"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know; no row is lost by it."""

    reason: str
    #: line of the row, in Parquet its number; None where it concerns the file
    line: int | None = None
    #: what ``line`` counts
    unit: Unit = "line"


Problem = BadRow | Notice


@dataclass(frozen=True, slots=True)
class Record:
    """A row with the message in it."""

    line: int
    #: the input's own columns in their order
    values: Row
    #: its text is empty where the row has none that is text
    message: Message
    #: the text as it stands in the input; a scorer takes it, text or not
    text: object
    #: optional values that could not be read, whose fields are empty; oddities of the text
    notices: tuple[Notice, ...] = ()
    #: what ``line`` counts
    unit: Unit = "line"


class Window:
    """Rows that were read together, in the order of the input."""

    __slots__ = ("_rows", "batch", "lines", "place", "problems", "texts")

    def __init__(
        self,
        lines: Sequence[int],
        texts: list[object],
        *,
        rows: list[Row] | None = None,
        batch: Any = None,
        problems: Sequence[Problem] = (),
        place: str | None = None,
    ) -> None:
        self.lines = lines
        self.texts = texts
        #: the rows as ``pyarrow.RecordBatch`` where they were read as one
        self.batch = batch
        self.problems = problems
        #: the file of a folder in which the lines are counted
        self.place = place
        self._rows = rows

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def rows(self) -> list[Row]:
        """The rows as dicts; made on demand from a batch."""
        if self._rows is None:
            self._rows = batch_to_rows(self.batch)
        return self._rows

    @property
    def unit(self) -> Unit:
        """What ``lines`` count."""
        return "line" if self.batch is None else "row"

    def text_notices(self) -> list[Notice]:
        """A notice for each text that is not scored, or not written, as it stands."""
        where = "" if self.place is None else f"{self.place}: "
        return [
            Notice(where + reason, line, self.unit)
            for line, text in zip(self.lines, self.texts, strict=True)
            for reason in text_doubts(text)
        ]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is read; what is None is found."""

    #: of the input; needed for ``-``
    format: Format | None = None
    text_column: str | None = None
    #: field of ``Message`` -> name of the column, where the usual names do not find it
    columns: Mapping[str, str] = field(default_factory=lambda: _NO_COLUMNS)
    #: any Python codec; None reads UTF-8, UTF-16 by its BOM, and Windows-1252 line by line
    encoding: str | None = None
    delimiter: str | None = None
    #: whether ``"`` quotes a field of a CSV file
    quoted: bool = True
    #: what the file's times leave open
    times: TimeRule = DEFAULT_TIMES


class Source(ABC):
    """An open input, read once from first to last row."""

    #: for messages: the path, or ``stdin``
    name: str
    #: the input's own columns; of JSONL those of its first lines
    columns: tuple[str, ...]
    #: where the text and the message's fields stand; None in a file without any row
    mapping: ColumnMap | None
    options: ReadOptions

    @property
    def own_columns(self) -> frozenset[str]:
        """The columns that every row has."""
        return frozenset(self.columns)

    @abstractmethod
    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most ``size`` rows, in order; some are shorter."""

    @abstractmethod
    def schema(self) -> Any:
        """``pyarrow.Schema`` of all columns; for JSONL this reads the input once more."""

    def find_all_columns(self) -> None:  # noqa: B027  only JSON Lines has columns that come late
        """Know every column before the first row, and not only those of the first rows."""

    @abstractmethod
    def fraction(self) -> float | None:
        """How much was read, 0 to 1; None where the size is not known."""

    @abstractmethod
    def close(self) -> None:
        """Close the file; stdin stays open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def records(self, size: int = 1024) -> Iterator[Record | Problem]:
        """Rows with their messages, and the problems found on the way."""
        for window in self.windows(size):
            yield from window.problems
            if self.mapping is None:
                continue
            for line, row, text in zip(window.lines, window.rows, window.texts, strict=True):
                message, reasons = make_message(row, text, self.mapping, self.options.times)
                told = (*reasons, *text_doubts(text))
                notices = tuple(Notice(reason, line, window.unit) for reason in told)
                yield Record(line, row, message, text, notices, window.unit)


class WindowBuilder:
    """Collects rows until a window is full."""

    def __init__(self, size: int, text_column: str | None) -> None:
        self._size = size
        self._text_column = text_column
        self._bytes = 0
        self._lines: list[int] = []
        self._rows: list[Row] = []
        self.problems: list[Problem] = []

    def add(self, line: int, row: Row, size: int) -> None:
        """Add a row of about ``size`` bytes."""
        self._lines.append(line)
        self._rows.append(row)
        self._bytes += size

    @property
    def full(self) -> bool:
        """Whether a window should be taken now."""
        return (
            len(self._rows) >= self._size
            or self._bytes >= WINDOW_BYTES
            or len(self.problems) >= self._size
        )

    def take(self) -> Window:
        """The window, and begin a new one."""
        column = self._text_column
        texts = [row.get(column) for row in self._rows] if column is not None else []
        window = Window(self._lines, texts, rows=self._rows, problems=self.problems)
        self._lines, self._rows, self.problems, self._bytes = [], [], [], 0
        return window

    def __bool__(self) -> bool:
        return bool(self._rows or self.problems)
