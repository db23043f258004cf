"""Vector scaling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from replyrank.models.calibration import apply_calibration, softmax
from replyrank.models.config import HeadCalibration

IDENTITY = HeadCalibration(scale=(1.0, 1.0, 1.0), bias=(0.0, 0.0, 0.0))


def test_scale_and_bias_act_on_their_own_class() -> None:
    calibration = HeadCalibration(scale=(1.0, 2.0, 0.0), bias=(0.0, 0.5, -1.0))
    result = apply_calibration(np.array([[1.0, 1.0, 1.0]], dtype=np.float32), calibration)
    expected = np.exp([1.0, 2.5, -1.0])
    np.testing.assert_allclose(result, [expected / expected.sum()], rtol=1e-12)
    assert result.dtype == np.float64


@given(arrays(np.float32, (4, 3), elements=st.floats(-1e4, 1e4, width=32)))
def test_rows_are_distributions_however_large_the_logits(logits: np.ndarray) -> None:
    result = apply_calibration(logits, IDENTITY)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(result.max(axis=1), result[range(4), logits.argmax(axis=1)])


@given(st.floats(-100, 100))
def test_a_shift_of_all_logits_changes_nothing(shift: float) -> None:
    logits = np.array([[0.3, -1.2, 2.5]])
    np.testing.assert_allclose(softmax(logits + shift), softmax(logits), rtol=1e-9)


def test_no_rows() -> None:
    assert apply_calibration(np.empty((0, 3), dtype=np.float32), IDENTITY).shape == (0, 3)


@pytest.mark.parametrize("shape", [(2, 4), (3,), (1, 3, 3)])
def test_calibration_of_another_head_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the calibration 3 classes"):
        apply_calibration(np.zeros(shape, dtype=np.float32), IDENTITY)
