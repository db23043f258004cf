"""Out-of-fold predictions: what a recipe says of posts of companies that it has not seen."""

from dataclasses import dataclass

from replyrank.training.metrics import (
    FloatArray,
    auroc,
    average_precision,
    classwise_calibration_error,
    confusion,
    macro_f1,
    macro_recall,
    precision_recall_at,
    quadratic_kappa,
)
from replyrank.training.rows import TrainingRows


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Logits of n posts, each by a model that never saw its company, and their labels."""

    need: FloatArray  # (n, 16)
    sentiment: FloatArray  # (n, 3)
    rows: TrainingRows


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """The main figures of calibrated out-of-fold predictions."""

    rows: int
    #: name and value, in the order in which they are told
    figures: tuple[tuple[str, float], ...]


def fold_figures(
    rows: TrainingRows, need: FloatArray, p_sentiment: FloatArray, support_threshold: float
) -> FoldFigures:
    """Figures of n fully labelled posts.

    Args:
        rows: their labels.
        need: (n, 16) calibrated joint.
        p_sentiment: (n, 3) calibrated.
        support_threshold: p_support_request from which a post counts as a request.
    """
    joint = need.reshape(-1, 4, 4)
    p_intent, p_urgency = joint.sum(axis=2), joint.sum(axis=1)
    high, critical = rows.urgency >= 2, rows.urgency == 3  # noqa: PLR2004  (levels)
    precision, recall = precision_recall_at(rows.intent == 0, p_intent[:, 0], support_threshold)
    urgency = confusion(rows.urgency, p_urgency.argmax(axis=1), 4)
    figures = (
        ("intent macro-F1", macro_f1(confusion(rows.intent, p_intent.argmax(axis=1), 4))),
        ("urgency quadratic kappa", quadratic_kappa(urgency)),
        ("AUROC, urgency >= high", auroc(high, p_urgency[:, 2:].sum(axis=1))),
        (
            "average precision, urgency >= high",
            average_precision(high, p_urgency[:, 2:].sum(axis=1)),
        ),
        ("average precision, critical", average_precision(critical, p_urgency[:, 3])),
        (
            "sentiment macro-recall",
            macro_recall(confusion(rows.sentiment, p_sentiment.argmax(axis=1), 3)),
        ),
        ("support_request recall at the threshold", recall),
        ("support_request precision at the threshold", precision),
        ("calibration error of intent", classwise_calibration_error(rows.intent, p_intent)),
        (
            "calibration error of sentiment",
            classwise_calibration_error(rows.sentiment, p_sentiment),
        ),
    )
    return FoldFigures(len(rows), tuple((name, float(value)) for name, value in figures))
