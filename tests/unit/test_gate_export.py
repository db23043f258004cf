"""What quantisation cost is read from the artefact's record, in the units of the gate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the export is of training (extra train)")
pytest.importorskip("sklearn", reason="the gate needs scikit-learn (extra train)")

from replyrank.models.artefact import Artefact
from replyrank.models.errors import ArtefactError
from replyrank.models.find import find_artefact
from replyrank.models.parity import Check
from replyrank.training.export_record import EXPORT, ExportRecord, read_export
from replyrank.training.gate_export import EXPORT_FIGURES, export_figures, why_not_judged

LABELLED = [
    Check("drop of macro-F1 of intent, points", 0.3, 0.5),
    Check("drop of macro-F1 of urgency, points", 1.2345678901, 1.5),
    Check("rise of calibration error of intent", -0.001, 0.01),
]


@pytest.fixture
def artefact(tmp_path: Path) -> Artefact:
    """A transformer whose files lie elsewhere."""
    return replace(find_artefact("fast"), folder=tmp_path)


def test_figures_are_in_the_units_of_the_gate(artefact: Artefact) -> None:
    ExportRecord.of(([Check("fp32 to int8, p99 |dp|", 0.02, 0.05)], 2_000), (LABELLED, 400)).save(
        artefact.folder
    )
    found = export_figures(artefact)
    assert found is not None
    assert {name.partition(": ")[0] for name in found} == {*EXPORT_FIGURES}
    drop = found["int8_macro_f1: intent"]
    assert drop.challenger == pytest.approx(0.003)
    assert (drop.n, drop.chance) == (400, 0)
    wide = found["int8_macro_f1: urgency"]
    assert wide.challenger == pytest.approx(0.0123457)
    assert wide.chance == pytest.approx(0.015)
    assert found["int8_ece: intent"].challenger == -0.001
    assert (found["int8_p99"].challenger, found["int8_p99"].n) == (0.02, 2_000)
    # What the record lacks is not measured, and not well.
    assert np.isnan(found["int8_macro_f1: sentiment"].challenger)
    assert np.isnan(found["int8_ece: urgency"].challenger)


def test_a_model_without_a_record_says_why_it_is_not_judged(artefact: Artefact) -> None:
    assert export_figures(artefact) is None
    assert why_not_judged(artefact, ("int8_ece", "int8_p99")).startswith(
        "int8_ece, int8_p99: not judged: minilm-l3-0.3 has no export.json, which this version"
    )
    assert why_not_judged(find_artefact("fallback"), ("int8_ece",)) == (
        "int8_ece: not judged: linear-2 is a linear model, which is not quantised"
    )


@pytest.mark.parametrize("text", ["", "{}", '{"checks": [{"name": "x", "value": "NaN"}]}'])
def test_a_record_that_cannot_be_read_is_told(artefact: Artefact, text: str) -> None:
    (artefact.folder / EXPORT).write_text(text)
    with pytest.raises(ArtefactError, match=r"export\.json is no record of an export: .*again$"):
        read_export(artefact)
