"""``replyrank rank``: open messages in, the order in which to answer them out."""

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from replyrank.data.errors import UsageError
from replyrank.data.messages import Message
from replyrank.data.readers import (
    STANDARD_STREAM,
    Problem,
    ReadOptions,
    Record,
    open_source,
)
from replyrank.data.readers.targets import Target
from replyrank.data.readers.times import TimeRule, parse_time
from replyrank.data.wording import counted
from replyrank.models import load_scorer
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.bulk import score_distinct
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.rank import RankedItem
from replyrank.pipeline.rank import rank as rank_messages
from replyrank.serving.commands import options
from replyrank.serving.commands.problems import ProblemPrinter
from replyrank.serving.ranking_view import Ranking, as_csv, as_json, lines, table


class _Form(StrEnum):
    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def rank(
    source: options.InputPath,
    *,
    target: options.OutputPath = STANDARD_STREAM,
    policy_file: options.PolicyFile = None,
    now: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Rank at this time (ISO 8601) in place of the clock's."),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Rank at the time of the latest message.")
    ] = False,
    top: Annotated[
        int | None,
        typer.Option(callback=options.at_least(1), metavar="N", help="Show the first N places."),
    ] = None,
    json_wanted: options.AsJson = False,
    csv_wanted: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    model: options.ModelName = None,
    threads: options.Threads = None,
    kind: options.InputFormat = None,
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    zone: options.Zone = "UTC",
    dates: options.Dates = None,
    force: options.Force = False,
) -> None:
    """Rank open messages by the expected harm of letting each wait.

    IN holds messages that nobody has answered. Each place comes with its index (expected harm per
    minute of an agent), the time by which it is due, and a one-line reason.
    """
    form = _form(json_wanted=json_wanted, csv_wanted=csv_wanted, target=target)
    options.refuse_to_write_over_input(source, target)
    policy = load_policy(policy_file)
    reading = options.read_options(
        kind, text_column, delimiter, encoding, columns=columns, zone=zone, dates=dates
    )
    moment = None if now is None else _time(now, reading.times.zone)
    with Target(target, force=force) as out:
        told = ProblemPrinter()
        messages, texts = _read(source, reading, told)
        told.close()
        scorer = load_scorer(model, threads=threads)
        scores = score_distinct(scorer, texts)
        items = rank_messages(
            messages, scores, policy, moment, replay=replay, priors=scorer.config.priors.need
        )
        typer.echo(_sentence(messages, items, scores, told.rejected), err=True)
        ranking = Ranking(items[:top], messages, scores, policy, told.rejected, reading.times.zone)
        console = Console()
        if form is _Form.TEXT and target == STANDARD_STREAM and console.is_terminal:
            table(ranking, console)
        else:
            out.stream.write(_content(ranking, form).encode("utf-8", "replace"))
    told.require_whole(source)


def _sentence(
    messages: Sequence[Message], items: Sequence[RankedItem], scores: ScoreBatch, rejected: int
) -> str:
    """What was done, in one line."""
    parts = [
        f"ranked {counted(len(messages), 'message')} as {counted(len(items), 'item')} "
        f"with {scores.model}"
    ]
    if undated := sum(message.created_at is None for message in messages):
        count = "counts" if undated == 1 else "count"
        parts.append(f"{undated:,} without a time of arrival {count} as arriving now")
    if rejected:
        parts.append(f"{counted(rejected, 'row')} left out")
    return "; ".join(parts)


def _form(*, json_wanted: bool, csv_wanted: bool, target: str) -> _Form:
    """What is asked for, else what the name of the output says.

    Raises:
        UsageError: if both forms are asked for.
    """
    if json_wanted and csv_wanted:
        message = "--json and --csv exclude each other; give one"
        raise UsageError(message)
    suffix = Path(target).suffix.lower()
    if json_wanted or (suffix == ".json" and not csv_wanted):
        return _Form.JSON
    return _Form.CSV if csv_wanted or suffix == ".csv" else _Form.TEXT


def _time(text: str, zone: tzinfo) -> datetime:
    try:
        return parse_time(text, TimeRule(zone))
    except ValueError:
        message = f"--now {text!r} is not a time; write ISO 8601, such as 2025-03-14T12:00:00+00:00"
        raise UsageError(message) from None


def _read(
    source: str, reading: ReadOptions, on_problem: Callable[[Problem], None]
) -> tuple[list[Message], list[object]]:
    messages: list[Message] = []
    texts: list[object] = []
    with open_source(source, reading) as opened:
        for found in opened.records():
            if not isinstance(found, Record):
                on_problem(found)
                continue
            messages.append(found.message)
            texts.append(found.text)
            for notice in found.notices:
                on_problem(notice)
    return messages, texts


def _content(ranking: Ranking, form: _Form) -> str:
    match form:
        case _Form.TEXT:
            return "".join(f"{line}\n" for line in lines(ranking))
        case _Form.JSON:
            return as_json(ranking) + "\n"
        case _Form.CSV:
            return as_csv(ranking)
