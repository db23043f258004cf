"""The champion pointer: which trained model is in use, and which one was before it.

``champion.json`` crosses from training to whoever scores. It is replaced as a whole, so a
reader sees the old or the new one and never half of either.
"""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replyrank.models.artefact import first_fault
from replyrank.models.errors import ChampionError

CHAMPION: Final = "champion.json"


class ModelVersion(BaseModel):
    """One trained model, named so that a changed folder is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(min_length=1)]
    #: absolute, or relative to the folder of the pointer
    folder: Annotated[str, Field(min_length=1)]
    manifest_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Champion(ModelVersion):
    """The whole of ``champion.json``."""

    schema_version: Literal[1] = 1
    #: what a rollback returns to
    previous: ModelVersion | None = None


def read_champion(home: Path) -> Champion | None:
    """The pointer in ``home``, None if there is none.

    Raises:
        ChampionError: if it cannot be read or is not a pointer of this version.
    """
    path = home / CHAMPION
    try:
        return Champion.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else error
        message = f"{path} is not a champion pointer: {fault}; promote a model again or remove it"
        raise ChampionError(message) from error


def write_champion(home: Path, champion: Champion) -> Path:
    """Put the pointer in ``home`` in one step; it is on disk when this returns."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / CHAMPION
    descriptor, name = tempfile.mkstemp(dir=home, prefix=f".{CHAMPION}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(champion.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Others than its writer read it: a service runs under a user of its own.
        Path(name).chmod(0o644)
        Path(name).replace(path)
        _sync(home)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _sync(folder: Path) -> None:
    """Have the name of a file that was moved here on disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
