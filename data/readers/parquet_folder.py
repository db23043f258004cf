"""Reading a folder of Parquet files, partitioned or not, as one input."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from replyrank.data.errors import UsageError
from replyrank.data.readers.columns import find_columns, unique_names
from replyrank.data.readers.formats import Format, inner_suffix, known_suffixes
from replyrank.data.readers.parquet_reader import ParquetSource
from replyrank.data.readers.rows import BadRow, Problem, ReadOptions, Source, Window

#: what Hive writes where a key has no value
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
_WHOLE_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One file of the folder."""

    path: Path
    #: its path below the folder, with ``/``
    name: str
    #: its columns, each name once; empty where the file cannot be read
    schema: Any
    rows: int
    #: key -> value of the folders ``key=value`` above it
    keys: Mapping[str, str | None]


class ParquetFolder(Source):
    """The Parquet files below a folder, in the order of their paths.

    Folders named ``key=value`` give a column ``key``, unless the files have one of that name.
    Names that begin with ``_`` or ``.`` are passed over. A file that is broken, or has no column
    of texts, is left out and the rest goes on.

    Raises:
        UsageError: if there is no Parquet file, or no text column in any.
    """

    def __init__(self, folder: Path, options: ReadOptions) -> None:
        self.name = str(folder)
        if options.format not in (None, Format.PARQUET):
            message = f"{self.name!r} is a folder; of folders only Parquet is read: give a file"
            raise UsageError(message)
        self.files = tuple(_open(path, folder) for path in _paths(folder))
        if not self.files:
            message = f"the folder {self.name!r} holds no file that ends in "
            raise UsageError(message + " or ".join(known_suffixes(Format.PARQUET)))
        names = dict.fromkeys(name for file in self.files for name in file.schema.names)
        self.keys = _key_types(self.files, names)
        self.columns = (*names, *self.keys)
        self.mapping = find_columns(
            self.columns,
            source=self.name,
            text_column=options.text_column,
            named=options.columns,
        )
        self.options = replace(options, text_column=self.mapping.text)
        self._unified: Any = None
        self._rows_read = 0

    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most ``size`` rows, each of one file."""
        for file in self.files:
            begun = self._rows_read
            try:
                # The columns of other fields may be absent here.
                options = replace(self.options, columns={})
                with ParquetSource(file.path, options) as source:
                    for window in source.windows(size):
                        self._rows_read += len(window)
                        yield self._of_file(file, window)
            except UsageError as error:
                # Of a file that cannot be opened it is not known how many rows it held.
                lost = max(1, file.rows)
                bad = BadRow(1, f"{file.name} is left out: {error}", count=lost)
                yield Window([], [], rows=[], problems=[bad])
            self._rows_read = begun + file.rows

    def _of_file(self, file: FolderFile, window: Window) -> Window:
        problems = [_in_file(problem, file) for problem in window.problems]
        if window.batch is None:
            return Window([], [], rows=[], problems=problems)
        columns, fields = list(window.batch.columns), list(window.batch.schema)
        for key, kind in self.keys.items():
            fields.append(pa.field(key, kind))
            columns.append(_repeated(file.keys.get(key), kind, window.batch.num_rows))
        batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        if self._unified is not None:
            batch = _as_schema(batch, self._unified)
        return Window(window.lines, window.texts, batch=batch, problems=problems, place=file.name)

    def schema(self) -> Any:
        """The columns of all files; from then on windows have them all.

        Raises:
            UsageError: if a column has types in two files that no type holds.
        """
        if self._unified is None:
            schema = pa.schema([])
            for file in self.files:
                schema = _unified(schema, file)
            keys = [pa.field(key, kind) for key, kind in self.keys.items()]
            self._unified = pa.schema([*schema, *keys])
        return self._unified

    def fraction(self) -> float | None:
        """How many of the rows were read, 0 to 1."""
        total = sum(file.rows for file in self.files)
        return self._rows_read / total if total else 1.0

    def close(self) -> None:
        """Nothing: each file is closed when it is read."""


def _paths(folder: Path) -> list[Path]:
    suffixes = known_suffixes(Format.PARQUET)
    found = [
        path
        for path in folder.rglob("*")
        if inner_suffix(path) in suffixes
        and not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _open(path: Path, folder: Path) -> FolderFile:
    inside = path.relative_to(folder)
    parts = [part.partition("=") for part in inside.parts[:-1]]
    keys = {
        unquote(key): None if value == _NO_VALUE else unquote(value)
        for key, mark, value in parts
        if mark and key
    }
    try:
        facts: Any = pq.read_metadata(path)
        schema = facts.schema.to_arrow_schema()
    except (pa.ArrowException, OSError):
        return FolderFile(path, inside.as_posix(), pa.schema([]), 0, keys)
    names = unique_names(schema.names)
    renamed = pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])
    return FolderFile(path, inside.as_posix(), renamed, facts.num_rows, keys)


def _key_types(files: Sequence[FolderFile], taken: Mapping[str, None]) -> dict[str, Any]:
    """The type of each key of the folders: whole numbers where all of its values are."""
    values: dict[str, list[str]] = {}
    for file in files:
        for key, value in file.keys.items():
            if key not in taken:
                values.setdefault(key, []).extend([] if value is None else [value])
    return {
        key: pa.int64() if all(map(_WHOLE_NUMBER.fullmatch, found)) and found else pa.string()
        for key, found in values.items()
    }


def _repeated(value: str | None, kind: Any, rows: int) -> Any:
    if value is not None and pa.types.is_int64(kind):
        return pa.array([int(value)] * rows, kind)
    return pa.array([value] * rows, kind)


def _unified(schema: Any, file: FolderFile) -> Any:
    for field in file.schema:
        position = schema.get_field_index(field.name)
        if position < 0:
            schema = schema.append(field)
            continue
        try:
            both = pa.unify_schemas(
                [pa.schema([schema.field(position)]), pa.schema([field])],
                promote_options="permissive",
            )
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            message = (
                f"column {field.name!r} is {schema.field(position).type} in one file and "
                f"{field.type} in {file.name}, and one output cannot hold both; write to a folder "
                "(-o OUT/), where each file keeps its own types"
            )
            raise UsageError(message) from error
        schema = schema.set(position, both.field(0))
    return schema


def _as_schema(batch: Any, schema: Any) -> Any:
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _in_file(problem: Problem, file: FolderFile) -> Problem:
    return replace(problem, reason=f"{file.name}: {problem.reason}")
