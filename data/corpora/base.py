"""What every loader of a public corpus gives, and how it opens its files."""

import csv
import gzip
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TextIO, cast

from replyrank.data.errors import UsageError
from replyrank.data.messages import Labels
from replyrank.data.readers.times import parse_time
from replyrank.data.vocabulary import Channel

ROOT_VARIABLE: Final = "REPLYRANK_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPost:
    """One text of a public corpus, with its labels in our words."""

    #: name of the corpus in ``CORPORA``
    source: str
    #: HTML entities undone and white space folded (``text_key.restore``)
    text: str
    #: None where the corpus does not label, or labels something that is not ours
    labels: Labels = field(default_factory=Labels)
    #: handle, page id, product or topic, as the corpus has it
    brand: str | None = None
    channel: Channel | None = None
    #: timezone-aware
    created_at: datetime | None = None
    #: the corpus's own facts; "label" holds what the mapping table was asked
    native: Mapping[str, str] = field(default_factory=dict[str, str])


Loader = Callable[[Path], Iterator[CorpusPost]]


def corpora_root(root: str | Path | None = None) -> Path:
    """The folder that holds ``data/`` (the corpora) and ``labelled/``.

    Args:
        root: the folder; without it the one that the variable ``REPLYRANK_DATA`` names.

    Raises:
        UsageError: if none is named, or it has no folder ``data``.
    """
    named = root if root is not None else os.environ.get(ROOT_VARIABLE)
    if not named:
        message = (
            f"{ROOT_VARIABLE} is not set, so the public corpora cannot be found; "
            "set it to the folder that holds data/ and labelled/"
        )
        raise UsageError(message)
    folder = Path(named)
    if not (folder / "data").is_dir():
        message = (
            f"{str(folder)!r} has no folder data/; "
            f"set {ROOT_VARIABLE} to the folder that holds data/ and labelled/"
        )
        raise UsageError(message)
    return folder


def open_text(root: Path, name: str) -> TextIO:
    """Open ``data/<name>`` below ``root`` as UTF-8, unpacked where it ends in .gz.

    Bytes that are no UTF-8 become U+FFFD: one broken post must not cost the corpus.

    Raises:
        UsageError: if the file is not there.
    """
    path = root / "data" / name
    try:
        if path.suffix == ".gz":
            opened = gzip.open(  # noqa: SIM115  the caller closes it
                path, "rt", encoding="utf-8", errors="replace", newline=""
            )
            return cast("TextIO", opened)
        return path.open(encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        message = (
            f"{str(path)!r} cannot be read ({error.strerror}); "
            "put the corpus there as its source publishes it"
        )
        raise UsageError(message) from error


def csv_records(
    root: Path, name: str, *, delimiter: str = ",", quoted: bool = True
) -> Iterator[dict[str, str]]:
    """Rows of a file with a header; a cell that is missing is the empty string."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    with open_text(root, name) as lines:
        for row in csv.DictReader(lines, delimiter=delimiter, quoting=quoting, restval=""):
            yield {column: value or "" for column, value in row.items() if column is not None}


def csv_rows(root: Path, name: str) -> Iterator[list[str]]:
    """Rows of a file without a header."""
    with open_text(root, name) as lines:
        yield from csv.reader(lines)


def text_lines(root: Path, name: str) -> Iterator[str]:
    """Lines of a file with one text a line; only LF and CRLF end a line."""
    with open_text(root, name) as lines:
        for line in lines:
            yield line.rstrip("\r\n")


def time_or_none(value: str) -> datetime | None:
    """Read a time; None where the corpus gives none that can be read."""
    if not value:
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None
