"""``replyrank data``: the training set, and a team's own labels."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from replyrank.data.messages import Message
from replyrank.data.readers import BadRow, Record, Source, open_source
from replyrank.data.readers.arrow import to_json, to_utf8
from replyrank.data.readers.targets import Target
from replyrank.data.vocabulary import Channel
from replyrank.models import load_scorer
from replyrank.models.find import find_artefact
from replyrank.pipeline.choice import most_telling
from replyrank.pipeline.label_tasks import label_tasks, labelling_config
from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra
from replyrank.serving.commands.problems import ProblemPrinter

app = typer.Typer(help="Make the training set; take in labels of your own.", no_args_is_help=True)


@app.command("build")
def build(
    target: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the training set.")
    ],
    corpora: options.Corpora = None,
) -> None:
    """Make the training set from the public corpora: a datasets.DatasetDict with its card.

    The card says rows per source and label, hashes, and what was dropped and why. Needs the extra
    `train`.
    """
    with needs_extra("train", "data build", "datasets"):
        from replyrank.training.build import build_dataset  # noqa: PLC0415  needs the extra

        summary = build_dataset(corpora, target, report=lambda line: typer.echo(line, err=True))
    for split, rows in summary.rows.items():
        typer.echo(f"{split:<12} {rows:>9,} rows  sha256 {summary.hashes[split]}")


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="CSV, JSONL or Parquet with labels, Label Studio's JSON export, or records.",
            dir_okay=False,
        ),
    ],
    *,
    target: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="LABELS", help="Set of labels, .jsonl; it grows."),
    ],
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--word",
            metavar="LABEL:WORD=OURS",
            help="What a word of yours means, such as intent:complaint=support_request.",
        ),
    ] = None,
    brand: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of all rows that name none.")
    ] = None,
    channel: Annotated[Channel | None, typer.Option(help="Of all rows that name none.")] = None,
    apart: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Labelled posts that judge models: no copies of them."),
    ] = None,
    most_left_out: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0, max=1, help="Of a file's rows, above which none is taken."
        ),
    ] = 0.1,
    zone: options.Zone = "UTC",
    dates: options.Dates = None,
) -> None:
    """Take a team's labels into one set to train on: checked, one label a text, nothing deleted.

    A later label of a message replaces an earlier one. Rows that cannot be used are reported and
    the rest goes on, unless they are too many: then nothing is taken.
    """
    from replyrank.training.label_files import LabelFileOptions  # noqa: PLC0415  slow to import
    from replyrank.training.label_import import ImportOptions, import_labels  # noqa: PLC0415
    from replyrank.training.labelled import labelled_options, named_words  # noqa: PLC0415

    reading = options.read_options(
        None, text_column, None, None, columns=columns, zone=zone, dates=dates
    )
    table = replace(labelled_options(reading, None), words=named_words(words or ()))
    done = import_labels(
        files,
        target,
        ImportOptions(
            files=LabelFileOptions(table, brand, channel),
            apart=apart,
            most_left_out=most_left_out,
        ),
    )
    _tell_problems(done.merged)
    typer.echo(f"{target}: {done.sentence}", err=True)
    typer.echo(done.version)


@app.command("audit")
def audit(
    source: Annotated[
        Path, typer.Argument(metavar="LABELS", help="Labelled posts: CSV, JSONL, Parquet.")
    ],
    *,
    target: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="CSV of labels to look at again.")
    ],
    most: Annotated[int, typer.Option(min=1, metavar="N", help="Rows of OUT at most.")] = 100,
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    model: options.ModelName = None,
    threads: options.Threads = None,
    force: options.Force = False,
) -> None:
    """List the labels that are probably wrong, the most suspect first.

    Those are the labels that the model finds least likely. Of posts that it was trained on it is
    asked as it was before it saw them.
    """
    from replyrank.training.audit import as_csv  # noqa: PLC0415  slow to import
    from replyrank.training.audit import audit as find  # noqa: PLC0415
    from replyrank.training.labelled import labelled_options, read_labelled  # noqa: PLC0415

    reading = options.read_options(None, text_column, None, None, columns=columns)
    with Target(target, force=force) as out:
        posts = read_labelled(source, labelled_options(reading, None))
        told = ProblemPrinter()
        for row in posts.left_out:
            told(row)
        told.close()
        suspects = find(posts, find_artefact(model), most, threads=threads)
        out.stream.write(to_utf8(as_csv(suspects)))
    typer.echo(f"{target}: {len(suspects):,} of {len(posts):,} labelled posts", err=True)
    told.require_whole(str(source))


@app.command("tasks")
def tasks(
    source: options.InputPath,
    *,
    target: Annotated[
        Path, typer.Option("-o", "--output", metavar="TASKS", help="JSON file to import there.")
    ],
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the project's labelling config, XML."),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, metavar="N", help="Only N messages, with all labels alike."
        ),
    ] = None,
    kind: options.InputFormat = None,
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    model: options.ModelName = None,
    threads: options.Threads = None,
    force: options.Force = False,
) -> None:
    """Write messages as tasks for Label Studio, with what the model says as pre-annotations.

    What is labelled there comes back with `replyrank data import`. Authors are left out. With
    --most those are written that hold as many of the rare labels as of the common ones, as far as
    the model can tell, and no two alike, the first first.
    """
    reading = options.read_options(kind, text_column, None, None, columns=columns)
    told, count = ProblemPrinter(), 0
    with open_source(source, reading) as opened, Target(target, force=force) as out:
        scorer = load_scorer(model, threads=threads)
        messages = _messages(opened, told)
        chosen = messages if most is None else most_telling(messages, scorer, most)
        for task in label_tasks(chosen, scorer):
            out.stream.write((",\n" if count else "[\n").encode() + to_utf8(to_json(task)))
            count += 1
        out.stream.write(b"\n]\n" if count else b"[]\n")
    if config is not None:
        with Target(config, force=force) as out:
            out.stream.write(labelling_config().encode())
    told.close()
    typer.echo(f"{target}: {count:,} tasks with what {scorer.config.name} says", err=True)
    told.require_whole(source)


def _tell_problems(merged: Any) -> None:
    told = ProblemPrinter()
    for file, notice in merged.notices:
        told(replace(notice, reason=f"{file}: {notice.reason}"))
    for one in merged.left_out:
        told(replace(one.row, reason=f"{one.file}: {one.row.reason}"))
    told.close()


def _messages(source: Source, told: ProblemPrinter) -> Iterator[Message]:
    for item in source.records():
        if not isinstance(item, Record):
            told(item)
        elif item.message.text.strip():
            yield item.message
        else:
            told(BadRow(item.line, "no text"))
