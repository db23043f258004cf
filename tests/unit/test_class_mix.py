"""Shares of classes: found from posteriors, and put into them."""

import numpy as np
import pytest

from replyrank.pipeline.class_mix import adjust, estimate_shares

PRIOR = np.array([0.2, 0.3, 0.5])


def _posterior(shares: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Posteriors under PRIOR of n messages in other shares: two normal scores, Bayes' rule."""
    random = np.random.default_rng(seed)
    means = 2.0 * np.array([[1, 0], [0, 1], [-1, -1]])
    x = means[random.choice(3, n, p=shares)] + random.standard_normal((n, 2))
    density = np.exp(-((x[:, None] - means) ** 2).sum(axis=2) / 2) * PRIOR
    posterior: np.ndarray = density / density.sum(axis=1, keepdims=True)
    return posterior


@pytest.mark.parametrize("shares", [[0.2, 0.3, 0.5], [0.6, 0.2, 0.2], [0.02, 0.08, 0.9]])
def test_shifted_shares_are_found(shares: list[float]) -> None:
    posterior = _posterior(np.array(shares), 20_000)
    assert estimate_shares(posterior, PRIOR, 0.0) == pytest.approx(np.array(shares), abs=0.01)


def test_known_shares_pull() -> None:
    shares = np.array([0.6, 0.2, 0.2])
    posterior = _posterior(shares, 5_000)
    free, held = (estimate_shares(posterior, PRIOR, weight) for weight in (0.0, 0.25))
    assert PRIOR[0] < held[0] < free[0]
    assert estimate_shares(posterior, PRIOR, 1e9) == pytest.approx(PRIOR)


def test_no_messages_leave_the_known_shares() -> None:
    assert estimate_shares(np.empty((0, 3)), PRIOR).tolist() == PRIOR.tolist()


def test_adjusting_is_bayes_rule() -> None:
    posterior = _posterior(PRIOR, 50)
    assert adjust(posterior, PRIOR, PRIOR) == pytest.approx(posterior)
    other = adjust(posterior, PRIOR, np.array([0.4, 0.3, 0.3]))
    assert other.sum(axis=1) == pytest.approx(np.ones(50))
    odds = other[:, 0] / other[:, 1]
    assert odds == pytest.approx(posterior[:, 0] / posterior[:, 1] * 2)
    assert adjust(other, np.array([0.4, 0.3, 0.3]), PRIOR) == pytest.approx(posterior)
