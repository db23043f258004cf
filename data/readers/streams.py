"""Opening inputs: paths, stdin, gzip; how far they were read."""

import gzip
import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO, Final, cast

from replyrank.data.errors import UsageError
from replyrank.data.readers.formats import STANDARD_STREAM, is_gzip

_BUFFER: Final = 1 << 18


class Input:
    """An input as bytes, decompressed.

    Args:
        source: a path, ``-`` for stdin, or an open binary file (which stays open).
        rereadable: whether ``rewind`` will be called; a pipe is then copied to disk first.

    Raises:
        UsageError: if the file is not there, is a folder, or may not be read.
    """

    def __init__(self, source: str | Path | BinaryIO, *, rereadable: bool = False) -> None:
        self._owned: list[BinaryIO] = []
        compressed = False
        if isinstance(source, str | Path) and str(source) != STANDARD_STREAM:
            self.name = str(source)
            raw = _open(Path(source))
            self._owned.append(raw)
            compressed = is_gzip(source)
        elif isinstance(source, str | Path):
            self.name, raw = "stdin", cast("BinaryIO", sys.stdin.buffer)
        else:
            self.name, raw = "the input", source
        if rereadable and not raw.seekable():
            raw = self._spooled(raw)
        self._raw = raw
        self._start = raw.tell() if raw.seekable() else 0
        self._size = _size(raw)
        self.stream = self._reader(compressed=compressed)

    def _spooled(self, raw: BinaryIO) -> BinaryIO:
        copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  closed with the others
        self._owned.append(copy)
        shutil.copyfileobj(raw, copy)
        copy.seek(0)
        return copy

    def _reader(self, *, compressed: bool) -> BinaryIO:
        if not compressed:
            return self._raw
        unpacked = io.BufferedReader(gzip.GzipFile(fileobj=self._raw, mode="rb"), _BUFFER)
        self._owned.append(cast("BinaryIO", unpacked))
        return cast("BinaryIO", unpacked)

    def rewind(self) -> None:
        """Go back to the first byte."""
        self.stream.seek(0 if self.stream is not self._raw else self._start)

    def fraction(self) -> float | None:
        """The part of the input that was read, 0 to 1; None for a pipe."""
        if self._size is None:
            return None
        if not self._size:
            return 1.0
        return min(1.0, self._raw.tell() / self._size)

    def close(self) -> None:
        """Close what was opened here."""
        for stream in reversed(self._owned):
            stream.close()


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        message = f"{str(path)!r} is a folder; give a file"
        raise UsageError(message)
    try:
        return path.open("rb", buffering=_BUFFER)
    except OSError as error:
        message = f"{str(path)!r} cannot be read: {error.strerror}; give a file that can"
        raise UsageError(message) from error


def _size(raw: BinaryIO) -> int | None:
    if not raw.seekable():
        return None
    here = raw.tell()
    size = raw.seek(0, io.SEEK_END)
    raw.seek(here)
    return size
