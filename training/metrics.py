"""Figures that say how good scores are.

Every function takes optional ``weights`` of shape (..., n), one weight a row, and
returns one value per leading index: with no weights the plain figure, with a (b, n)
matrix of resample counts the figures of b resamples at once. A weight of 2 means the
same as the row standing there twice. That is why they are written here and not taken
from scikit-learn, which has no such axis: a report bootstraps some hundred figures a
thousand times over. The tests hold every one of them against scikit-learn.

A figure that is not defined (no positive row, nothing predicted) is NaN.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: bins of equal mass that calibration error uses
CALIBRATION_BINS: Final = 15


def _weights(weights: FloatArray | None, rows: int) -> FloatArray:
    if weights is None:
        return np.ones(rows)
    if weights.shape[-1] != rows:
        message = f"weights of {weights.shape[-1]} rows for {rows} rows; give one a row"
        raise ValueError(message)
    return weights


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient, NaN where the denominator is 0."""
    safe = np.where(denominator == 0, 1.0, denominator)
    quotient: FloatArray = np.where(denominator == 0, np.nan, numerator / safe)
    return quotient


def _mean_of_defined(values: FloatArray) -> FloatArray:
    """Mean over the last axis of what is not NaN; NaN where nothing is defined."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return _ratio(total, defined.sum(axis=-1).astype(np.float64))


def confusion(
    labels: IntArray, predicted: IntArray, classes: int, weights: FloatArray | None = None
) -> FloatArray:
    """Counts of (true class, predicted class).

    Args:
        labels: (n,) true classes, 0 to ``classes`` - 1.
        predicted: (n,) predicted classes.
        classes: how many classes there are.
        weights: (..., n), see the module.

    Returns:
        (..., classes, classes); rows are true, columns predicted.

    Raises:
        ValueError: if a class is out of range or the weights do not fit.
    """
    both = np.concatenate([labels, predicted])
    if both.size and (both.min() < 0 or both.max() >= classes):
        message = f"classes run from {both.min()} to {both.max()}; they must be 0 to {classes - 1}"
        raise ValueError(message)
    cells = np.eye(classes * classes)[labels * classes + predicted]
    counts: FloatArray = _weights(weights, len(labels)) @ cells
    return counts.reshape(*counts.shape[:-1], classes, classes)


def precision(counts: FloatArray) -> FloatArray:
    """Per class: of the rows predicted as the class, the share that is (..., k)."""
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-2))


def recall(counts: FloatArray) -> FloatArray:
    """Per class: of the rows of the class, the share predicted as it (..., k)."""
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def f1(counts: FloatArray) -> FloatArray:
    """Per class: harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN) (..., k)."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return _ratio(2 * hits, counts.sum(axis=-2) + counts.sum(axis=-1))


def macro_f1(counts: FloatArray) -> FloatArray:
    """Plain mean of F1 over the classes that occur, as true or as predicted."""
    return _mean_of_defined(f1(counts))


def macro_recall(counts: FloatArray) -> FloatArray:
    """Plain mean of recall over the classes that occur as true (TweetEval's sentiment figure)."""
    return _mean_of_defined(recall(counts))


def accuracy(counts: FloatArray) -> FloatArray:
    """Share of rows whose predicted class is the true one."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def quadratic_kappa(counts: FloatArray) -> FloatArray:
    """Cohen's kappa with quadratic weights (Cohen 1968), for classes in an order.

    1 - sum(w * observed) / sum(w * expected), w = (i - j)^2, expected from the margins:
    1 is agreement, 0 is chance, below 0 is worse. NaN where all is one single class.
    """
    size = counts.shape[-1]
    distance = np.subtract.outer(np.arange(size), np.arange(size)).astype(np.float64) ** 2
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    expected = true[..., :, None] * predicted[..., None, :]
    total = counts.sum(axis=(-2, -1))
    observed = (distance * counts).sum(axis=(-2, -1)) * total
    return 1 - _ratio(observed, (distance * expected).sum(axis=(-2, -1)))


@dataclass(frozen=True)
class _Tied:
    """Rows in the order of a score; rows of one score form one group."""

    order: IntArray
    starts: IntArray

    @classmethod
    def by(cls, score: FloatArray) -> "_Tied":
        order = np.argsort(score, kind="stable").astype(np.int64)
        ranked = score[order]
        first = np.concatenate([[True], ranked[1:] != ranked[:-1]])
        return cls(order, np.flatnonzero(first).astype(np.int64))

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums of ``values`` (..., n) by group (..., groups), lowest score first."""
        ranked = values[..., self.order]
        if len(self.starts) == len(self.order):
            return ranked
        return np.add.reduceat(ranked, self.starts, axis=-1)


def auroc(positive: BoolArray, score: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Area under the ROC curve: P(a positive row scores above a negative one), ties half.

    Args:
        positive: (n,) whether a row is positive.
        score: (n,) higher means more likely positive.
        weights: (..., n), see the module.
    """
    weighted = _weights(weights, len(positive))
    if not len(positive):
        return np.full(weighted.shape[:-1], np.nan)
    tied = _Tied.by(score)
    hits, misses = tied.sums(weighted * positive), tied.sums(weighted * ~positive)
    below = np.cumsum(misses, axis=-1) - misses
    won = (hits * (below + misses / 2)).sum(axis=-1)
    return _ratio(won, hits.sum(axis=-1) * misses.sum(axis=-1))


def average_precision(
    positive: BoolArray, score: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """Average precision: sum over thresholds of (gain in recall) x (precision there).

    No interpolation, as in scikit-learn. Arguments as for ``auroc``. A score without
    information gets the share of positive rows.
    """
    weighted = _weights(weights, len(positive))
    if not len(positive):
        return np.full(weighted.shape[:-1], np.nan)
    tied = _Tied.by(-score)
    hits, rows = tied.sums(weighted * positive), tied.sums(weighted)
    found = np.cumsum(hits, axis=-1)
    # Leading groups of weight 0 have no precision, and no gain in recall either.
    at = np.nan_to_num(_ratio(found, np.cumsum(rows, axis=-1)))
    return _ratio((hits * at).sum(axis=-1), hits.sum(axis=-1))


def precision_recall_at(
    positive: BoolArray, score: FloatArray, threshold: float, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Precision and recall of "score >= threshold"."""
    counts = confusion(positive.astype(np.int64), (score >= threshold).astype(np.int64), 2, weights)
    return precision(counts)[..., 1], recall(counts)[..., 1]


def share_in_top(
    positive: BoolArray, score: FloatArray, top: float, weights: FloatArray | None = None
) -> FloatArray:
    """Share of the positive rows that lie in the ``top`` share of rows by score.

    Rows of one score that straddle the edge count by the part of them that lies above it:
    the mean over all orders in which ties could be broken.
    """
    weighted = _weights(weights, len(positive))
    if not len(positive):
        return np.full(weighted.shape[:-1], np.nan)
    tied = _Tied.by(-score)
    hits, rows = tied.sums(weighted * positive), tied.sums(weighted)
    before = np.cumsum(rows, axis=-1) - rows
    room = top * rows.sum(axis=-1, keepdims=True) - before
    inside = np.clip(np.nan_to_num(_ratio(room, rows)), 0, 1)
    return _ratio((hits * inside).sum(axis=-1), hits.sum(axis=-1))


def brier(labels: IntArray, p: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Brier score over k classes (Brier 1950): mean of sum_k (p_k - [label = k])^2, 0 to 2.

    Args:
        labels: (n,) true classes.
        p: (n, k) probabilities.
        weights: (..., n), see the module.
    """
    loss = ((p - np.eye(p.shape[1])[labels]) ** 2).sum(axis=1)
    weighted = _weights(weights, len(labels))
    return _ratio(weighted @ loss, weighted.sum(axis=-1))


def calibration_error(
    positive: BoolArray,
    p: FloatArray,
    weights: FloatArray | None = None,
    bins: int = CALIBRATION_BINS,
) -> FloatArray:
    """Expected calibration error of one probability, in bins of equal mass.

    Rows are ordered by p; with u(row) = (rows of lower p + half the rows of the same p) / n,
    the bin of a row is floor(bins * u). So rows of the same p always share a bin, the order
    of rows does not matter, and n < bins leaves bins empty. The error is the mean over rows
    of |share of positives - mean p| of the row's bin (Naeini et al. 2015 with the adaptive
    bins of Nixon et al. 2019).

    Args:
        positive: (n,) whether the event happened.
        p: (n,) the probability given to it.
        weights: (..., n), see the module; u counts by weight.
        bins: how many bins.
    """
    weighted = _weights(weights, len(p))
    if not len(p):
        return np.full(weighted.shape[:-1], np.nan)
    tied = _Tied.by(p)
    rows = tied.sums(weighted).reshape(-1, len(tied.starts))
    gaps = tied.sums(weighted * (positive - p)).reshape(rows.shape)
    total = rows.sum(axis=1)
    bin_of = _bin_of(rows, bins)
    flat = bin_of + bins * np.arange(len(rows))[:, None]
    sums = np.bincount(flat.ravel(), weights=gaps.ravel(), minlength=bins * len(rows))
    errors = _ratio(np.abs(sums.reshape(len(rows), bins)).sum(axis=1), total)
    return errors.reshape(weighted.shape[:-1])


def _bin_of(rows: FloatArray, bins: int) -> IntArray:
    """(b, groups) bins of groups of ``rows`` rows each; see ``calibration_error``."""
    middle = np.cumsum(rows, axis=1) - rows / 2
    total = np.maximum(rows.sum(axis=1, keepdims=True), 1e-300)
    numbers: IntArray = np.minimum(bins * middle / total, bins - 1).astype(np.int64)
    return numbers


def classwise_calibration_error(
    labels: IntArray,
    p: FloatArray,
    weights: FloatArray | None = None,
    bins: int = CALIBRATION_BINS,
) -> FloatArray:
    """Class-wise ECE (Kull et al. 2019): plain mean over classes of ``calibration_error``.

    Kull et al. cut [0, 1] into bins of equal width; here they are of equal mass.
    ``labels`` is (n,), ``p`` (n, k).
    """
    errors = [calibration_error(labels == k, p[:, k], weights, bins) for k in range(p.shape[1])]
    return np.asarray(np.mean(errors, axis=0), dtype=np.float64)


def bin_numbers(p: FloatArray, bins: int = CALIBRATION_BINS) -> IntArray:
    """(n,) bins, 0 to ``bins`` - 1, of probabilities (n,); see ``calibration_error``."""
    if not len(p):
        return np.zeros(0, dtype=np.int64)
    tied = _Tied.by(p)
    group_rows = tied.sums(np.ones(len(p)))
    numbers = np.empty(len(p), dtype=np.int64)
    numbers[tied.order] = np.repeat(
        _bin_of(group_rows[None, :], bins)[0], group_rows.astype(np.int64)
    )
    return numbers


@dataclass(frozen=True)
class ReliabilityBins:
    """The bins behind ``calibration_error``, empty ones left out; all arrays (m,)."""

    mean_p: FloatArray
    share: FloatArray
    rows: IntArray


def reliability(
    positive: BoolArray, p: FloatArray, bins: int = CALIBRATION_BINS
) -> ReliabilityBins:
    """Mean probability, share of positives and rows of each bin, in the order of p."""
    numbers = bin_numbers(p, bins)
    rows = np.bincount(numbers, minlength=bins).astype(np.int64)
    mass = np.bincount(numbers, weights=p, minlength=bins)
    hits = np.bincount(numbers, weights=positive, minlength=bins)
    kept = rows > 0
    return ReliabilityBins(mass[kept] / rows[kept], hits[kept] / rows[kept], rows[kept])
