"""Writing a folder of Parquet files that mirrors the one that was read."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from replyrank.data.errors import UsageError
from replyrank.data.readers.parquet_folder import FolderFile, ParquetFolder
from replyrank.data.readers.rows import Window
from replyrank.data.readers.targets import Sink, Target, cannot_be_written
from replyrank.data.readers.writers import Added, ParquetWriter, Writer


class FolderTarget(Sink):
    """A folder that appears whole or not at all. One that holds anything is never replaced.

    Args:
        path: of the folder.
        part: where it stands until it is complete, in place of a new name beside it.

    Raises:
        UsageError: if there is something of that name, or it cannot be written.
    """

    def __init__(self, path: Path, part: Path | None = None) -> None:
        self._final = path.resolve()
        if self._final.is_mount():
            message = f"{str(path)!r} is where a disk is mounted and cannot be replaced; "
            raise UsageError(message + "give a folder below it")
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            message = f"{str(path)!r} is there already, and folders are not replaced; "
            raise UsageError(message + "give another name, or remove it")
        hidden = self._final.with_name(f".{self._final.name}.{secrets.token_hex(4)}.part")
        self.part = part or hidden
        shutil.rmtree(self.part, ignore_errors=True)
        try:
            self.part.mkdir()
        except OSError as error:
            raise cannot_be_written(path, error) from error

    def commit(self) -> None:
        """Make the folder appear."""
        if self._final.is_dir():
            self._final.rmdir()
        self.part.replace(self._final)

    def discard(self) -> None:
        """Remove what was written; after a commit there is nothing left to remove."""
        shutil.rmtree(self.part, ignore_errors=True)


class FolderWriter(Writer):
    """A file for each file of the input, under the same name below the folder.

    What the names of folders say is not repeated as columns.
    """

    def __init__(
        self, target: FolderTarget, source: ParquetFolder, added: Mapping[str, Any]
    ) -> None:
        if clashing := sorted(set(source.keys) & set(added)):
            message = (
                f"folders of {source.name} are named by {', '.join(clashing)}, a column of ours, "
                "and a reader would meet both; write to one file, or rename the folders"
            )
            raise UsageError(message)
        super().__init__(target, source, added)
        self._folder = target.part
        self._source = source
        self._files: Iterator[FolderFile] = iter(source.files)
        self._current: tuple[str, ParquetWriter] | None = None

    def write(self, window: Window, added: Added) -> None:
        """Write the rows of a window, each with its added values."""
        if self._current is None or self._current[0] != window.place:
            self._close()
            self._current = self._open(window.place)
        self._current[1].write(window, added)

    def finish(self) -> None:
        """Close the last file; those that follow it have no rows."""
        self._close()
        for file in self._files:
            self._write_empty(file)

    def _open(self, name: str | None) -> tuple[str, ParquetWriter]:
        for file in self._files:
            if file.name == name:
                return file.name, self._writer(file)
            self._write_empty(file)
        message = f"no file {name} of {self._source.name} is left to write"
        raise ValueError(message)

    def _write_empty(self, file: FolderFile) -> None:
        """A file without rows has one without rows; one that could not be read has none."""
        if not file.rows and file.fault is None:
            with self._writer(file):
                pass

    def _writer(self, file: FolderFile) -> ParquetWriter:
        path = self._folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        target = Target(path, seekable=True)
        return ParquetWriter(target, self._source, self.added, file.schema)

    def _close(self) -> None:
        if self._current is not None:
            self._current[1].__exit__(None, None, None)
            self._current = None
