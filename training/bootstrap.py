"""Bootstrap intervals of figures, by row or by group, many resamples at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.training.metrics import CALIBRATION_BINS, FloatArray, IntArray, bin_numbers

#: figures by name for weights (b, n): each (b,) or (b, k)
Metric = Callable[[FloatArray], Mapping[str, FloatArray]]

RESAMPLES: Final = 1000
LEVEL: Final = 0.95
# Resamples are worked on in blocks of about this many weights, so that memory stays flat.
_BLOCK: Final = 1_000_000


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; all three () or (k,); NaN where it is not defined."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def bootstrap(
    metric: Metric,
    n: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: IntArray | None = None,
    level: float = LEVEL,
) -> dict[str, Estimate]:
    """Percentile intervals (Efron 1979) of figures over resamples of n rows.

    Rows are drawn with replacement; with ``groups``, whole groups are (cluster bootstrap,
    Davison and Hinkley 1997, sec. 3.8), as many as there are, since rows of one company
    resemble each other. Resamples in which a figure is not defined do not count for it.
    The same n, seed and groups give the same resamples, so that figures of two models on
    the same rows are paired.

    Args:
        metric: weights (b, n) to figures, each (b,) or (b, k).
        n: number of rows.
        seed: of the draws.
        resamples: how many.
        groups: (n,) group numbers, 0 to g - 1; None draws rows.
        level: mass of the interval.
    """
    point = {name: values[0] for name, values in metric(np.ones((1, n))).items()}
    if n == 0:
        nothing = {name: np.full_like(value, np.nan) for name, value in point.items()}
        return {name: Estimate(value, value, value) for name, value in nothing.items()}
    parts: dict[str, list[FloatArray]] = {name: [] for name in point}
    for weights in _resamples(n, seed, resamples, groups):
        for name, values in metric(weights).items():
            parts[name].append(values)
    tail = (1 - level) / 2
    return {
        name: Estimate(np.asarray(value), *_percentiles(np.concatenate(parts[name]), tail))
        for name, value in point.items()
    }


def _resamples(n: int, seed: int, resamples: int, groups: IntArray | None) -> Iterator[FloatArray]:
    """Blocks (b, n) of how often each row is drawn."""
    units = n if groups is None else int(groups.max()) + 1
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // n)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(0, units, size=(size, units)) + units * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        yield (counts if groups is None else counts[:, groups]).astype(np.float64)


def _percentiles(values: FloatArray, tail: float) -> tuple[FloatArray, FloatArray]:
    """Lower and upper percentile over axis 0 of what is defined, by column."""
    columns = values.reshape(len(values), -1)
    bounds = np.full((2, columns.shape[1]), np.nan)
    for column in range(columns.shape[1]):
        defined = columns[~np.isnan(columns[:, column]), column]
        if len(defined):
            bounds[:, column] = np.quantile(defined, [tail, 1 - tail])
    shape = values.shape[1:]
    return bounds[0].reshape(shape), bounds[1].reshape(shape)


def calibration_error_by_chance(
    p: FloatArray, *, seed: int, draws: int = RESAMPLES, bins: int = CALIBRATION_BINS
) -> FloatArray:
    """What ``calibration_error`` would be if every probability were true.

    Labels are drawn from the probabilities themselves (Broecker and Smith 2007): with n rows
    even a perfect model shows an error above 0, and this says how large a one.

    Args:
        p: (n, k) probabilities.
        seed: of the draws.
        draws: how many.
        bins: of equal mass, as in ``calibration_error``.

    Returns:
        (draws, k) errors by class.
    """
    n, classes = p.shape
    if n == 0:
        return np.full((draws, classes), np.nan)
    rng = np.random.default_rng(seed)
    bounds = np.cumsum(p, axis=1)[:, :-1]
    in_bin = [np.eye(bins)[bin_numbers(p[:, k], bins)] for k in range(classes)]
    errors = np.empty((draws, classes))
    block = max(1, _BLOCK // n)
    for start in range(0, draws, block):
        uniform = rng.random((min(block, draws - start), n))
        label = np.zeros(uniform.shape, dtype=np.int64)
        for bound in bounds.T:
            label += uniform > bound
        for k in range(classes):
            gaps = ((label == k) - p[:, k]) @ in_bin[k]
            errors[start : start + len(uniform), k] = np.abs(gaps).sum(axis=1) / n
    return errors
