"""Where output goes: a file that appears whole or not at all, or stdout."""

import errno
import gzip
import os
import secrets
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from replyrank.data.errors import UsageError
from replyrank.data.readers.formats import STANDARD_STREAM, is_gzip


def cannot_be_written(path: str | Path, error: OSError) -> UsageError:
    """What to raise where the system refuses to begin a file."""
    message = f"{str(path)!r} cannot be written: {error.strerror}; "
    return UsageError(message + "give a place in a folder that is there and writable")


def appears_whole(path: str | Path) -> bool:
    """Whether an output appears when it is complete, as files and folders do.

    Stdout, pipes and devices do not.
    """
    place = Path(path)
    is_kept = place.is_file() or place.is_dir() or not place.exists()
    return str(path) != STANDARD_STREAM and is_kept


def move(part: Path, final: Path) -> None:
    """Put a file that is complete in its place, in one step also between file systems."""
    try:
        part.replace(final)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
        try:
            shutil.copyfile(part, near)
            near.replace(final)
        except BaseException:
            near.unlink(missing_ok=True)
            raise
        part.unlink()


class Sink(ABC):
    """An output that appears whole or not at all."""

    @abstractmethod
    def commit(self) -> None:
        """Make the output appear."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written; after a commit there is nothing left to remove."""


class Target(Sink):
    """An output as bytes. As a context manager it commits, or on an error leaves nothing behind.

    A file is written under another name in the same folder and renamed when it is complete.

    Args:
        path: a path, or ``-`` for stdout.
        force: whether a file that is there may be replaced.
        seekable: whether the writer asks for its position; stdout is then filled at the end.
        part: where a file stands until it is complete, in place of a new name beside it.

    Raises:
        UsageError: if the file is there and ``force`` is not given, or cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        force: bool = False,
        seekable: bool = False,
        part: Path | None = None,
    ) -> None:
        self.name = "stdout" if str(path) == STANDARD_STREAM else str(path)
        self._force = force
        self._final: Path | None = None
        self._part: Path | None = None
        self._copy_to: BinaryIO | None = None
        self._gzip: gzip.GzipFile | None = None
        if str(path) == STANDARD_STREAM:
            self._raw = cast("BinaryIO", sys.stdout.buffer)
            if seekable:
                self._copy_to = self._raw
                self._raw = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
        else:
            self._raw = self._open(Path(path), part)
        self.stream = self._raw
        if str(path) != STANDARD_STREAM and is_gzip(path):
            # No file name and no time in the header: the same rows give the same bytes.
            self._gzip = gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._raw, mtime=0)
            self.stream = cast("BinaryIO", self._gzip)

    def _open(self, path: Path, part: Path | None) -> BinaryIO:
        final = path.resolve()
        if final.is_dir():
            message = f"{str(path)!r} is a folder; give a file"
            raise UsageError(message)
        self._refuse_to_replace(final)
        try:
            if final.exists() and not final.is_file():
                return final.open("wb")  # a device or pipe: nothing to rename
            part = part or final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
            stream = part.open("wb")
        except OSError as error:
            raise cannot_be_written(path, error) from error
        self._final, self._part = final, part
        return stream

    def _refuse_to_replace(self, final: Path) -> None:
        if final.is_file() and not self._force:
            message = f"{self.name!r} is there already; give another name, or --force to replace it"
            raise UsageError(message)

    def flush(self) -> None:
        """Have what was written on the disk, as far as it is no pipe and not compressed."""
        if self._part is not None and not self._raw.closed:
            self._raw.flush()
            os.fsync(self._raw.fileno())

    def commit(self) -> None:
        """Make the output appear.

        Raises:
            UsageError: if a file has come there meanwhile and may not be replaced.
        """
        if self._gzip is not None:
            self._gzip.close()
        self._raw.flush()
        if self._copy_to is not None:
            self._raw.seek(0)
            shutil.copyfileobj(self._raw, self._copy_to)
            self._copy_to.flush()
            self._raw.close()
        if self._final is not None and self._part is not None:
            os.fsync(self._raw.fileno())
            self._raw.close()
            self._refuse_to_replace(self._final)
            move(self._part, self._final)
        elif self.name != "stdout":
            self._raw.close()

    def discard(self) -> None:
        """Remove what was written; after a commit there is nothing left to remove."""
        if self._gzip is not None:
            self._gzip.close()
        if self._copy_to is not None or self.name != "stdout":
            self._raw.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()
