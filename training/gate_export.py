"""What a challenger's own quantisation cost, as its artefact records it."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from replyrank.models.artefact import Artefact
from replyrank.models.config import ModelKind
from replyrank.models.parity import INT8_ECE_RISE, INT8_F1_DROP, INT8_P99
from replyrank.training.export_quality import DROP, HEADS, RISE
from replyrank.training.export_record import EXPORT, RecordedCheck, read_export
from replyrank.training.gate_figures import Compared

#: the rules that are judged by it
EXPORT_FIGURES: Final = ("int8_macro_f1", "int8_ece", "int8_p99")

#: as ``check_export`` calls it
_P99: Final = "fp32 to int8, p99 |dp|"
_POINTS: Final = 100.0


def export_figures(artefact: Artefact) -> Mapping[str, Compared] | None:
    """What quantisation cost, by figure; NaN where the record lacks it, None without a record.

    Raises:
        ArtefactError: if the record cannot be read.
    """
    record = read_export(artefact)
    if record is None:
        return None
    known = {one.name: one for one in record.checks}
    found = {
        f"int8_macro_f1: {head}": _figure(known.get(DROP.format(head)), INT8_F1_DROP, _POINTS)
        for head in HEADS
    }
    found |= {
        f"int8_ece: {head}": _figure(known.get(RISE.format(head)), INT8_ECE_RISE) for head in HEADS
    }
    return {**found, "int8_p99": _figure(known.get(_P99), INT8_P99)}


def why_not_judged(artefact: Artefact, figures: Iterable[str]) -> str:
    """Why the rules do not apply to a model without a record."""
    names, what = ", ".join(figures), artefact.config.name
    if artefact.config.kind is ModelKind.LINEAR:
        return f"{names}: not judged: {what} is a linear model, which is not quantised"
    return (
        f"{names}: not judged: {what} has no {EXPORT}, which this version writes; what its "
        f"quantisation cost stands in its card, if anywhere"
    )


def _figure(check: RecordedCheck | None, limit: float, scale: float = 1.0) -> Compared:
    if check is None:
        return Compared(np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    # On few posts the export widens its limit as far as chance goes.
    chance = check.limit / scale if check.limit > limit else 0.0
    return Compared(np.nan, check.value / scale, np.nan, np.nan, np.nan, check.n, chance)
