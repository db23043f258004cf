"""``replyrank promote``, ``rollback`` and ``pull``: which model is in use."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from replyrank.data.errors import UsageError
from replyrank.models.champion import Champion
from replyrank.models.find import HOME_VARIABLE
from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra

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
    if reason is not None and not reason.strip():
        message = f"--reason is {reason!r}; say in words why what the gate refuses is promoted"
        raise UsageError(message)
    if posts is not None and dataset is not None:
        message = "--posts and --dataset both say what decides; give one"
        raise UsageError(message)
    _check_report(report_file)
    where = _home(home)
    with needs_extra("train", "promote", "sklearn", "mlflow"):
        from replyrank.training import promotion  # noqa: PLC0415  needs the extra
        from replyrank.training.gate import run_gate, unseen  # noqa: PLC0415
        from replyrank.training.gate_posts import load_gate_posts  # noqa: PLC0415
        from replyrank.training.gate_rules import load_gate_rules  # noqa: PLC0415
        from replyrank.training.tracking import Tracking  # noqa: PLC0415

        found_rules, store = load_gate_rules(rules), Tracking.present(options.MLFLOW)
        challenger = promotion.find_challenger(model, where, store)
        champion = promotion.find_champion(where, forced=force)
        if challenger.manifest_sha256 == champion.manifest_sha256:
            message = f"{challenger.config.name} is in use already; name another model"
            raise UsageError(message)
        judges = unseen(load_gate_posts(posts, dataset, corpora), (champion, challenger))
        for notice in judges.notices:
            typer.echo(notice, err=True)
        found = run_gate(champion, challenger, judges, found_rules)
        _report(found, report_file)
        forced = None if reason is None else promotion.Forced(reason.strip())
        pointer = promotion.promote(where, challenger, found, forced)
        _tell(pointer, where)
        _set_alias(store, pointer)


def rollback(*, home: Home = None) -> None:
    """Point to the model that was in use before."""
    where = _home(home)
    with needs_extra("train", "rollback", "mlflow"):
        from replyrank.training import promotion  # noqa: PLC0415  needs the extra
        from replyrank.training.tracking import Tracking  # noqa: PLC0415

        pointer = promotion.rollback(where)
        _tell(pointer, where)
        _set_alias(Tracking.present(options.MLFLOW), pointer)


def pull(*, home: Home = None) -> None:
    """Bring the champion of a remote registry here, and point to it.

    The registry is that of MLFLOW_TRACKING_URI.
    """
    where = _home(home)
    with needs_extra("train", "pull", "mlflow"):
        from replyrank.training import promotion  # noqa: PLC0415  needs the extra
        from replyrank.training.tracking import Tracking  # noqa: PLC0415

        store = Tracking.present(options.MLFLOW)
        if store is None:
            message = "no registry is named; set MLFLOW_TRACKING_URI to the server that has it"
            raise UsageError(message)
        pointer = promotion.pull(where, store)
        if pointer is None:
            typer.echo("the champion of the registry is in use already", err=True)
        else:
            _tell(pointer, where)


def _home(given: Path | None) -> Path:
    named = given or os.environ.get(HOME_VARIABLE)
    if not named:
        message = f"no folder for the champion pointer; set {HOME_VARIABLE} or give --home"
        raise UsageError(message)
    return Path(named)


def _check_report(file: Path | None) -> None:
    """Refuse a name before the work, not after it."""
    if file is not None and file.exists():
        message = f"{str(file)!r} is there already; give another name for the report"
        raise UsageError(message)


def _report(found: Any, file: Path | None) -> None:
    """What the gate found."""
    if file is not None:
        file.write_text(found.markdown(), encoding="utf-8")
    passed = len(found.verdicts) - len(found.failures)
    typer.echo(f"{passed} of {len(found.verdicts)} figures pass on {found.posts}", err=True)
    for note in found.notes:
        typer.echo(note, err=True)


def _set_alias(store: Any, pointer: Champion) -> None:
    from replyrank.training import promotion  # noqa: PLC0415  needs the extra

    for line in promotion.set_alias(store, pointer):
        typer.echo(line, err=True)


def _tell(pointer: Champion, home: Path) -> None:
    before = "" if pointer.previous is None else f" (before: {pointer.previous.version})"
    typer.echo(f"in use: {pointer.version}{before}", err=True)
    typer.echo(json.dumps({"version": pointer.version, "folder": str(home / pointer.folder)}))
