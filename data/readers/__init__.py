"""Streaming readers and writers of CSV, JSON Lines and Parquet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from replyrank.data.readers.columns import ColumnMap
from replyrank.data.readers.csv_reader import CsvSource
from replyrank.data.readers.folder_writer import FolderTarget, FolderWriter
from replyrank.data.readers.formats import STANDARD_STREAM, Format, format_of, names_folder
from replyrank.data.readers.jsonl_reader import JsonlSource
from replyrank.data.readers.parquet_folder import ParquetFolder
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
from replyrank.data.readers.streams import Input
from replyrank.data.readers.targets import Target
from replyrank.data.readers.writers import (
    Added,
    CsvWriter,
    JsonlWriter,
    ParquetWriter,
    WriteOptions,
    Writer,
    delimiter_for,
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
    """Open an input: a path, ``-`` for stdin, an open binary file, or a folder of Parquet files.

    Args:
        source: what to read.
        options: how; for ``-`` and open files they must give the format.
        rereadable: whether ``Source.schema`` (an output other than JSONL) or
            ``Source.find_all_columns`` will be asked for.

    Raises:
        UsageError: if it cannot be read, its format is not known, or it has no text column.
    """
    options = options or ReadOptions()
    path = source if isinstance(source, str | Path) else STANDARD_STREAM
    if Path(path).is_dir():
        return ParquetFolder(Path(path), options)
    if path is source and str(path) != STANDARD_STREAM and not Path(path).exists():
        # Before its name is asked for a format: that it is not there says more.
        Input(path).close()
    match format_of(path, options.format):
        case Format.CSV:
            return CsvSource(source, options)
        case Format.JSONL:
            return JsonlSource(source, options, rereadable=rereadable)
        case Format.PARQUET:
            return ParquetSource(source, options)


def open_writer(
    target: str | Path,
    source: Source,
    added: Mapping[str, Any],
    options: WriteOptions | None = None,
    *,
    part: Path | None = None,
) -> Writer:
    """A writer in the format that the target's name or the options say.

    Args:
        target: a path, or ``-`` for stdout; of a folder of Parquet files, also a folder.
        source: the input of which the rows are.
        added: the columns that follow the input's own, with their ``pyarrow.DataType``.
        options: how.
        part: where a file stands until it is complete, in place of a new name beside it.

    Raises:
        UsageError: if the format is not known, or the target is there or cannot be written.
    """
    options = options or WriteOptions()
    if isinstance(source, ParquetFolder) and names_folder(target, options.format):
        return FolderWriter(FolderTarget(Path(target), part), source, added)
    kind = format_of(target, options.format)
    delimiter = delimiter_for(target, source, options.delimiter)
    sink = Target(target, force=options.force, seekable=kind is Format.PARQUET, part=part)
    try:
        # Of a JSONL input this reads all: a target that cannot be written is told before.
        schema = source.schema() if kind is not Format.JSONL else None
        match kind:
            case Format.CSV:
                return CsvWriter(sink, source, added, schema, delimiter)
            case Format.JSONL:
                return JsonlWriter(sink, source, added)
            case Format.PARQUET:
                return ParquetWriter(sink, source, added, schema)
    except BaseException:
        sink.discard()
        raise
