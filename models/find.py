"""Which model to use, and the one door through which it is loaded.

Order: the argument; the environment variable ``REPLYRANK_MODEL``; the champion pointer in
the folder that ``REPLYRANK_HOME`` names; the model that ships with replyrank.
"""

import os
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from replyrank.models.artefact import CONFIG, SELFTEST, Artefact, verify
from replyrank.models.champion import CHAMPION, read_champion
from replyrank.models.config import ModelKind
from replyrank.models.cpus import available_cpus
from replyrank.models.errors import ChampionError, ModelNotFoundError
from replyrank.models.linear import LinearScorer
from replyrank.models.scorer import OnnxScorer, Scorer
from replyrank.models.selftest import run_selftest

MODEL_VARIABLE: Final = "REPLYRANK_MODEL"
HOME_VARIABLE: Final = "REPLYRANK_HOME"
DEFAULT: Final = "default"
FAST: Final = "fast"
FALLBACK: Final = "fallback"

#: Where the shipped models lie, and the file there that says which plays what part.
SHIPPED: Final = Path(__file__).parent / "artefacts"
ROLES: Final = "roles.json"

_PARTS: Final = (DEFAULT, FAST, FALLBACK)
_ROLES: Final = TypeAdapter(dict[str, str])


def load_scorer(model: str | Path | None = None, *, threads: int | None = None) -> Scorer:
    """Load a model: verify its files, open it, run its self-test.

    Args:
        model: a folder; or ``default``, ``fast``, ``fallback`` or the folder's name of a shipped
            model. None looks at ``REPLYRANK_MODEL``, then at the champion pointer, then
            takes the shipped default.
        threads: batches that run at the same time; None takes every CPU that this process
            may use.

    Raises:
        ModelNotFoundError: if there is no such model.
        ChampionError: if the champion pointer is broken or its model has been changed.
        ArtefactError: if the model is damaged, unsafe or unfit for this version, or answers
            its self-test differently here.
    """
    artefact = find_artefact(model)
    scorer = open_artefact(artefact, available_cpus() if threads is None else threads)
    run_selftest(scorer, artefact.path(SELFTEST))
    return scorer


def find_artefact(model: str | Path | None = None) -> Artefact:
    """The verified artefact that ``load_scorer`` would load; same arguments and errors."""
    asked = model if model is not None else os.environ.get(MODEL_VARIABLE) or None
    if asked is not None:
        return verify(_folder(asked))
    home = os.environ.get(HOME_VARIABLE)
    champion = champion_artefact(Path(home)) if home else None
    return champion or verify(_shipped(DEFAULT))


def open_artefact(artefact: Artefact, threads: int) -> Scorer:
    """The scorer of a verified artefact, by its kind; no self-test is run."""
    if artefact.config.kind is ModelKind.LINEAR:
        return LinearScorer(artefact)
    return OnnxScorer(artefact, threads=threads)


def _folder(model: str | Path) -> Path:
    if model in _PARTS:
        return _shipped(str(model))
    for folder in (Path(model), SHIPPED / model):
        if folder.is_dir():
            return folder
    names = ", ".join([*_PARTS, *sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG}"))])
    message = f"model {str(model)!r} is no folder and no shipped model; use a folder or: {names}"
    raise ModelNotFoundError(message)


def _shipped(role: str) -> Path:
    """The shipped folder that plays a part."""
    path = SHIPPED / ROLES
    try:
        folders = _ROLES.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        message = f"{path} does not tell the parts of the shipped models ({reason}); "
        raise ModelNotFoundError(message + "install replyrank again, or name a folder") from error
    folder = SHIPPED / folders.get(role, "")
    if not folders.get(role) or not folder.is_dir():
        message = f"{path} names no shipped model as the {role}; "
        raise ModelNotFoundError(message + f"name a folder with --model or {MODEL_VARIABLE}")
    return folder


def champion_artefact(home: Path) -> Artefact | None:
    """The verified artefact that the pointer in ``home`` names; None without a pointer.

    Raises:
        ChampionError: if the pointer is broken or its model has been changed.
        ArtefactError: if the model is damaged.
    """
    champion = read_champion(home)
    if champion is None:
        return None
    # Joining with an absolute folder gives that folder.
    folder = home / champion.folder
    if not folder.is_dir():
        message = (
            f"{home / CHAMPION} names {folder}, which is no folder; promote a model that exists"
        )
        raise ChampionError(message)
    artefact = verify(folder)
    if artefact.manifest_sha256 != champion.manifest_sha256:
        message = (
            f"{folder} is not the model that was promoted: its manifest is "
            f"{artefact.manifest_sha256[:12]}\u2026, {CHAMPION} says "
            f"{champion.manifest_sha256[:12]}\u2026; promote it again or roll back"
        )
        raise ChampionError(message)
    return artefact
