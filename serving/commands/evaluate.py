"""``replyrank evaluate``: all figures of a model on a labelled file."""

from pathlib import Path
from typing import Annotated

import typer

from replyrank.models.cpus import available_cpus
from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra


def evaluate(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="Labelled posts: CSV, JSONL or Parquet.")
    ],
    target: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the report.")
    ],
    *,
    model: options.ModelName = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only rows with this in their column split.")
    ] = None,
    baseline_train: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Labelled posts to fit the baselines on.")
    ] = None,
    baseline_split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only rows of this split of them.")
    ] = None,
    kind: options.InputFormat = None,
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Policy of the queue figures.")
    ] = None,
    by_company: Annotated[
        bool, typer.Option("--by-company", help="Intervals draw companies in place of posts.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=1, help="Resamples of the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    threads: options.Threads = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a report in DIR.")] = False,
) -> None:
    """Measure a model on labelled posts, beside baselines, with 95 % intervals.

    DIR gets report.json, report.md and plots. Needs the extra `train`.
    """
    with needs_extra("train", "evaluate", "sklearn", "matplotlib", "vaderSentiment"):
        from replyrank.training.evaluate_file import (  # noqa: PLC0415  needs the extra
            EvaluateOptions,
            evaluate_file,
        )
        from replyrank.training.labelled import labelled_options  # noqa: PLC0415  as above

        reading = options.read_options(kind, text_column, delimiter, encoding, columns=columns)
        evaluate_file(
            model,
            source,
            target,
            baseline_train=baseline_train,
            reading=labelled_options(reading, split),
            baseline_reading=labelled_options(reading, baseline_split),
            policy=policy,
            options=EvaluateOptions(
                seed=seed,
                resamples=resamples,
                resampled="companies" if by_company else "posts",
                announce=lambda line: typer.echo(line, err=True),
            ),
            threads=threads or available_cpus(),
            force=force,
        )
    typer.echo(target / "report.md")
