"""``export.json``: what the export of an artefact cost, for programs to read.

The card tells the same to people. The gate judges a challenger by it: the weights before
quantisation are not in the artefact, so nobody can measure it again.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replyrank.models.artefact import Artefact, first_fault
from replyrank.models.errors import ArtefactError
from replyrank.models.parity import Check

EXPORT: Final = "export.json"

#: the file is the same when the same export is done again, whatever the last bits
_DIGITS: Final = 6

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordedCheck(_Frozen):
    """One check of the export."""

    name: str
    value: _Finite
    #: that it was within
    limit: _Finite
    #: texts or labelled posts that it was measured on
    n: Annotated[int, Field(ge=0)]


class ExportRecord(_Frozen):
    """The whole of ``export.json``."""

    schema_version: Literal[1] = 1
    checks: tuple[RecordedCheck, ...]

    @classmethod
    def of(cls, *parts: tuple[Sequence[Check], int]) -> Self:
        """Checks, each part with the number of texts that it was measured on."""
        return cls(
            checks=tuple(
                RecordedCheck(name=one.name, value=_short(one.value), limit=_short(one.limit), n=n)
                for checks, n in parts
                for one in checks
            )
        )

    def save(self, folder: Path) -> None:
        """Write it into the folder of an artefact that has no manifest yet."""
        text = json.dumps(self.model_dump(mode="json"), indent=2)
        (folder / EXPORT).write_text(f"{text}\n", encoding="utf-8")


def read_export(artefact: Artefact) -> ExportRecord | None:
    """What a verified artefact records of its export; None if it was made without a record.

    Raises:
        ArtefactError: if what it records cannot be read.
    """
    path = artefact.path(EXPORT)
    if not path.is_file():
        return None
    try:
        return ExportRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        message = f"{path} is no record of an export: {first_fault(error)}; train the model again"
        raise ArtefactError(message) from error


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
