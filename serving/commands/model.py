"""``replyrank model``: what a model says of itself, and whether it is intact."""

import json
from typing import Annotated, Final

import typer

from replyrank.models import load_scorer
from replyrank.models.artefact import Artefact
from replyrank.models.find import find_artefact
from replyrank.serving.commands import options

_MEGABYTE: Final = 1_000_000

app = typer.Typer(help="Look at a model.", no_args_is_help=True)


@app.command("show")
def show(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Folder or name, else the default.")
    ] = None,
    json_wanted: options.AsJson = False,
) -> None:
    """Show the model that would be used, or the one named: its name and settings."""
    artefact = find_artefact(model)
    facts = _facts(artefact)
    if json_wanted:
        config = artefact.config.model_dump(mode="json")
        typer.echo(json.dumps({**facts, "config": config}, indent=2))
        return
    thresholds = artefact.config.thresholds.model_dump()
    for name, value in {**facts, **thresholds}.items():
        typer.echo(f"{name:<16} {value}")


@app.command("verify")
def verify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder or name of a model.")],
) -> None:
    """Check a model's files against its manifest, load it, and run its self-test."""
    artefact = find_artefact(model)
    load_scorer(artefact.folder)
    typer.echo(f"{artefact.config.name}: files as in the manifest, self-test passed")


def _facts(artefact: Artefact) -> dict[str, str | int]:
    size = sum(path.stat().st_size for path in artefact.folder.iterdir())
    return {
        "name": artefact.config.name,
        "kind": artefact.config.kind.value,
        "folder": str(artefact.folder),
        "manifest": artefact.manifest_sha256,
        "size": f"{size / _MEGABYTE:.1f} MB",
        "cleaning": artefact.config.cleaning,
        "max_tokens": artefact.config.max_tokens,
    }
