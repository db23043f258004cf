"""File formats and how one is found from a name."""

from enum import StrEnum
from pathlib import Path
from typing import Final

from replyrank.data.errors import UsageError

#: Stands for stdin or stdout in place of a path.
STANDARD_STREAM: Final = "-"

GZIP_SUFFIX: Final = ".gz"


class Format(StrEnum):
    """What a file of messages looks like."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_SUFFIXES: Final = {
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".tab": Format.CSV,
    ".txt": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}
# What a shell cannot easily pass.
_NAMED_DELIMITERS: Final = {"tab": "\t", "\\t": "\t", "space": " "}
_TAB_SUFFIXES: Final = (".tsv", ".tab")


def is_gzip(path: str | Path) -> bool:
    """Whether the name says that the file is compressed with gzip."""
    return str(path).lower().endswith(GZIP_SUFFIX)


def inner_suffix(path: str | Path) -> str:
    """The suffix that names the format, in lower case, ``.gz`` taken off."""
    name = Path(path).name.lower()
    return Path(name.removesuffix(GZIP_SUFFIX)).suffix


def known_suffixes(kind: Format) -> tuple[str, ...]:
    """The suffixes that name a format."""
    return tuple(suffix for suffix, named in _SUFFIXES.items() if named is kind)


def names_folder(target: str | Path, given: Format | None) -> bool:
    """Whether an output is a folder of files: no format is given, and its name says none."""
    is_stream = str(target) == STANDARD_STREAM
    return given is None and not is_stream and inner_suffix(target) not in _SUFFIXES


def is_tab_separated(path: str | Path) -> bool:
    """Whether the name says that tabs stand between the fields."""
    return inner_suffix(path) in _TAB_SUFFIXES


def checked_delimiter(given: str) -> str:
    """The delimiter that the user means, who may write ``tab`` or ``space`` for one.

    Raises:
        UsageError: if it is not one character that can stand between fields.
    """
    delimiter = _NAMED_DELIMITERS.get(given, given)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        message = f"{given!r} cannot stand between fields; give one character, such as ';', or tab"
        raise UsageError(message)
    return delimiter


def format_of(path: str | Path, given: Format | None = None) -> Format:
    """The format of a file: the one given, else the one that its suffix names.

    Raises:
        UsageError: if neither says it, or a Parquet file is named ``.gz``.
    """
    if given is not None:
        found = given
    elif str(path) == STANDARD_STREAM:
        message = "the format of '-' is not known; give one of " + ", ".join(Format)
        raise UsageError(message)
    else:
        suffix = inner_suffix(path)
        if suffix not in _SUFFIXES:
            known = ", ".join(_SUFFIXES)
            message = f"the suffix of {str(path)!r} names no format; use one of {known} "
            message += "(text formats also with .gz), or give the format"
            raise UsageError(message)
        found = _SUFFIXES[suffix]
    if found is Format.PARQUET and is_gzip(path):
        message = f"{str(path)!r}: Parquet compresses itself; take .gz off and decompress it first"
        raise UsageError(message)
    return found
