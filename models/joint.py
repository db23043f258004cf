"""The joint of intent and urgency level, 16 cells a message, and its two margins."""

from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import INTENTS, URGENCY_LEVELS

FloatArray = npt.NDArray[np.float64]

#: probability of what a person says at which a model's split of it counts half. Chosen on the
#: held-out posts whose intent the shipped models get wrong, by the log loss of their true level
#: (``tests.benchmarks.stated``)
_TRUSTED: Final = 0.02
_LEAST: Final = 1e-9


def joint(need: FloatArray) -> FloatArray:
    """(n, 4, 4), intent by level, of the cells (n, 16), which are row-major."""
    return need.reshape(-1, len(INTENTS), len(URGENCY_LEVELS))


def intents(need: FloatArray) -> FloatArray:
    """(n, 4): sums of the joint over levels."""
    sums: FloatArray = joint(need).sum(axis=2)
    return sums


def levels(need: FloatArray) -> FloatArray:
    """(n, 4): sums of the joint over intents."""
    sums: FloatArray = joint(need).sum(axis=1)
    return sums


def stated(
    need: FloatArray, intent: int | None, level: int | None, prior: FloatArray | None
) -> FloatArray:
    """(16,) the joint once a person has said intent, level or both.

    What is not said is split as the model splits it among what is said. Where the model gave that
    next to nothing, its split is noise, which would make calm posts critical: the prior's split
    takes its place, the more the less was given.

    Args:
        need: (16,) what a model said.
        intent: place in ``INTENTS``; None: not said.
        level: place in ``URGENCY_LEVELS``; None: not said.
        prior: (16,) of all posts; None: not known.
    """
    said = np.s_[slice(None) if intent is None else intent, slice(None) if level is None else level]
    (grid,) = joint(np.asarray(need, dtype=np.float64)) + _LEAST
    usual = grid if prior is None else joint(np.asarray(prior, dtype=np.float64))[0] + _LEAST
    given = grid[said].sum() / grid.sum()
    trust = given**2 / (given**2 + _TRUSTED**2)
    split = np.zeros_like(grid)
    split[said] = trust * grid[said] / grid[said].sum()
    split[said] += (1 - trust) * usual[said] / usual[said].sum()
    whole: FloatArray = split.ravel()
    return whole
