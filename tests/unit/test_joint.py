"""The joint of intent and level once a person has said one of them."""

import numpy as np
import pytest

from replyrank.data.vocabulary import INTENTS, Intent
from replyrank.models.joint import FloatArray, intents, joint, levels, stated

SUPPORT, PRAISE = INTENTS.index(Intent.SUPPORT_REQUEST), INTENTS.index(Intent.PRAISE)
OPINION = INTENTS.index(Intent.OPINION)
NONE, LOW, HIGH, CRITICAL = range(4)


def cells(**rows: list[float]) -> FloatArray:
    """(16,) of rows by intent; what is not given is tiny."""
    grid = np.full((4, 4), 1e-5)
    for name, row in rows.items():
        grid[INTENTS.index(Intent(name))] = row
    whole: FloatArray = grid.ravel() / grid.sum()
    return whole


PRIOR = cells(
    support_request=[0.02, 0.35, 0.12, 0.01],
    praise=[0.15, 0.001, 0.0001, 0.0001],
    opinion=[0.12, 0.05, 0.002, 0.0002],
    chatter=[0.17, 0.005, 0.001, 0.0002],
)


def test_what_is_not_said_stays_in_the_models_proportion() -> None:
    need = cells(support_request=[0.05, 0.1, 0.2, 0.05], opinion=[0.3, 0.2, 0.1, 0.0])
    found = joint(stated(need, SUPPORT, None, PRIOR))[0]
    assert found[SUPPORT] / found[SUPPORT].sum() == pytest.approx(
        np.array([0.05, 0.1, 0.2, 0.05]) / 0.4, abs=0.01
    )
    assert intents(found.reshape(1, 16))[0] == pytest.approx(np.eye(4)[SUPPORT])


def test_a_calm_post_does_not_become_critical_by_its_intent() -> None:
    need = cells(praise=[0.98, 0.01, 0.001, 0.001], opinion=[2e-3, 5e-4, 2e-4, 3e-4])
    (alone,) = levels(stated(need, OPINION, None, None)[None])
    (beside,) = levels(stated(need, OPINION, None, PRIOR)[None])
    assert alone[CRITICAL] > 0.05
    assert beside[CRITICAL] < 0.005


def test_a_level_alone_keeps_the_intent() -> None:
    need = cells(support_request=[0.05, 0.6, 0.2, 0.05], opinion=[0.1, 0.0, 0.0, 0.0])
    found = stated(need, None, CRITICAL, PRIOR)[None]
    assert levels(found)[0] == pytest.approx(np.eye(4)[CRITICAL])
    assert intents(found)[0].argmax() == SUPPORT


def test_both_leave_one_cell() -> None:
    found = joint(stated(cells(praise=[1, 0, 0, 0]), SUPPORT, HIGH, PRIOR))[0]
    assert found[SUPPORT, HIGH] == pytest.approx(1)
    assert found.sum() == pytest.approx(1)


def test_zeros_are_no_fault() -> None:
    need = np.zeros(16)
    need[PRAISE * 4] = 1
    assert stated(need, SUPPORT, None, None).sum() == pytest.approx(1)
