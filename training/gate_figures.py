"""Figures of a challenger beside those of a champion, on the same posts and resamples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

import numpy as np

from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS, Intent, UrgencyLevel
from replyrank.models.joint import intents, levels
from replyrank.training import metrics
from replyrank.training.bootstrap import bootstrap
from replyrank.training.gate_posts import GatePosts
from replyrank.training.metrics import BoolArray, FloatArray, IntArray
from replyrank.training.predictions import Predictions
from replyrank.training.rows import MASKED, TrainingRows

_SUPPORT: Final = INTENTS.index(Intent.SUPPORT_REQUEST)
_HIGH: Final = UrgencyLevel.HIGH.value
_CRITICAL: Final = UrgencyLevel.CRITICAL.value
#: with fewer, resamples draw posts and not companies
_LEAST_COMPANIES: Final = 10

#: figures by name for weights (b, n), each (b,)
_Figures = Callable[[FloatArray], dict[str, FloatArray]]


@dataclass(frozen=True)
class Subject:
    """What one of the two models says of n posts."""

    need: FloatArray  # (n, 16)
    p_sentiment: FloatArray  # (n, 3)
    #: (n,) index of the sentiment that each post gets
    sentiment: IntArray
    #: its own p_support_request from which a post counts as a request
    support_threshold: float

    @classmethod
    def of(cls, said: Predictions, support_threshold: float) -> Self:
        """What a scorer said; raises ``ValueError`` if it lacks a head."""
        if said.need is None or said.p_sentiment is None or said.sentiment is None:
            message = "the gate compares models with both heads"
            raise ValueError(message)
        return cls(said.need, said.p_sentiment, said.sentiment.predicted, support_threshold)


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both, and the difference, challenger less champion, with its interval."""

    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    #: posts that it was measured on
    n: int
    #: how much of the challenger's is within chance; widens a narrower tolerance
    chance: float = 0.0


@dataclass(frozen=True)
class Pairing:
    """Two models before the same posts, and the resamples behind the intervals."""

    posts: GatePosts
    champion: Subject
    challenger: Subject
    seed: int
    resamples: int

    def compare(self, least_slice: int) -> dict[str, Compared]:
        """Every figure that is taken of labels; resamples draw companies, of few ones posts.

        A slice by source, channel or length with at least ``least_slice`` posts that have a label
        adds the calibration error of its head, of intent as ``slice_ece: channel twitter``.
        """
        labels, found = self.posts.rows, dict[str, Compared]()
        for label, figures in _OF_LABEL.items():
            found |= self._paired(np.flatnonzero(getattr(labels, label) != MASKED), figures)
        for dimension, values in self.posts.slices.items():
            for value in sorted({value for value in values if value is not None}):
                is_of = np.array([one == value for one in values])
                for label, figures in _OF_SLICE.items():
                    rows = np.flatnonzero(is_of & (getattr(labels, label) != MASKED))
                    if len(rows) >= least_slice:
                        of_slice = self._paired(rows, figures)
                        found |= {f"{k}: {dimension} {value}": one for k, one in of_slice.items()}
        return found

    def _groups(self, rows: IntArray) -> IntArray | None:
        """(n,) number of each post's company; None where too few companies say how they vary."""
        names = [self.posts.companies[row] or f"#{row}" for row in rows]
        if len({*names}) < _LEAST_COMPANIES:
            return None
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    def _paired(self, rows: IntArray, figures: "_OfSubject") -> dict[str, Compared]:
        if not len(rows):
            return {}
        labels = self.posts.rows.take(rows)
        before, after = (figures(labels, one, rows) for one in (self.champion, self.challenger))

        def both(weights: FloatArray) -> Mapping[str, FloatArray]:
            old, new = before(weights), after(weights)
            return {
                name: np.stack([old[name], new[name], new[name] - old[name]], axis=-1)
                for name in old
            }

        found = bootstrap(
            both,
            len(rows),
            seed=self.seed,
            resamples=self.resamples,
            groups=self._groups(rows),
        )
        return {
            name: Compared(
                champion=float(one.value[0]),
                challenger=float(one.value[1]),
                difference=float(one.value[2]),
                low=float(one.low[2]),
                high=float(one.high[2]),
                n=len(rows),
            )
            for name, one in found.items()
        }


def _intent(labels: TrainingRows, subject: Subject, rows: IntArray) -> _Figures:
    p = intents(subject.need[rows])
    positive: BoolArray = labels.intent == _SUPPORT

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        counts = metrics.confusion(labels.intent, p.argmax(axis=1), len(INTENTS), weights)
        at = subject.support_threshold
        precision, recall = metrics.precision_recall_at(positive, p[:, _SUPPORT], at, weights)
        return {
            "support_request_recall": recall,
            "support_request_precision": precision,
            "intent_macro_f1": metrics.macro_f1(counts),
            "ece_intent": metrics.classwise_calibration_error(labels.intent, p, weights),
        }

    return figures


def _slice_intent(labels: TrainingRows, subject: Subject, rows: IntArray) -> _Figures:
    p = intents(subject.need[rows])

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        return {"slice_ece": metrics.classwise_calibration_error(labels.intent, p, weights)}

    return figures


def _slice_urgency(labels: TrainingRows, subject: Subject, rows: IntArray) -> _Figures:
    high, p_high = labels.urgency >= _HIGH, levels(subject.need[rows])[:, _HIGH:].sum(axis=1)

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        return {"slice_ece_urgency_high": metrics.calibration_error(high, p_high, weights)}

    return figures


def _slice_sentiment(labels: TrainingRows, subject: Subject, rows: IntArray) -> _Figures:
    p = subject.p_sentiment[rows]

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        error = metrics.classwise_calibration_error(labels.sentiment, p, weights)
        return {"slice_ece_sentiment": error}

    return figures


def _urgency(labels: TrainingRows, subject: Subject, rows: IntArray) -> _Figures:
    p = levels(subject.need[rows])
    high, critical = labels.urgency >= _HIGH, labels.urgency >= _CRITICAL
    p_high = p[:, _HIGH:].sum(axis=1)

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        counts = metrics.confusion(labels.urgency, p.argmax(axis=1), p.shape[1], weights)
        return {
            "urgency_macro_f1": metrics.macro_f1(counts),
            "urgency_kappa": metrics.quadratic_kappa(counts),
            "urgency_auroc": metrics.auroc(high, p_high, weights),
            "critical_average_precision": metrics.average_precision(
                critical, p[:, _CRITICAL], weights
            ),
            "ece_urgency_high": metrics.calibration_error(high, p_high, weights),
        }

    return figures


def _sentiment(labels: TrainingRows, subject: Subject, rows: IntArray) -> _Figures:
    p, predicted, k = subject.p_sentiment[rows], subject.sentiment[rows], len(SENTIMENT_LABELS)

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        counts = metrics.confusion(labels.sentiment, predicted, k, weights)
        return {
            "sentiment_macro_f1": metrics.macro_f1(counts),
            "ece_sentiment": metrics.classwise_calibration_error(labels.sentiment, p, weights),
        }

    return figures


_OfSubject = Callable[[TrainingRows, Subject, IntArray], _Figures]
#: label -> the figures that are taken of it, each on the posts that have it
FIGURES_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "intent": (
            "support_request_recall",
            "support_request_precision",
            "intent_macro_f1",
            "ece_intent",
            "slice_ece",
        ),
        "urgency": (
            "urgency_macro_f1",
            "urgency_kappa",
            "urgency_auroc",
            "critical_average_precision",
            "ece_urgency_high",
            "slice_ece_urgency_high",
        ),
        "sentiment": ("sentiment_macro_f1", "ece_sentiment", "slice_ece_sentiment"),
    }
)
_OF_LABEL: Final[Mapping[str, _OfSubject]] = {
    "intent": _intent,
    "urgency": _urgency,
    "sentiment": _sentiment,
}
#: the same for the figures of a slice
_OF_SLICE: Final[Mapping[str, _OfSubject]] = {
    "intent": _slice_intent,
    "urgency": _slice_urgency,
    "sentiment": _slice_sentiment,
}
