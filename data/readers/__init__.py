"""Streaming readers and writers of CSV, JSON Lines and Parquet."""

from pathlib import Path
from typing import BinaryIO

from replyrank.data.readers.columns import ColumnMap
from replyrank.data.readers.csv_reader import CsvSource
from replyrank.data.readers.formats import STANDARD_STREAM, Format, format_of
from replyrank.data.readers.jsonl_reader import JsonlSource
from replyrank.data.readers.parquet_reader import ParquetSource
from replyrank.data.readers.rows import (
    BadRow,
    Notice,
    Problem,
    ReadOptions,
    Record,
    Row,
    Source,
    Window,
)
from replyrank.data.readers.writers import (
    Added,
    WriteOptions,
    Writer,
    open_writer,
    score_types,
)

__all__ = [
    "STANDARD_STREAM",
    "Added",
    "BadRow",
    "ColumnMap",
    "Format",
    "Notice",
    "Problem",
    "ReadOptions",
    "Record",
    "Row",
    "Source",
    "Window",
    "WriteOptions",
    "Writer",
    "format_of",
    "open_source",
    "open_writer",
    "score_types",
]


def open_source(
    source: str | Path | BinaryIO,
    options: ReadOptions | None = None,
    *,
    rereadable: bool = False,
) -> Source:
    """Open an input: a path, ``-`` for stdin, or an open binary file.

    Args:
        source: what to read.
        options: how; for ``-`` and open files they must give the format.
        rereadable: whether ``Source.schema`` (an output other than JSONL) will be asked for.

    Raises:
        UsageError: if it cannot be read, its format is not known, or it has no text column.
    """
    options = options or ReadOptions()
    path = source if isinstance(source, str | Path) else STANDARD_STREAM
    match format_of(path, options.format):
        case Format.CSV:
            return CsvSource(source, options)
        case Format.JSONL:
            return JsonlSource(source, options, rereadable=rereadable)
        case Format.PARQUET:
            return ParquetSource(source, options)
