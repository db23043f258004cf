"""``replyrank data``: the training set."""

from pathlib import Path
from typing import Annotated

import typer

from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra

app = typer.Typer(help="Make the training set.", no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """Make the training set."""
    # A callback keeps Typer from folding the only command into its group.


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
