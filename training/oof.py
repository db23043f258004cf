"""Out-of-fold predictions: what a recipe says of posts of companies that it has not seen."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.data.vocabulary import INTENTS, Intent, UrgencyLevel
from replyrank.models.joint import intents, levels
from replyrank.pipeline.index import queue_index
from replyrank.pipeline.policy_file import load_policy
from replyrank.training.evaluate import TOP_SHARE
from replyrank.training.metrics import (
    BoolArray,
    FloatArray,
    IntArray,
    auroc,
    average_precision,
    calibration_error,
    classwise_calibration_error,
    confusion,
    macro_f1,
    macro_recall,
    precision_recall_at,
    quadratic_kappa,
    share_in_top,
)
from replyrank.training.rows import TrainingRows

_SUPPORT: Final = INTENTS.index(Intent.SUPPORT_REQUEST)


@dataclass(frozen=True, slots=True)
class Logits:
    """What one graph says of n posts."""

    need: FloatArray  # (n, 16)
    sentiment: FloatArray  # (n, 3)


@dataclass(frozen=True, slots=True)
class FoldLogits:
    """What the model that is blind to a fold says of its posts, before and after quantisation."""

    #: (n,) positions of the posts
    rows: IntArray
    fp32: Logits
    int8: Logits


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Logits of n posts, each by a model that never saw its company, and their labels."""

    need: FloatArray  # (n, 16)
    sentiment: FloatArray  # (n, 3)
    rows: TrainingRows
    #: (n,) the fold that each post was kept aside with
    folds: IntArray
    #: (n,) number of each post's company, -1 for none
    companies: IntArray

    def take(self, rows: IntArray) -> "OutOfFold":
        """The posts at some positions."""
        return OutOfFold(
            self.need[rows],
            self.sentiment[rows],
            self.rows.take(rows),
            self.folds[rows],
            self.companies[rows],
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What a calibrated model says of n posts, decisions by its thresholds included."""

    need: FloatArray  # (n, 16)
    p_sentiment: FloatArray  # (n, 3)
    #: (n,) whether p_support_request reaches the threshold
    is_request: BoolArray
    #: (n,) whether the likeliest intent falls below the threshold of ``low_confidence``
    is_unsure: BoolArray

    @property
    def p_intent(self) -> FloatArray:
        """(n, 4): sums of the joint over levels."""
        return intents(self.need)

    @property
    def p_urgency(self) -> FloatArray:
        """(n, 4): sums of the joint over intents."""
        return levels(self.need)


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """The main figures of calibrated out-of-fold predictions."""

    rows: int
    #: name and value, in the order in which they are told
    figures: tuple[tuple[str, float], ...]


def fold_figures(rows: TrainingRows, judged: Judged) -> FoldFigures:
    """Figures of n fully labelled posts; the queue's at equal age, channel and reach."""
    p_intent, p_urgency = judged.p_intent, judged.p_urgency
    high = rows.urgency >= UrgencyLevel.HIGH.value
    critical = rows.urgency == UrgencyLevel.CRITICAL.value
    p_high = p_urgency[:, UrgencyLevel.HIGH.value :].sum(axis=1)
    intent, sentiment = p_intent.argmax(axis=1), judged.p_sentiment.argmax(axis=1)
    f1 = macro_f1(confusion(rows.intent, intent, 4))
    sure = confusion(rows.intent[~judged.is_unsure], intent[~judged.is_unsure], 4)
    precision, recall = precision_recall_at(
        rows.intent == _SUPPORT, judged.is_request.astype(np.float64), 0.5
    )
    p_critical = p_urgency[:, UrgencyLevel.CRITICAL.value]
    in_top = share_in_top(critical, queue_index(judged.need, load_policy()), TOP_SHARE)
    figures = (
        ("intent macro-F1", f1),
        ("urgency quadratic kappa", quadratic_kappa(confusion(
            rows.urgency, p_urgency.argmax(axis=1), 4
        ))),
        ("AUROC, urgency >= high", auroc(high, p_high)),
        ("average precision, urgency >= high", average_precision(high, p_high)),
        ("average precision, critical", average_precision(critical, p_critical)),
        ("critical posts in the top 20 % by index", in_top),
        ("sentiment macro-recall", macro_recall(confusion(rows.sentiment, sentiment, 3))),
        ("support_request recall at the threshold", recall),
        ("support_request precision at the threshold", precision),
        ("calibration error of intent", classwise_calibration_error(rows.intent, p_intent)),
        ("calibration error of urgency >= high", calibration_error(high, p_high)),
        (
            "calibration error of sentiment",
            classwise_calibration_error(rows.sentiment, judged.p_sentiment),
        ),
        ("share of low_confidence", judged.is_unsure.mean()),
        ("gain of intent macro-F1 without low_confidence", macro_f1(sure) - f1),
    )  # fmt: skip
    return FoldFigures(len(rows), tuple((name, float(value)) for name, value in figures))
