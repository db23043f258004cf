"""JSON Lines that ship with the package: one file a subject, one object a line."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

_SUFFIX: Final = ".jsonl"


def subjects(package: str) -> tuple[str, ...]:
    """The names of a package's files without their suffix, sorted."""
    names = (item.name for item in resources.files(package).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)))


def objects(package: str, subject: str) -> Iterator[dict[str, Any]]:
    """The objects of one file, in its order."""
    with resources.files(package).joinpath(f"{subject}{_SUFFIX}").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
