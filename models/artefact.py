"""The folder that is a model: its manifest, and a loading that trusts nothing else.

``manifest.json`` holds the SHA-256 and the size of every other file. ``verify`` reads each
file once and refuses whatever is missing, extra, changed, linked or of a kind that could
carry code.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from replyrank.models.config import ModelConfig, ModelKind
from replyrank.models.errors import ArtefactError

MANIFEST: Final = "manifest.json"
CONFIG: Final = "config.json"
#: characters that are shown of a wrong value
_SHOWN: Final = 60
MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
WEIGHTS: Final = "weights.npz"
SELFTEST: Final = "selftest.jsonl"
CARD: Final = "card.md"

#: Kinds of file that hold data and nothing that runs.
ALLOWED_SUFFIXES: Final = frozenset([".onnx", ".json", ".jsonl", ".md", ".npz"])

#: What an artefact of each kind cannot do without.
REQUIRED: Final = {
    ModelKind.TRANSFORMER: (CONFIG, MODEL, TOKENIZER, SELFTEST),
    ModelKind.LINEAR: (CONFIG, WEIGHTS, SELFTEST),
}

_CHUNK: Final = 1 << 20
_FETCH_AGAIN: Final = "fetch or build the artefact again"


class FileEntry(BaseModel):
    """What one file of an artefact must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    #: in bytes
    size: Annotated[int, Field(ge=0)]


class Manifest(BaseModel):
    """The whole of ``manifest.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["replyrank-artefact"] = "replyrank-artefact"
    schema_version: Literal[1] = 1
    #: by name; an artefact has no subfolders
    files: dict[str, FileEntry]

    @model_validator(mode="after")
    def _plain_names(self) -> Self:
        for name in self.files:
            if not _is_plain(name):
                message = f"{name!r} is not the name of a file inside the folder"
                raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class Artefact:
    """A folder whose every file is what its manifest says."""

    folder: Path
    config: ModelConfig
    #: SHA-256 of ``manifest.json``, in hex: it names the whole content
    manifest_sha256: str

    def path(self, name: str) -> Path:
        """Where the file ``name`` lies."""
        return self.folder / name

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..") and name == PurePosixPath(name).name and "\\" not in name


def _check_kind(folder: Path, name: str) -> None:
    suffix = Path(name).suffix
    if suffix not in ALLOWED_SUFFIXES:
        allowed = " ".join(sorted(ALLOWED_SUFFIXES))
        message = (
            f"{folder / name}: an artefact may not hold a file of kind {suffix or '(none)'!r} "
            f"(pickles and code could run); only {allowed} are allowed. Remove it if it is "
            f"yours, else {_FETCH_AGAIN}"
        )
        raise ArtefactError(message)


def _fingerprint(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(sha256=digest.hexdigest(), size=size)


def _names(folder: Path) -> list[str]:
    """The names of the files in ``folder``, sorted; refuses links, folders and odd kinds."""
    if not folder.is_dir():
        message = f"{folder}: no such folder; name the folder of an artefact"
        raise ArtefactError(message)
    names: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_symlink():
            message = f"{entry.path} is a symbolic link; put the file itself there"
            raise ArtefactError(message)
        if not entry.is_file(follow_symlinks=False):
            message = f"{entry.path} is not a plain file; an artefact has no subfolders: remove it"
            raise ArtefactError(message)
        _check_kind(folder, entry.name)
        names.append(entry.name)
    return names


def write_manifest(folder: Path) -> Path:
    """Write ``manifest.json`` over the files that lie in ``folder``.

    Raises:
        ArtefactError: if the folder holds a link, a subfolder or a kind that is not allowed.
    """
    entries = {name: _fingerprint(folder / name) for name in _names(folder) if name != MANIFEST}
    manifest = Manifest(files=entries)
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest.model_dump(), indent=2) + "\n", encoding="utf-8")
    return path


def _read_manifest(folder: Path) -> tuple[Manifest, str]:
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); {_FETCH_AGAIN}"
        raise ArtefactError(message) from error
    try:
        return Manifest.model_validate_json(raw), hashlib.sha256(raw).hexdigest()
    except ValidationError as error:
        message = f"{path} is not a manifest of this version: {first_fault(error)}; {_FETCH_AGAIN}"
        raise ArtefactError(message) from error


def first_fault(error: ValidationError) -> str:
    """The first finding of pydantic in one line: where, what stands there, what it should be."""
    detail = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    said = detail["msg"].removeprefix("Value error, ").replace("Input should be", "it should be", 1)
    # A whole object, or the file itself, says less than its place does.
    is_told = isinstance(detail["input"], str | int | float) and detail["type"] != "json_invalid"
    if is_told and where:
        said = f"{where} is {detail['input']!r:.{_SHOWN}}; {said}"
    elif where:
        said = f"{where}: {said}"
    more = error.error_count() - 1
    return f"{said} (and {more} more)" if more else said


def _check_file(path: Path, entry: FileEntry) -> None:
    size = path.stat().st_size
    if size != entry.size:
        fate = "cut short" if size < entry.size else "longer than it was"
        message = f"{path} is {fate}: {size} bytes, the manifest says {entry.size}; {_FETCH_AGAIN}"
        raise ArtefactError(message)
    actual = _fingerprint(path).sha256
    if actual != entry.sha256:
        message = (
            f"{path} has been changed: its SHA-256 is {actual}, the manifest says "
            f"{entry.sha256}; {_FETCH_AGAIN}"
        )
        raise ArtefactError(message)


def _read_config(folder: Path) -> ModelConfig:
    path = folder / CONFIG
    try:
        return ModelConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        message = (
            f"{path} does not fit this version of replyrank: {first_fault(error)}; "
            "use an artefact made for it"
        )
        raise ArtefactError(message) from error


def verify(folder: Path) -> Artefact:
    """Check every file of an artefact against its manifest and read its configuration.

    Raises:
        ArtefactError: names the first file that is missing, extra, changed, cut short, a
            link, of a kind that is not allowed, or not readable by this version.
    """
    present = set(_names(folder)) - {MANIFEST}
    manifest, digest = _read_manifest(folder)
    for name in sorted(manifest.files.keys() - present):
        message = f"{folder / name} is missing; {_FETCH_AGAIN}"
        raise ArtefactError(message)
    for name in sorted(present - manifest.files.keys()):
        message = f"{folder / name} is not in the manifest; remove it or {_FETCH_AGAIN}"
        raise ArtefactError(message)
    for name, entry in manifest.files.items():
        _check_file(folder / name, entry)
    if CONFIG not in present:
        message = f"{folder / CONFIG} is missing from the manifest too; {_FETCH_AGAIN}"
        raise ArtefactError(message)
    config = _read_config(folder)
    for name in REQUIRED[config.kind]:
        if name not in present:
            message = f"{folder / name} is missing: a {config.kind} model needs it; {_FETCH_AGAIN}"
            raise ArtefactError(message)
    return Artefact(folder=folder, config=config, manifest_sha256=digest)
