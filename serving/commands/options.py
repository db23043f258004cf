"""Options that several commands share, and the reading of those that need checking."""

import codecs
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from replyrank.data.errors import UsageError
from replyrank.data.readers.formats import STANDARD_STREAM, Format, checked_delimiter
from replyrank.data.readers.rows import ReadOptions
from replyrank.data.readers.times import DateOrder, TimeRule
from replyrank.models.cpus import usable_threads

InputPath = Annotated[
    str,
    typer.Argument(
        metavar="IN", help="CSV, JSONL or Parquet file, also .gz; folder of Parquet; - is stdin."
    ),
]


def at_least(least: int) -> Callable[[int | None], int | None]:
    """What refuses a smaller number, and names it."""

    def checked(value: int | None) -> int | None:
        if value is not None and value < least:
            message = f"{value} is too small; give {least} or more"
            raise typer.BadParameter(message)
        return value

    return checked


#: pools that libraries fill on first use, with every core of the machine unless told otherwise:
#: the tokenizer's, and Arrow's
_POOLS: Final = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS")


def _within_the_machine(value: int | None) -> int | None:
    """The threads that are wanted, but no more than this process has CPUs; None stays.

    The pools of the libraries get as many, without a wish one for each CPU, unless the environment
    says otherwise.
    """
    at_least(1)(value)
    threads = usable_threads(value)
    if value is not None and value > threads:
        words = f"--threads {value} is more than the CPUs that this process may use; {threads} work"
        typer.echo(words, err=True)
    for pool in _POOLS:
        os.environ.setdefault(pool, str(threads))
    return None if value is None else threads


#: where runs leave what they make, unless another folder is given
RUNS = Path("runs")
#: the embedded store of MLflow
MLFLOW = RUNS / "mlflow"

OutputPath = Annotated[
    str, typer.Option("-o", "--output", metavar="OUT", help="File to write; - is stdout.")
]
InputFormat = Annotated[
    Format | None,
    typer.Option("--format", help="Format of the input, where its name does not say it."),
]
TextColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column of the text, else the usual names.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=NAME",
        help="Column of another field, such as brand=Account; may be given again.",
    ),
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHAR", help="Between the fields of a CSV file, or 'tab'.")
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Of the input's text, such as utf-8 or cp1252.")
]
Zone = Annotated[
    str,
    typer.Option(
        "--time-zone", metavar="NAME", help="Of the input's times that are written without one."
    ),
]
Dates = Annotated[
    DateOrder | None,
    typer.Option(help="What comes first in dates such as 03/04/2026: dmy the day, mdy the month."),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="Folder, or default, fast, fallback or a name."),
]
Threads = Annotated[
    int | None,
    typer.Option(callback=_within_the_machine, help="Threads of the model, else every CPU."),
]
Corpora = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Folder of the public corpora, else REPLYRANK_DATA's."
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="YAML; states what differs from the default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it is there.")]


def read_options(
    kind: Format | None,
    text_column: str | None,
    delimiter: str | None,
    encoding: str | None,
    *,
    columns: Sequence[str] | None = None,
    zone: str = "UTC",
    dates: DateOrder | None = None,
) -> ReadOptions:
    """How the input is read.

    Raises:
        UsageError: if the encoding or the time zone does not exist, the delimiter is no single
            character, or a column is not given as FIELD=NAME.
    """
    return ReadOptions(
        format=kind,
        text_column=text_column,
        columns=named_columns(columns),
        encoding=_known_encoding(encoding),
        delimiter=None if delimiter is None else checked_delimiter(delimiter),
        times=TimeRule(known_zone(zone), dates),
    )


def named_columns(columns: Sequence[str] | None) -> dict[str, str]:
    """Field -> column, from what was written as FIELD=NAME.

    Raises:
        UsageError: if one was not, or a field was named twice.
    """
    found: dict[str, str] = {}
    for given in columns or ():
        field, mark, name = given.partition("=")
        if not (field and mark and name):
            message = f"--column {given!r} is not FIELD=NAME; write it such as brand=Account"
            raise UsageError(message)
        if field in found:
            message = f"--column names {field} twice, {found[field]!r} and {name!r}; give one"
            raise UsageError(message)
        found[field] = name
    return found


def known_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        UsageError: if there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"no time zone {name!r}; use an IANA name, such as Europe/London"
        raise UsageError(message) from None


def refuse_to_write_over_input(source: str, target: str) -> None:
    """Stop before an output replaces the very file that it is made from.

    Raises:
        UsageError: if both are one file.
    """
    if STANDARD_STREAM in (source, target):
        return
    if Path(source).exists() and Path(target).exists() and Path(target).samefile(source):
        message = f"{target!r} is the input; give another file to write"
        raise UsageError(message)


def _known_encoding(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        found = codecs.lookup(name)
    except LookupError:
        message = f"no encoding {name!r}; use one that Python knows, such as utf-8 or cp1252"
        raise UsageError(message) from None
    return found.name
