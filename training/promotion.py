"""Promotion and rollback: the pointer that says which model is in use."""

import json
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
from replyrank.models.find import find_artefact
from replyrank.training.errors import GateError
from replyrank.training.gate import GateReport
from replyrank.training.tracking import Tracking

#: what was promoted, refused and rolled back, one line each
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


def set_alias(store: Tracking | None, champion: Champion) -> str | None:
    """Give the alias ``champion`` in MLflow to the version in use, where it is registered.

    Raises:
        TrackingError: if the store does not answer.
    """
    return None if store is None else store.set_champion(champion.manifest_sha256)


def pull(home: Path, store: Tracking) -> Champion | None:
    """Bring the champion of a registry here and point to it; None if it is in use already.

    Raises:
        TrackingError: if the store does not give it.
    """
    artefact, now = verify(store.fetch(None, home / MODELS)), read_champion(home)
    if now is not None and now.manifest_sha256 == artefact.manifest_sha256:
        return None
    return point_to(home, artefact)


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
            f"beyond the tolerance:\n{failed}"
        )
        raise GateError(message)
    champion = point_to(home, challenger)
    _note(home, "promoted", champion.version, report, forced)
    return champion


def point_to(home: Path, artefact: Artefact) -> Champion:
    """Replace the pointer; the model in use becomes the one before."""
    before = read_champion(home)
    champion = Champion(
        version=artefact.config.name,
        folder=_relative(artefact.folder.resolve(), home.resolve()),
        manifest_sha256=artefact.manifest_sha256,
        previous=None if before is None else _version(before),
    )
    write_champion(home, champion)
    return champion


def rollback(home: Path) -> Champion:
    """Point to the model that was in use before.

    Raises:
        UsageError: if there is no pointer, or none before it.
    """
    now = read_champion(home)
    if now is None or now.previous is None:
        message = f"{home} knows no model before the one in use; promote one instead"
        raise UsageError(message)
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


def _relative(folder: Path, home: Path) -> str:
    """Below the pointer relative to it, so that both may move together."""
    return str(folder.relative_to(home) if folder.is_relative_to(home) else folder)


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
