"""Fit what the artefact needs to turn its logits into probabilities and decisions.

Everything here is fitted on out-of-fold logits of the quantised graph: predictions of posts
whose companies the model has not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from replyrank.data.vocabulary import (
    INTENTS,
    NEED_CELLS,
    SENTIMENT_LABELS,
    URGENCY_LEVELS,
    Intent,
)
from replyrank.models.calibration import apply_calibration
from replyrank.models.config import Calibration, HeadCalibration, Priors
from replyrank.models.joint import intents
from replyrank.models.scores import sentiment_classes
from replyrank.training.batches import label_cells
from replyrank.training.config import DecisionConfig
from replyrank.training.losses import need_loss, sentiment_loss
from replyrank.training.metrics import BoolArray, FloatArray, IntArray
from replyrank.training.oof import Judged, OutOfFold
from replyrank.training.rows import MASKED, TrainingRows

_SUPPORT: Final = INTENTS.index(Intent.SUPPORT_REQUEST)
#: parts of a single fold that are judged in turn
_PARTS: Final = 5
_ITERATIONS: Final = 200
#: how far from a threshold, in logits, the posts lie by whose move it moves
_NEAR: Final = 1.0
#: with fewer of a kind it stays
_LEAST_NEAR: Final = 20
#: keeps logits of probabilities finite
_SMALLEST: Final = 1e-9
#: pull of each class's scale to the common one and of each bias to 0, in nats per row: rare
#: cells have too few posts to be trusted with a scale of their own
_SCALE_PENALTY: Final = 0.05
_BIAS_PENALTY: Final = 0.002


@dataclass(frozen=True, slots=True)
class Fitted:
    """What an artefact's config holds of its out-of-fold posts."""

    calibration: Calibration
    #: shares of the classes among these posts
    priors: Priors
    #: p_support_request from which a post counts as a request
    support_request: float
    #: p of the likeliest intent below which a person should look
    low_confidence: float

    def judge(self, need: FloatArray, sentiment: FloatArray) -> Judged:
        """Calibrated probabilities and decisions from logits (n, 16) and (n, 3)."""
        p_need = apply_calibration(need, self.calibration.need)
        p_sentiment = apply_calibration(sentiment, self.calibration.sentiment)
        p_intent = intents(p_need)
        return Judged(
            need=p_need,
            p_sentiment=p_sentiment,
            sentiment_class=sentiment_classes(p_sentiment, self.priors.sentiment),
            is_request=p_intent[:, _SUPPORT] >= self.support_request,
            is_unsure=p_intent.max(axis=1) < self.low_confidence,
        )


def fit(oof: OutOfFold, decisions: DecisionConfig) -> Fitted:
    """Calibration first, then the thresholds on what it makes of the same posts."""
    calibration = fit_calibration(oof)
    p_intent = intents(apply_calibration(oof.need, calibration.need))
    return Fitted(
        calibration,
        fit_priors(oof.rows),
        support_threshold(p_intent[:, _SUPPORT], oof.rows.intent, decisions.support_recall),
        confidence_threshold(p_intent, decisions.review_share),
    )


def cross_fitted(oof: OutOfFold, decisions: DecisionConfig) -> Judged:
    """Judge every post by what is fitted on the others alone, for honest figures.

    The others are those of the other folds; of a single fold, those of four fifths.
    """
    folds = oof.folds
    if len(np.unique(folds)) == 1:
        folds = np.arange(len(folds)) % _PARTS
    need, p_sentiment = np.zeros_like(oof.need), np.zeros_like(oof.sentiment)
    is_request, is_unsure = np.zeros(len(folds), np.bool_), np.zeros(len(folds), np.bool_)
    sentiment_class = np.zeros(len(folds), np.int64)
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        fitted = fit(oof.take(np.flatnonzero(folds != fold)), decisions)
        judged = fitted.judge(oof.need[rows], oof.sentiment[rows])
        need[rows], p_sentiment[rows] = judged.need, judged.p_sentiment
        sentiment_class[rows] = judged.sentiment_class
        is_request[rows], is_unsure[rows] = judged.is_request, judged.is_unsure
    return Judged(need, p_sentiment, sentiment_class, is_request, is_unsure)


def fit_calibration(oof: OutOfFold) -> Calibration:
    """Vector scaling of both heads by penalised maximum likelihood (Guo et al. 2017, sec. 4.2)."""
    cells = label_cells(oof.rows)
    labels = torch.from_numpy(oof.rows.sentiment)
    return Calibration(
        need=_fit_head(oof.need, lambda logits: need_loss(logits, cells, 0.0)),
        sentiment=_fit_head(oof.sentiment, lambda logits: sentiment_loss(logits, labels, 0.0)),
    )


def fit_priors(rows: TrainingRows) -> Priors:
    """Shares of the classes among fully labelled rows; one pseudo-count spread over each head."""
    known = (rows.intent != MASKED) & (rows.urgency != MASKED)
    cell = rows.intent[known] * len(URGENCY_LEVELS) + rows.urgency[known]
    return Priors(
        need=_shares(cell, NEED_CELLS),
        sentiment=_shares(rows.sentiment[rows.sentiment != MASKED], len(SENTIMENT_LABELS)),
    )


def support_threshold(p_support: FloatArray, intent: IntArray, recall: float) -> float:
    """The highest p_support_request at which ``recall`` of the requests are found.

    Args:
        p_support: (n,) calibrated, out of fold.
        intent: (n,) labels.
        recall: share of the true requests that must lie at or above the threshold.
    """
    requests = np.sort(p_support[intent == _SUPPORT])
    missed = int(np.floor((1 - recall) * len(requests)))
    return float(np.floor(requests[missed] * 1e4) / 1e4)


def moved_threshold(
    threshold: float,
    before: FloatArray,
    after: FloatArray,
    is_kind: BoolArray,
    weights: FloatArray,
) -> float:
    """Where the threshold of a class belongs after a model was trained on.

    A threshold is a place among the probabilities of one model. Training on moves these: those of
    the class and of others apart, which is what was learnt, and all of them up or down alike,
    also where no label was given, which is drift. A threshold that stayed would call more posts or
    fewer than it was chosen for; one that went along with whatever moves would take back what was
    learnt. So it moves, in logits, by what posts of the class and others around it have in
    common: by the smaller of the two medians, or not at all if one rose and the other fell.

    A few wrong labels do not matter to a median, and no recall is counted: of a few hundred posts
    a handful would decide.

    Args:
        threshold: of the model before.
        before: (n,) probability of the class for each post by the model before.
        after: (n,) the same by the model that was trained on, or one like it that is blind to
            the post.
        is_kind: (n,) whether the post is of the class.
        weights: (n,) what each post counts.

    Returns:
        The threshold as it was if fewer than 20 posts of either kind lie around it.
    """
    place, old = _logit(np.array([threshold]))[0], _logit(before)
    near = (np.abs(old - place) < _NEAR) & (weights > 0)
    kinds = [near & is_kind, near & ~is_kind]
    if min(kind.sum() for kind in kinds) < _LEAST_NEAR:
        return threshold
    moved = _logit(after) - old
    one, other = (_weighted_median(moved[kind], weights[kind]) for kind in kinds)
    if one * other <= 0:
        return threshold
    shared = min(one, other, key=abs)
    return float(np.round(1 / (1 + np.exp(-(place + shared))), 4))


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _logit(p: FloatArray) -> FloatArray:
    inside = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return np.log(inside / (1 - inside))


def confidence_threshold(p_intent: FloatArray, share: float) -> float:
    """The p of the likeliest intent below which ``share`` of the posts lie; p is (n, 4)."""
    return float(np.round(np.quantile(p_intent.max(axis=1), share), 4))


def _fit_head(logits: FloatArray, loss: Callable[[Tensor], Tensor]) -> HeadCalibration:
    """Minimise the mean loss of scale * logits + bias; scale = temperature * class factor."""
    values = torch.from_numpy(logits)
    classes = logits.shape[1]
    common = torch.zeros((), dtype=torch.float64, requires_grad=True)
    own = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [common, own, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        scaled = torch.exp(common + own) * values + bias
        penalty = _SCALE_PENALTY * own.square().mean() + _BIAS_PENALTY * bias.square().mean()
        total = loss(scaled).mean() + penalty
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        scale = torch.exp(common + own)
        return HeadCalibration(
            scale=tuple(round(value, 6) for value in scale.tolist()),
            bias=tuple(round(value, 6) for value in bias.tolist()),
        )


def _shares(labels: IntArray, classes: int) -> tuple[float, ...]:
    counts = np.bincount(labels, minlength=classes) + 1 / classes
    return tuple((counts / counts.sum()).tolist())
