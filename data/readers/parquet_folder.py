"""Reading a folder of Parquet files, partitioned or not, as one input."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from replyrank.data.errors import UsageError
from replyrank.data.readers.arrow import without_surrogates
from replyrank.data.readers.columns import find_columns, unique_names
from replyrank.data.readers.formats import Format, known_suffixes
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
    #: its columns, each name once; none where the file cannot be read
    schema: Any
    rows: int
    #: why it cannot be read
    fault: str | None
    #: key -> value of the folders ``key=value`` above it
    keys: Mapping[str, str | None]


class ParquetFolder(Source):
    """The Parquet files below a folder, in the order of their paths.

    Folders named ``key=value`` give a column ``key``, unless the files have one of that name.
    Other names that begin with ``_`` or ``.`` are passed over; links are followed. Each file has
    its own column of texts, where the user names none. A file that is broken, or has none, is left
    out and the rest goes on.

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
            suffixes = " or ".join(known_suffixes(Format.PARQUET))
            message = f"{self.name!r} is a folder without a file that ends in {suffixes}; "
            raise UsageError(message + "give a file, or a folder of Parquet files")
        names = dict.fromkeys(name for file in self.files for name in file.schema.names)
        self.keys = _key_types(self.files, names)
        self.columns = (*names, *self.keys)
        # A key of the folders is no text.
        text = find_columns(tuple(names), source=self.name, text_column=options.text_column).text
        self.mapping = find_columns(
            self.columns, source=self.name, text_column=text, named=options.columns
        )
        self.options = options
        self._unified: Any = None
        self._rows_read = 0

    @property
    def own_columns(self) -> frozenset[str]:
        """The columns that every file has."""
        readable = [frozenset(file.schema.names) for file in self.files if file.fault is None]
        return frozenset.intersection(*readable) if readable else frozenset()

    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most ``size`` rows, each of one file."""
        for file in self.files:
            begun = self._rows_read
            try:
                yield from self._of_file(file, size)
            except UsageError as error:
                # Of a file that cannot be opened it is not known how many rows it held.
                lost = file.rows if file.fault is None else 1
                reason = f"{file.name} is left out: {error}"
                bad = BadRow(1, reason, count=lost, unit="row")
                yield Window([], [], rows=[], problems=[bad])
            self._rows_read = begun + file.rows

    def _of_file(self, file: FolderFile, size: int) -> Iterator[Window]:
        if file.fault is not None:
            raise UsageError(file.fault)
        if not file.rows:
            return
        # The columns of other fields may be absent here.
        with ParquetSource(file.path, replace(self.options, columns={})) as source:
            for window in source.windows(size):
                self._rows_read += len(window)
                yield self._placed(file, window)

    def _placed(self, file: FolderFile, window: Window) -> Window:
        """The window with the keys of its file, and with all columns if they are asked for."""
        problems = [_in_file(problem, file) for problem in window.problems]
        if window.batch is None:
            return Window([], [], rows=[], problems=problems)
        columns, fields = list(window.batch.columns), list(window.batch.schema)
        for key, kind in self.keys.items():
            fields.append(pa.field(key, kind))
            columns.append(_repeated(file.keys.get(key), kind, window.batch.num_rows))
        batch = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
        if self._unified is not None:
            try:
                batch = _as_schema(batch, self._unified)
            except pa.ArrowException as error:
                first, last = window.lines[0], window.lines[-1]
                reason = f"rows {first} to {last} do not fit the columns of other files: {error}; "
                reason += "write to a folder (-o OUT/), where each file keeps its own types"
                bad = _in_file(BadRow(first, reason, count=len(window), unit="row"), file)
                return Window([], [], rows=[], problems=[*problems, bad])
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
    suffixes, seen, found = known_suffixes(Format.PARQUET), set[str](), list[Path]()
    for place, folders, names in os.walk(folder, followlinks=True):
        # A link may lead back up.
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if not _is_hidden(name)]
        if real not in seen:
            paths = (Path(place) / name for name in names if not _is_hidden(name))
            found += [path for path in paths if path.suffix.lower() in suffixes and path.is_file()]
        seen.add(real)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _is_hidden(name: str) -> bool:
    """Whether a name is one that programs pass over; a partition is not, whatever its key."""
    return name.startswith(("_", ".")) and "=" not in name


def _open(path: Path, folder: Path) -> FolderFile:
    inside = path.relative_to(folder)
    parts = [part.partition("=") for part in inside.parts[:-1]]
    keys = {
        _decoded(key): None if value == _NO_VALUE else _decoded(value)
        for key, mark, value in parts
        if mark and key
    }
    try:
        # Opened here: the library takes only names in UTF-8.
        with path.open("rb") as file:
            facts: Any = pq.read_metadata(file)
        schema = facts.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        fault = f"it is not a whole Parquet file: {error}"
        return FolderFile(path, inside.as_posix(), pa.schema([]), 0, fault, keys)
    names = unique_names(schema.names)
    renamed = pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])
    return FolderFile(path, inside.as_posix(), renamed, facts.num_rows, None, keys)


def _decoded(part: str) -> str:
    # A name that is not UTF-8 has lone surrogates, which no output can hold.
    return without_surrogates(unquote(part))


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
    for own in file.schema:
        # Where a file lacks a column, its rows have no value there.
        field = own.with_nullable(nullable=True)
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
