"""From predictions and labels to a report: every figure with its interval and its n."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from replyrank.data.vocabulary import (
    INTENTS,
    SENTIMENT_LABELS,
    URGENCY_LEVELS,
    Intent,
    Review,
    UrgencyLevel,
)
from replyrank.training import metrics
from replyrank.training.bootstrap import RESAMPLES
from replyrank.training.evaluation_report import (
    BinaryReport,
    EvaluationReport,
    Figure,
    HeadReport,
    SliceReport,
)
from replyrank.training.figures import (
    Sampler,
    binary_report,
    confusion_figure,
    figure,
    head_report,
    ranking_figure,
)
from replyrank.training.metrics import FloatArray, IntArray
from replyrank.training.predictions import LabelArrays, Predictions
from replyrank.training.rows import MASKED

#: share of the queue in which critical posts are looked for
TOP_SHARE: Final = 0.2
#: upper ends, in characters, of the slices by length; the last is open
LENGTH_EDGES: Final = (40, 80, 140, 280)

_HIGH: Final = UrgencyLevel.HIGH.value
_CRITICAL: Final = UrgencyLevel.CRITICAL.value
_SUPPORT: Final = INTENTS.index(Intent.SUPPORT_REQUEST)


def evaluate(
    predictions: Predictions,
    labels: LabelArrays,
    slices: Mapping[str, Sequence[str | None]],
    seed: int,
    *,
    name: str = "model",
    index: FloatArray | None = None,
    support_threshold: float | None = None,
    groups: Sequence[str | None] | None = None,
    resamples: int = RESAMPLES,
) -> EvaluationReport:
    """All figures of one model on one set of posts.

    Args:
        predictions: of n posts.
        labels: of the same posts; a post without a label is left out of its figures.
        slices: dimension, such as ``source``, to the value of each post (None: in no slice).
        seed: of the resamples.
        name: of the model.
        index: (n,) place in the queue, higher first, at equal age, channel and reach.
        support_threshold: p(support_request) from which a post counts as a request.
        groups: company of each post: intervals then resample companies, not posts, and a
            post without one is a company of its own.
        resamples: how many resamples.

    Raises:
        ValueError: if the numbers of posts differ.
    """
    _same_rows(len(labels), predictions, slices, index, groups)
    sampler = Sampler(seed, resamples, None if groups is None else _group_numbers(groups))
    return EvaluationReport(
        name=name,
        rows=len(labels),
        seed=seed,
        resamples=resamples,
        resampled="posts" if groups is None else "companies",
        heads=_heads(predictions, labels, sampler),
        binary=_binaries(predictions, labels, support_threshold, sampler),
        queue=_queue(labels, index, sampler),
        review=_review(predictions, labels, sampler),
        reviews=predictions.reviews(),
        slices=_slices(predictions, labels, slices, sampler),
    )


def length_slice(text: str) -> str:
    """The slice by length, in characters, that a text belongs to."""
    low = 0
    for high in LENGTH_EDGES:
        if len(text) <= high:
            return f"{low}-{high} characters"
        low = high + 1
    return f"over {LENGTH_EDGES[-1]} characters"


def _same_rows(
    n: int,
    predictions: Predictions,
    slices: Mapping[str, Sequence[str | None]],
    index: FloatArray | None,
    groups: Sequence[str | None] | None,
) -> None:
    sizes = {"predictions": len(predictions), **{key: len(value) for key, value in slices.items()}}
    if index is not None:
        sizes["index"] = len(index)
    if groups is not None:
        sizes["groups"] = len(groups)
    wrong = {key: size for key, size in sizes.items() if size != n}
    if wrong:
        message = f"labels have {n} posts, but {wrong}; give one value a post"
        raise ValueError(message)


def _group_numbers(groups: Sequence[str | None]) -> IntArray:
    names = [f"={group}" if group else f"#{row}" for row, group in enumerate(groups)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _labelled(values: IntArray) -> IntArray:
    return np.flatnonzero(values != MASKED).astype(np.int64)


def _heads(
    predictions: Predictions, labels: LabelArrays, sampler: Sampler
) -> dict[str, HeadReport]:
    heads = (
        ("intent", [str(a) for a in INTENTS], labels.intent, predictions.intent),
        ("urgency", [a.label for a in URGENCY_LEVELS], labels.urgency, predictions.urgency),
        ("sentiment", [str(a) for a in SENTIMENT_LABELS], labels.sentiment, predictions.sentiment),
    )
    return {
        name: head_report(
            tuple(classes), true, head, _labelled(true), sampler, ordered=name == "urgency"
        )
        for name, classes, true, head in heads
        if head is not None and (true != MASKED).any()
    }


def _binaries(
    predictions: Predictions, labels: LabelArrays, threshold: float | None, sampler: Sampler
) -> dict[str, BinaryReport]:
    p_urgency, p_intent = predictions.p_urgency, predictions.p_intent
    if p_urgency is None or p_intent is None:
        return {}
    reports: dict[str, BinaryReport] = {}
    rows = _labelled(labels.urgency)
    if len(rows):
        for name, level in (("urgency_high", _HIGH), ("critical", _CRITICAL)):
            p = p_urgency[:, level:].sum(axis=1)
            reports[name] = binary_report(labels.urgency >= level, p, rows, None, sampler)
    rows = _labelled(labels.intent)
    if len(rows):
        positive, p = labels.intent == _SUPPORT, p_intent[:, _SUPPORT]
        reports["support_request"] = binary_report(positive, p, rows, threshold, sampler)
    return reports


def _queue(labels: LabelArrays, index: FloatArray | None, sampler: Sampler) -> dict[str, Figure]:
    """Share of the urgent posts at the head of the queue; n is the number of urgent posts."""
    rows = _labelled(labels.urgency)
    if index is None or not len(rows):
        return {}
    critical, urgent = labels.urgency[rows] >= _CRITICAL, labels.urgency[rows] >= _HIGH
    score = index[rows]

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        return {
            "critical_in_top": metrics.share_in_top(critical, score, TOP_SHARE, weights),
            "high_or_critical_in_top": metrics.share_in_top(urgent, score, TOP_SHARE, weights),
        }

    found = sampler.estimate(figures, rows)
    sizes = {"critical_in_top": critical.sum(), "high_or_critical_in_top": urgent.sum()}
    return {name: figure(found[name], int(size)) for name, size in sizes.items()}


def _review(predictions: Predictions, labels: LabelArrays, sampler: Sampler) -> dict[str, Figure]:
    """Share of posts of low confidence; intent macro-F1 on the rest, and what that gains."""
    rows = _labelled(labels.intent)
    intent = predictions.intent
    if intent is None or not any(predictions.review) or not len(rows):
        return {}
    true, predicted = labels.intent[rows], intent.predicted[rows]
    unsure = np.array([predictions.review[row] is Review.LOW_CONFIDENCE for row in rows])

    def figures(weights: FloatArray) -> dict[str, FloatArray]:
        of_all = metrics.confusion(true, predicted, len(INTENTS), weights)
        of_rest = metrics.confusion(true, predicted, len(INTENTS), weights * ~unsure)
        rest = metrics.macro_f1(of_rest)
        return {
            "low_confidence_share": weights @ unsure / weights.sum(axis=-1),
            "intent_macro_f1_on_rest": rest,
            "gain": rest - metrics.macro_f1(of_all),
        }

    found = sampler.estimate(figures, rows)
    sizes = {"intent_macro_f1_on_rest": int((~unsure).sum())}
    return {name: figure(e, sizes.get(name, len(rows))) for name, e in found.items()}


def _slices(
    predictions: Predictions,
    labels: LabelArrays,
    slices: Mapping[str, Sequence[str | None]],
    sampler: Sampler,
) -> tuple[SliceReport, ...]:
    reports: list[SliceReport] = []
    for dimension, values in slices.items():
        column = np.array([value or "" for value in values], dtype=np.str_)
        for value in sorted({value for value in values if value}, key=_natural):
            rows = np.flatnonzero(column == value).astype(np.int64)
            figures = _slice_figures(predictions, labels, rows, sampler)
            reports.append(
                SliceReport(dimension=dimension, value=value, rows=len(rows), figures=figures)
            )
    return tuple(reports)


def _natural(value: str) -> tuple[bool, int, str]:
    """Order of slices: those that begin with a number by that, then the others by name."""
    digits = value[: len(value) - len(value.lstrip("0123456789"))]
    return not digits, int(digits or 0), value


def _slice_figures(
    predictions: Predictions, labels: LabelArrays, rows: IntArray, sampler: Sampler
) -> dict[str, Figure]:
    """The main figures, each on the posts of the slice that have its label."""
    figures: dict[str, Figure] = {}
    for name, of_counts, true, head in (
        ("intent_macro_f1", metrics.macro_f1, labels.intent, predictions.intent),
        ("urgency_kappa", metrics.quadratic_kappa, labels.urgency, predictions.urgency),
        ("sentiment_macro_recall", metrics.macro_recall, labels.sentiment, predictions.sentiment),
    ):
        kept = rows[true[rows] != MASKED]
        if head is not None and len(kept):
            figures[name] = confusion_figure(name, of_counts, true, head, kept, sampler=sampler)
    kept = rows[labels.urgency[rows] != MASKED]
    if predictions.p_urgency is not None and len(kept):
        urgency = predictions.p_urgency[:, _HIGH:].sum(axis=1)
        figures["urgency_high_auroc"] = ranking_figure(
            labels.urgency >= _HIGH, urgency, kept, sampler
        )
    return figures
