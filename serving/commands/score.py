"""``replyrank score``: a file of messages in, the same with scores out."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from replyrank.data.errors import UsageError
from replyrank.data.readers import (
    STANDARD_STREAM,
    Format,
    ReadOptions,
    WriteOptions,
    format_of,
    open_source,
)
from replyrank.data.wording import counted
from replyrank.models import load_scorer
from replyrank.pipeline.bulk import BulkOptions, BulkSummary, score_file
from replyrank.serving.commands import options
from replyrank.serving.commands.problems import ProblemPrinter
from replyrank.serving.commands.stopping import stopping
from replyrank.serving.progress_view import progress_bar


def score(
    source: options.InputPath,
    *,
    target: options.OutputPath = STANDARD_STREAM,
    kind: options.InputFormat = None,
    out_kind: Annotated[
        Format | None,
        typer.Option("--out-format", help="Format of OUT, where its name does not say it."),
    ] = None,
    text_column: options.TextColumn = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    model: options.ModelName = None,
    threads: options.Threads = None,
    deduplicate: Annotated[
        bool, typer.Option("--dedup/--no-dedup", help="Score a text that repeats only once.")
    ] = True,
    force: options.Force = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Report of rows left out, not OUT.rejects.jsonl.", dir_okay=False
        ),
    ] = None,
    json_wanted: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout.")
    ] = False,
) -> None:
    """Score each message of a file: intent, urgency and sentiment as calibrated probabilities.

    Rows, their order and their columns stay; the scores follow as further columns. A row that
    cannot be read is reported with its line and reason, and the rest goes on. A run that is
    stopped, by whatever, goes on when the same command is given again.
    """
    if target == STANDARD_STREAM and json_wanted:
        message = "--json and the scores would both go to stdout; name a file with -o OUT"
        raise UsageError(message)
    options.refuse_to_write_over_input(source, target)
    reading = options.read_options(kind, text_column, delimiter, encoding)
    _try_to_open(source, reading)
    if target == STANDARD_STREAM and out_kind is None:
        out_kind = Format.PARQUET if Path(source).is_dir() else format_of(source, kind)
    told = ProblemPrinter()
    scorer = load_scorer(model, threads=threads)
    with stopping(target), progress_bar(Console(stderr=True)) as on_progress:
        summary = score_file(
            source,
            target,
            scorer,
            BulkOptions(
                read=reading,
                write=WriteOptions(format=out_kind, force=force),
                deduplicate=deduplicate,
                rejects=rejects,
                on_progress=on_progress,
                on_problem=told,
            ),
        )
    told.close()
    typer.echo(_sentence(summary), err=True)
    if json_wanted:
        typer.echo(json.dumps(summary.as_dict(), indent=2))
    told.require_whole(source)


def _try_to_open(source: str, reading: ReadOptions) -> None:
    """Tell a mistake about the input before a model is loaded. A pipe is read only once."""
    if source != STANDARD_STREAM and not Path(source).is_fifo():
        open_source(source, reading).close()


def _sentence(summary: BulkSummary) -> str:
    """What was done, in one line."""
    parts = [
        f"scored {summary.scored:,} of {counted(summary.rows, 'row')} with {summary.model} "
        f"in {summary.seconds:.1f} s ({summary.rows_per_second:,.0f} rows/s)"
    ]
    if summary.resumed:
        parts.append(f"{summary.resumed:,} of them were scored before the run was stopped")
    if summary.reviews:
        reviews = ", ".join(f"{count:,} {name}" for name, count in summary.reviews.items())
        parts.append(f"to review: {reviews}")
    if summary.rejects is not None:
        parts.append(f"rows left out or read with doubt: details in {summary.rejects}")
    return "; ".join(parts)
