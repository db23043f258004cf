"""``replyrank promote``, ``rollback`` and ``pull``: which model is in use."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from replyrank.data.errors import UsageError
from replyrank.models.artefact import Artefact, verify
from replyrank.models.champion import Champion, read_champion
from replyrank.models.find import HOME_VARIABLE, champion_artefact, find_artefact
from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra

if TYPE_CHECKING:
    from replyrank.training.gate_posts import GatePosts
    from replyrank.training.tracking import Tracking

_STORE: Final = Path("runs") / "mlflow"
_MODELS: Final = "models"

Home = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=f"Folder of the champion pointer, else {HOME_VARIABLE}'s.",
        file_okay=False,
    ),
]


def promote(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Folder of an artefact, or its version in MLflow."),
    ],
    *,
    posts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Labelled posts that decide, in place of the frozen gate set."
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Training set whose gate set decides.", file_okay=False),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML; states what differs from the rules.")
    ] = None,
    corpora: options.Corpora = None,
    home: Home = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote what the gate refuses; give --reason too.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Why it is forced; kept in the history.")
    ] = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Also write the report, .md.")
    ] = None,
) -> None:
    """Compare a model with the one in use, and point to it unless it is worse.

    Every figure has its tolerance in one YAML file; a figure that fails is named. The posts are of
    companies that neither model was trained on. Needs the extra `train`.
    """
    if force != (reason is not None):
        message = "--force and --reason go together; give both, or neither"
        raise UsageError(message)
    if posts is not None and dataset is not None:
        message = "--posts and --dataset both say what decides; give one"
        raise UsageError(message)
    where = _home(home)
    with needs_extra("train", "promote", "sklearn", "mlflow"):
        from replyrank.training.gate import run_gate  # noqa: PLC0415  needs the extra
        from replyrank.training.gate_rules import load_gate_rules  # noqa: PLC0415
        from replyrank.training.promotion import Forced  # noqa: PLC0415
        from replyrank.training.promotion import promote as put_in_use  # noqa: PLC0415

        found_rules = load_gate_rules(rules)
        challenger, champion = _challenger(model, where), _champion(where)
        if challenger.manifest_sha256 == champion.manifest_sha256:
            message = f"{challenger.config.name} is in use already; name another model"
            raise UsageError(message)
        found = run_gate(champion, challenger, _posts(posts, dataset, corpora), found_rules)
        if report_file is not None:
            report_file.write_text(found.markdown(), encoding="utf-8")
        typer.echo(f"{len(found.verdicts) - len(found.failures)} of {len(found.verdicts)} "
                   f"figures pass on {found.posts}", err=True)  # fmt: skip
        pointer = put_in_use(where, challenger, found, Forced(reason) if reason else None)
        _tell(pointer, where)
        _set_alias(pointer)


def rollback(*, home: Home = None) -> None:
    """Point to the model that was in use before."""
    where = _home(home)
    with needs_extra("train", "rollback", "mlflow"):
        from replyrank.training.promotion import rollback as point_back  # noqa: PLC0415

        pointer = point_back(where)
        _tell(pointer, where)
        _set_alias(pointer)


def pull(*, home: Home = None) -> None:
    """Bring the champion of a remote registry here, and point to it.

    The registry is that of MLFLOW_TRACKING_URI.
    """
    where = _home(home)
    with needs_extra("train", "pull", "mlflow"):
        from replyrank.training.promotion import point_to  # noqa: PLC0415  needs the extra

        store = _store()
        if store is None:
            message = "no registry is named; set MLFLOW_TRACKING_URI to the server that has it"
            raise UsageError(message)
        artefact = verify(store.fetch(None, where / _MODELS))
        now = read_champion(where)
        if now is not None and now.manifest_sha256 == artefact.manifest_sha256:
            typer.echo(f"{now.version} is in use already", err=True)
            return
        pointer = point_to(where, artefact)
        _tell(pointer, where)


def _home(given: Path | None) -> Path:
    named = given or os.environ.get(HOME_VARIABLE)
    if not named:
        message = f"no folder for the champion pointer; set {HOME_VARIABLE} or give --home"
        raise UsageError(message)
    return Path(named)


def _challenger(model: str, home: Path) -> Artefact:
    if not model.isdigit() or Path(model).is_dir():
        return find_artefact(model)
    store = _store()
    if store is None:
        message = f"version {model} is of MLflow, and there is no store in {_STORE}; set "
        raise UsageError(message + "MLFLOW_TRACKING_URI, or name a folder")
    return verify(store.fetch(model, home / _MODELS))


def _champion(home: Path) -> Artefact:
    """The model in use: that of the pointer, else the shipped one."""
    return champion_artefact(home) or find_artefact("default")


def _posts(posts: Path | None, dataset: Path | None, corpora: Path | None) -> "GatePosts":
    from replyrank.training.gate_posts import (  # noqa: PLC0415  needs the extra
        gate_posts_of_corpora,
        gate_posts_of_dataset,
        gate_posts_of_file,
    )
    from replyrank.training.labelled import read_labelled  # noqa: PLC0415

    if posts is not None:
        return gate_posts_of_file(posts.name, read_labelled(posts))
    if dataset is not None:
        return gate_posts_of_dataset(dataset)
    return gate_posts_of_corpora(corpora)


def _store() -> "Tracking | None":
    """The tracking store: the one that is named, else that of this folder if there is one."""
    from replyrank.training.tracking import Tracking  # noqa: PLC0415  needs the extra

    if not os.environ.get("MLFLOW_TRACKING_URI") and not _STORE.is_dir():
        return None
    return Tracking(_STORE)


def _set_alias(pointer: Champion) -> None:
    store = _store()
    version = None if store is None else store.set_champion(pointer.manifest_sha256)
    if version is not None:
        typer.echo(f"MLflow: version {version} has the alias champion", err=True)


def _tell(pointer: Champion, home: Path) -> None:
    before = "" if pointer.previous is None else f" (before: {pointer.previous.version})"
    typer.echo(f"in use: {pointer.version}{before}", err=True)
    typer.echo(json.dumps({"version": pointer.version, "folder": str(home / pointer.folder)}))
