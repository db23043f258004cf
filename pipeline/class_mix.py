"""Label shift: what traffic is made of now, and probabilities that know it.

A model's probabilities hold for traffic like that of its calibration. Where the shares of the
classes are others (another brand, an incident), Bayes' rule corrects each posterior by the ratio
of the shares; the new shares are found from the posteriors themselves by expectation maximisation
(Saerens, Latinne & Decaestecker 2002, Neural Computation 14(1):21-41).

The method takes for granted that posts of a class look alike everywhere. Those of two companies
do not, and then it overshoots; so the known shares count as well, as a quarter of the messages.
"""

from typing import Final

import numpy as np

from replyrank.pipeline.policy import FloatArray

#: how much the known shares count, beside each message
PRIOR_WEIGHT: Final = 0.25
_ROUNDS: Final = 200
_CONVERGED: Final = 1e-6


def estimate_shares(
    posterior: FloatArray, prior: FloatArray, prior_weight: float = PRIOR_WEIGHT
) -> FloatArray:
    """The shares of the classes among n messages.

    Args:
        posterior: (n, k) probabilities that are calibrated where the shares are ``prior``.
        prior: (k,) positive, sums to 1.
        prior_weight: how much ``prior`` counts, beside each message; 0 is plain maximum
            likelihood.

    Returns:
        (k,) that sum to 1.
    """
    shares = prior
    if not len(posterior):
        return shares
    for _ in range(_ROUNDS):
        mean = adjust(posterior, prior, shares).mean(axis=0)
        found: FloatArray = (mean + prior_weight * prior) / (1 + prior_weight)
        if np.abs(found - shares).max() < _CONVERGED:
            return found
        shares = found
    return shares


def adjust(posterior: FloatArray, prior: FloatArray, shares: FloatArray) -> FloatArray:
    """(n, k) probabilities for traffic of ``shares``, of those for traffic of ``prior``."""
    weighted = posterior * (shares / prior)
    adjusted: FloatArray = weighted / weighted.sum(axis=1, keepdims=True)
    return adjusted
