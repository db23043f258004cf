"""Vector scaling: from a head's logits to calibrated probabilities.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks (ICML 2017), sec. 4.2.
What is fitted lives in an artefact's ``config.json``; here it is only applied.
"""

import numpy as np
import numpy.typing as npt

from replyrank.models.config import HeadCalibration
from replyrank.models.joint import FloatArray


def softmax(logits: npt.NDArray[np.floating]) -> FloatArray:
    """Softmax over the last axis in float64; large logits do not overflow.

    Args:
        logits: (..., classes).

    Returns:
        The same shape; each row sums to 1.
    """
    wide = np.asarray(logits, dtype=np.float64)
    exponentials = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float64)


def apply_calibration(logits: npt.NDArray[np.floating], calibration: HeadCalibration) -> FloatArray:
    """p = softmax(scale * logits + bias), row by row.

    Args:
        logits: (n, classes) of one head.
        calibration: one scale and one bias a class.

    Raises:
        ValueError: if the number of classes differs.
    """
    classes = len(calibration.scale)
    if logits.ndim != 2 or logits.shape[1] != classes:  # noqa: PLR2004
        message = (
            f"logits have shape {logits.shape}, the calibration {classes} classes; "
            "use the calibration of the same head"
        )
        raise ValueError(message)
    scale = np.asarray(calibration.scale, dtype=np.float64)
    bias = np.asarray(calibration.bias, dtype=np.float64)
    return softmax(scale * logits.astype(np.float64) + bias)
