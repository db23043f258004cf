"""The labelled half of the export gate: what quantisation costs on posts never seen."""

import numpy as np
import pytest

from replyrank.models.parity import INT8_ECE_RISE, INT8_F1_DROP, Check
from replyrank.training.export_quality import MANY, unseen_checks
from replyrank.training.oof import FoldLogits, Logits
from replyrank.training.rows import TrainingRows

HEADS = ("intent", "urgency", "sentiment")
F1 = "drop of macro-F1 of intent, points"


def _logits(rows: TrainingRows, wrong: float, seed: int) -> Logits:
    """Sure of the labels, but for a share of the posts, where the intent is another."""
    rng = np.random.default_rng(seed)
    intent = np.where(rng.random(len(rows)) < wrong, (rows.intent + 1) % 4, rows.intent)
    need = np.zeros((len(rows), 16))
    need[np.arange(len(rows)), intent * 4 + rows.urgency] = 6.0
    return Logits(need, np.eye(3)[rows.sentiment] * 6.0)


def _checks(n: int, wrong_fp32: float, wrong_int8: float, *, seed: int = 1) -> dict[str, Check]:
    """Checks of graphs whose mistakes are alike; with another seed int8 makes its own."""
    rng = np.random.default_rng(0)
    rows = TrainingRows(
        ("",) * n, rng.integers(0, 4, n), rng.integers(0, 4, n), rng.integers(0, 3, n)
    )
    half = np.arange(n) < n // 2
    parts = []
    for chosen in (np.flatnonzero(half), np.flatnonzero(~half)):
        posts = rows.take(chosen)
        parts.append(
            FoldLogits(chosen, _logits(posts, wrong_fp32, 1), _logits(posts, wrong_int8, seed))
        )
    return {check.name: check for check in unseen_checks(parts, rows, seed=1)}


def test_every_head_has_both_figures() -> None:
    checks = _checks(400, 0.1, 0.1)
    assert list(checks) == [
        *(f"drop of macro-F1 of {head}, points" for head in HEADS),
        *(f"rise of calibration error of {head}" for head in HEADS),
    ]
    assert all(check.value == 0 for check in checks.values())
    assert {check.limit for check in checks.values()} == {INT8_F1_DROP, INT8_ECE_RISE}


def test_a_loss_on_many_posts_fails() -> None:
    checks = _checks(8_000, 0.05, 0.09)
    assert checks[F1].value == pytest.approx(4.0, abs=0.5)
    assert not checks[F1].passed
    assert not checks["rise of calibration error of intent"].passed
    assert checks["drop of macro-F1 of sentiment, points"].passed


def test_a_loss_that_few_posts_explain_by_chance_passes() -> None:
    few = _checks(100, 0.05, 0.08)[F1]
    assert few.value > INT8_F1_DROP
    assert few.limit > few.value


def test_many_posts_widen_no_limit() -> None:
    # Labels that flip back and forth: no loss on the whole, and much of it by chance.
    def limit(n: int) -> float:
        return _checks(n, 0.4, 0.4, seed=2)[F1].limit

    assert limit(MANY - 1) > INT8_F1_DROP
    assert limit(MANY) == INT8_F1_DROP


def test_a_ruined_graph_fails_on_few_posts_too() -> None:
    assert not _checks(60, 0.0, 0.5)[F1].passed
