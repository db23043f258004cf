"""The joint of intent and urgency level, 16 cells a message, and its two margins."""

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import INTENTS, URGENCY_LEVELS

FloatArray = npt.NDArray[np.float64]


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
