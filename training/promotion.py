"""Promotion and rollback: the pointer that says which model is in use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from replyrank.data.errors import UsageError
from replyrank.models.artefact import Artefact, verify
from replyrank.models.champion import (
    Champion,
    ModelVersion,
    read_champion,
    write_champion,
)
from replyrank.models.errors import ArtefactError, ChampionError
from replyrank.models.find import DEFAULT, champion_artefact, find_artefact
from replyrank.training.errors import GateError, TrackingError
from replyrank.training.gate import GateReport
from replyrank.training.tracking import Tracking, adopt

#: what was promoted, refused, pulled and rolled back, one line each
HISTORY: Final = "history.jsonl"
#: folder beside the pointer for models that were brought here
MODELS: Final = "models"


@dataclass(frozen=True)
class Forced:
    """Why a model is promoted that the gate refuses."""

    reason: str


def find_challenger(model: str, home: Path, store: Tracking | None) -> Artefact:
    """The artefact of a folder, of a shipped name, or of a version in MLflow.

    Args:
        model: a folder or a name, or the version's number.
        home: a version is brought into its folder ``models``.
        store: that has the versions.

    Raises:
        UsageError: if there is no such model, or no store to ask for a version.
        TrackingError: if the store does not have it.
    """
    if not model.isdigit() or Path(model).is_dir():
        return find_artefact(model)
    if store is None:
        message = f"version {model} is of MLflow, and no store is there; set MLFLOW_TRACKING_URI, "
        raise UsageError(message + "or name a folder")
    return verify(store.fetch(model, home / MODELS))


def find_champion(home: Path, *, forced: bool) -> Artefact:
    """The model in use: that of the pointer, else the shipped one.

    Args:
        home: folder of the pointer.
        forced: whether the shipped one stands in for a pointer whose model is gone or changed.

    Raises:
        ChampionError: if the model in use is gone or was changed.
    """
    try:
        return champion_artefact(home) or find_artefact(DEFAULT)
    except (ChampionError, ArtefactError) as error:
        if forced:
            return find_artefact(DEFAULT)
        message = f"{error}; or put another in its place with --force and --reason"
        raise ChampionError(message) from error


def set_alias(store: Tracking | None, champion: Champion) -> Iterator[str]:
    """Have the registry follow the pointer; yields what to tell, also that it could not.

    The pointer decides what is in use: an alias that could not be set is no failure.
    """
    if store is None:
        return
    try:
        version = store.set_champion(champion.manifest_sha256)
    except TrackingError as error:
        yield f"the pointer is set, the alias in MLflow is not: {error}"
        return
    said = "no version has" if version is None else f"version {version} has"
    yield f"MLflow: {said} the alias champion"


def pull(home: Path, store: Tracking) -> Champion | None:
    """Bring the champion of a registry here and point to it; None if it is in use already.

    Raises:
        TrackingError: if the store does not give it.
    """
    artefact, now = verify(store.fetch(None, home / MODELS)), read_champion(home)
    if now is not None and now.manifest_sha256 == artefact.manifest_sha256:
        return None
    champion = point_to(home, artefact)
    _note(home, "pulled", champion.version, None, None)
    return champion


def promote(
    home: Path, challenger: Artefact, report: GateReport, forced: Forced | None = None
) -> Champion:
    """Point to a challenger that passed, or that is forced.

    Args:
        home: folder of the pointer.
        challenger: what becomes the champion.
        report: of the gate.
        forced: given, a failed gate is recorded and passed over.

    Raises:
        GateError: if the gate refuses it, with every figure that does.
    """
    if not report.passed and forced is None:
        _note(home, "refused", challenger.config.name, report, None)
        failed = "\n".join(f"  {verdict.sentence}" for verdict in report.failures)
        message = (
            f"{report.challenger} is refused: it is worse than {report.champion} on {report.posts} "
            f"beyond the tolerance, or was not measured:\n{failed}"
        )
        raise GateError(message)
    champion = point_to(home, challenger)
    _note(home, "promoted", champion.version, report, forced)
    return champion


def point_to(home: Path, artefact: Artefact) -> Champion:
    """Replace the pointer; the model in use becomes the one before.

    The pointer names a copy in ``home``: the folder it came from may be trained into again.
    """
    try:
        before = read_champion(home)
    except ChampionError:
        # A pointer that cannot be read names nothing to go back to.
        before = None
    # Before the first pointer the shipped model was in use.
    previous = _kept(home, find_artefact(DEFAULT)) if before is None else _version(before)
    champion = Champion(**_kept(home, artefact).model_dump(), previous=previous)
    write_champion(home, champion)
    return champion


def _kept(home: Path, artefact: Artefact) -> ModelVersion:
    """A copy in ``home``, as the pointer names it."""
    folder = adopt(artefact, home / MODELS)
    return ModelVersion(
        version=artefact.config.name,
        folder=f"{MODELS}/{folder.name}",
        manifest_sha256=artefact.manifest_sha256,
    )


def rollback(home: Path) -> Champion:
    """Point to the model that was in use before.

    Raises:
        UsageError: if there is no pointer, none before it, or that one is gone or was changed.
    """
    now = read_champion(home)
    if now is None or now.previous is None:
        message = f"{home} knows no model before the one in use; promote one"
        raise UsageError(message)
    try:
        is_it = verify(home / now.previous.folder).manifest_sha256 == now.previous.manifest_sha256
    except ArtefactError as error:
        message = f"the model before the one in use cannot be used: {error}; promote one instead"
        raise UsageError(message) from error
    if not is_it:
        message = f"{home / now.previous.folder} is not the model that was in use; promote one "
        raise UsageError(message + "instead")
    # What is left is the one to come back to, so that a rollback can be rolled back.
    champion = Champion(**now.previous.model_dump(), previous=_version(now))
    write_champion(home, champion)
    _note(home, "rolled back", champion.version, None, None)
    return champion


def _version(champion: Champion) -> ModelVersion:
    return ModelVersion(
        version=champion.version,
        folder=champion.folder,
        manifest_sha256=champion.manifest_sha256,
    )


def _note(
    home: Path, what: str, version: str, report: GateReport | None, forced: Forced | None
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    facts = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": what,
        "version": version,
        **({} if forced is None else {"forced": forced.reason}),
        **({} if report is None else {"gate": report.as_dict()}),
    }
    with (home / HISTORY).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(facts)}\n")
