"""Physical lines of a text file, decoded one by one."""

import codecs
import gzip
import io
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from replyrank.data.errors import UsageError
from replyrank.data.readers.decoding import Decoded, decode
from replyrank.data.readers.rows import BadRow, Notice, Problem, excerpt

#: A longer line is no message; it would only fill the memory.
MAX_LINE: Final = 4 << 20

_SAMPLE_LINES: Final = 200
_SAMPLE_CHARACTERS: Final = 1 << 18
_PEEK: Final = 1 << 16
_UTF16_BOMS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UTF32_BOMS: Final = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}

Line = tuple[int, str]


class Lines:
    """Iterates over (line number from 1, text with its line end).

    Without an encoding each line is decoded by itself, so that a bad byte spoils one line and
    not the file. Problems gather in ``problems``; whoever reads takes them from there.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None) -> None:
        self.problems: list[Problem] = []
        self._seen_utf8 = False
        self._told_legacy = False
        self._waiting: deque[Line] = deque()
        self._source = self._decoded(stream, encoding)

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return self._waiting.popleft() if self._waiting else next(self._source)

    def sample(self) -> list[Line]:
        """The first lines, which will be read again."""
        size = 0
        for line in self._source:
            self._waiting.append(line)
            size += len(line[1])
            if len(self._waiting) >= _SAMPLE_LINES or size >= _SAMPLE_CHARACTERS:
                break
        return list(self._waiting)

    def push_back(self, lines: list[Line]) -> None:
        """Have these lines read again, in their order, before the others."""
        self._waiting.extendleft(reversed(lines))

    def take_problems(self) -> list[Problem]:
        """The problems since the last call."""
        taken, self.problems = self.problems, []
        return taken

    def _decoded(self, stream: BinaryIO, encoding: str | None) -> Iterator[Line]:
        readline, decode_line = self._opened(stream, encoding)
        number = 0
        while True:
            try:
                raw = readline(MAX_LINE)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                reason = f"the file breaks off here, and what follows is lost: {error}"
                self.problems.append(BadRow(number + 1, reason, is_end=True))
                return
            except UnicodeError as error:
                message = f"line {number + 1} cannot be read as {encoding}: {error}; "
                raise UsageError(message + "name the encoding that the file has") from error
            if not raw:
                return
            number += 1
            text = decode_line(raw, number)
            if len(raw) >= MAX_LINE and not _ends(raw):
                _skip_line(readline)
                reason = f"the line is longer than {MAX_LINE:,} bytes"
                self.problems.append(BadRow(number, reason, excerpt(text)))
                continue
            yield number, text

    def _opened(
        self, stream: BinaryIO, encoding: str | None
    ) -> tuple[Callable[[int], bytes | str], Callable[[bytes | str, int], str]]:
        buffered = io.BufferedReader(_Shared(stream), _PEEK)
        try:
            head = buffered.peek(_PEEK)
        except (EOFError, zlib.error, OSError) as error:
            message = f"the input cannot be read: {error}; is it what its suffix says?"
            raise UsageError(message) from error
        found = encoding or _by_bom(head)
        only_cr = b"\r" in head and b"\n" not in head
        if found is None and not only_cr:
            return buffered.readline, self._decode
        try:
            text = io.TextIOWrapper(
                buffered,
                # Latin-1 gives each byte a character, and the bytes back unchanged.
                encoding=found or "latin-1",
                errors="replace",
                newline="\r" if only_cr else "\n",
            )
        except LookupError:
            message = f"encoding {encoding!r} is not known; use a name such as utf-8 or cp1252"
            raise UsageError(message) from None
        if found is None:
            return text.readline, lambda line, number: self._decode(
                str(line).encode("latin-1"), number
            )
        return text.readline, lambda line, number: self._checked(str(line), number, found)

    def _decode(self, raw: bytes | str, number: int) -> str:
        line = raw if isinstance(raw, bytes) else raw.encode()
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = self._decode_other(line, number)
        else:
            self._seen_utf8 = self._seen_utf8 or not line.isascii()
        return text.removeprefix("\ufeff") if number == 1 else text

    def _decode_other(self, line: bytes, number: int) -> str:
        decoded = decode(line)
        match decoded.how:
            case Decoded.ASCII | Decoded.UTF8:
                self._seen_utf8 = True
            case Decoded.WINDOWS_1252 if not self._seen_utf8:
                # The whole file is in the old encoding: said once, not for each line.
                if not self._told_legacy:
                    self._told_legacy = True
                    reason = f"not UTF-8 from line {number}; read as Windows-1252 where it is not"
                    self.problems.append(Notice(reason))
            case Decoded.WINDOWS_1252 | Decoded.BROKEN_UTF8:
                reason = f"the line is not UTF-8; read as {decoded.how}"
                self.problems.append(Notice(reason, number))
        return decoded.text

    def _checked(self, line: str, number: int, encoding: str) -> str:
        if "\ufffd" in line:
            reason = f"bytes that are not {encoding} were replaced by U+FFFD"
            self.problems.append(Notice(reason, number))
        return line.removeprefix("\ufeff") if number == 1 else line


class _Shared(io.RawIOBase):
    """A stream that stays open when the reader around it goes."""

    def __init__(self, stream: BinaryIO) -> None:
        # read1 returns what a pipe has now; read would wait until the buffer is full.
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _ends(raw: bytes | str) -> bool:
    return raw.endswith((b"\n", b"\r")) if isinstance(raw, bytes) else raw.endswith(("\n", "\r"))


def _skip_line(readline: Callable[[int], bytes | str]) -> None:
    while (rest := readline(MAX_LINE)) and not _ends(rest):
        pass


def _by_bom(head: bytes) -> str | None:
    for boms in (_UTF32_BOMS, _UTF16_BOMS):
        for bom, encoding in boms.items():
            if head.startswith(bom):
                return encoding
    return None
