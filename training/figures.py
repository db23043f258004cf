"""The figures of a head, of an event and of a slice, each with its interval."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.training import metrics
from replyrank.training.bootstrap import Estimate, Metric, bootstrap, calibration_error_by_chance
from replyrank.training.evaluation_report import (
    BinaryReport,
    ClassFigures,
    Figure,
    HeadReport,
    PrecisionRecallCurve,
    Reliability,
)
from replyrank.training.metrics import BoolArray, FloatArray, IntArray
from replyrank.training.predictions import Head

_CURVE_POINTS: Final = 200
_PER_CLASS: Final = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Sampler:
    """How the intervals of one evaluation are made."""

    seed: int
    resamples: int
    #: (n,) group number of every post; None draws posts
    groups: IntArray | None

    def estimate(self, metric: Metric, rows: IntArray) -> dict[str, Estimate]:
        """Figures of ``rows`` with intervals; ``metric`` gets weights over these rows."""
        groups = None
        if self.groups is not None:
            groups = np.unique(self.groups[rows], return_inverse=True)[1].astype(np.int64)
        return bootstrap(metric, len(rows), seed=self.seed, resamples=self.resamples, groups=groups)

    def by_chance(self, p: FloatArray) -> FloatArray:
        """(resamples, k) calibration errors that probabilities (n, k) show if they are true."""
        return calibration_error_by_chance(p, seed=self.seed, draws=self.resamples)


def figure(estimate: Estimate, n: int, position: int | None = None) -> Figure:
    """A figure for the report; what is not defined (NaN) becomes None."""
    values = (estimate.value, estimate.low, estimate.high)
    numbers = [float(v if position is None else v[position]) for v in values]
    value, low, high = (None if np.isnan(number) else number for number in numbers)
    return Figure(value=value, low=low, high=high, n=n)


def head_report(
    classes: tuple[str, ...],
    true: IntArray,
    head: Head,
    rows: IntArray,
    sampler: Sampler,
    *,
    ordered: bool,
) -> HeadReport:
    """All figures of one head.

    Args:
        classes: names of the k classes.
        true: (n,) classes of all posts.
        head: what is said of all posts.
        rows: the posts that have the label.
        sampler: makes the intervals.
        ordered: whether the classes have an order; then there is a kappa.
    """
    true, p, predicted = true[rows], head.p[rows], head.predicted[rows]

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        counts = metrics.confusion(true, predicted, len(classes), weights)
        kappa = {"quadratic_kappa": metrics.quadratic_kappa(counts)} if ordered else {}
        return {
            "macro_f1": metrics.macro_f1(counts),
            "macro_recall": metrics.macro_recall(counts),
            "accuracy": metrics.accuracy(counts),
            **kappa,
            "ece": metrics.classwise_calibration_error(true, p, weights),
            "brier": metrics.brier(true, p, weights),
            "precision": metrics.precision(counts),
            "recall": metrics.recall(counts),
            "f1": metrics.f1(counts),
        }

    found = sampler.estimate(figures, rows)
    counts = metrics.confusion(true, predicted, len(classes)).astype(np.int64)
    per_class = tuple(
        ClassFigures(
            name=label,
            support=int(counts[k].sum()),
            predicted=int(counts[:, k].sum()),
            reliability=_reliability(true == k, p[:, k]),
            **{name: figure(found[name], len(rows), k) for name in _PER_CLASS},
        )
        for k, label in enumerate(classes)
    )
    of_head = {name: figure(e, len(rows)) for name, e in found.items() if e.value.ndim == 0}
    of_head["ece_by_chance"] = _spread(sampler.by_chance(p).mean(axis=1), len(rows))
    return HeadReport(
        classes=per_class,
        confusion=tuple(tuple(row) for row in counts.tolist()),
        figures=of_head,
    )


def binary_report(
    positive: BoolArray, p: FloatArray, rows: IntArray, threshold: float | None, sampler: Sampler
) -> BinaryReport:
    """All figures of one event.

    Args:
        positive: (n,) whether the event is true of a post.
        p: (n,) its probability.
        rows: the posts that have the label.
        threshold: p from which the event counts as predicted, where there is one.
        sampler: makes the intervals.
    """
    positive, p = positive[rows], p[rows]

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        found = {
            "auroc": metrics.auroc(positive, p, weights),
            "average_precision": metrics.average_precision(positive, p, weights),
            "ece": metrics.calibration_error(positive, p, weights),
        }
        if threshold is not None:
            at = metrics.precision_recall_at(positive, p, threshold, weights)
            found["precision_at_threshold"], found["recall_at_threshold"] = at
        return found

    found = {k: figure(e, len(rows)) for k, e in sampler.estimate(figures, rows).items()}
    by_chance = sampler.by_chance(np.stack([1 - p, p], axis=1))[:, 1]
    return BinaryReport(
        positives=int(positive.sum()),
        threshold=threshold,
        figures={**found, "ece_by_chance": _spread(by_chance, len(rows))},
        reliability=_reliability(positive, p),
        curve=_curve(positive, p),
    )


def confusion_figure(
    name: str,
    of_counts: Callable[[FloatArray], FloatArray],
    true: IntArray,
    head: Head,
    rows: IntArray,
    *,
    sampler: Sampler,
) -> Figure:
    """One figure that follows from the confusion counts of ``rows``."""
    predicted, classes = head.predicted[rows], head.p.shape[1]

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        return {name: of_counts(metrics.confusion(true[rows], predicted, classes, weights))}

    return figure(sampler.estimate(figures, rows)[name], len(rows))


def ranking_figure(positive: BoolArray, p: FloatArray, rows: IntArray, sampler: Sampler) -> Figure:
    """AUROC of one event on ``rows``."""

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        return {"auroc": metrics.auroc(positive[rows], p[rows], weights)}

    return figure(sampler.estimate(figures, rows)["auroc"], len(rows))


def _spread(draws: FloatArray, n: int) -> Figure:
    """Mean and middle 95 % of a simulated figure."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return Figure(value=float(draws.mean()), low=float(low), high=float(high), n=n)


def _curve(positive: BoolArray, p: FloatArray) -> PrecisionRecallCurve | None:
    """Precision over recall, thinned to a few hundred points; None with no positive post.

    Of the thresholds that give the same recall only the highest, the most precise, is kept.
    """
    from sklearn.metrics import precision_recall_curve  # noqa: PLC0415 - needs the extra train

    if not positive.any():
        return None
    precision, recall, thresholds = precision_recall_curve(positive, p)
    # The last point (recall 0, precision 1) belongs to no threshold.
    useful = np.flatnonzero(recall[:-1] != recall[1:])
    steps = np.linspace(0, len(useful) - 1, min(len(useful), _CURVE_POINTS))
    kept = useful[np.unique(steps.round().astype(np.int64))]
    return PrecisionRecallCurve(
        recall=tuple(recall[kept].tolist()),
        precision=tuple(precision[kept].tolist()),
        threshold=tuple(thresholds[kept].tolist()),
    )


def _reliability(positive: BoolArray, p: FloatArray) -> Reliability:
    bins = metrics.reliability(positive, p)
    return Reliability(
        mean_p=tuple(bins.mean_p.tolist()),
        share=tuple(bins.share.tolist()),
        rows=tuple(bins.rows.tolist()),
    )
