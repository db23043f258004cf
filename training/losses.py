"""Losses: likelihood of what is known of a label."""

import torch
from torch import Tensor

#: Sentiment of rows that have none.
IGNORE = -1


def need_loss(logits: Tensor, cells: Tensor, smoothing: float) -> Tensor:
    """Negative log-likelihood of the labelled margin of the joint, per row.

    A row that labels intent and urgency has one compatible cell, and this is cross-entropy;
    a row that labels only one of them has four, and this is the likelihood of that margin;
    a row that labels neither has all sixteen and costs nothing.

    Args:
        logits: (n, 16).
        cells: (n, 16), 1 where a cell agrees with the labels.
        smoothing: share of the target that is spread evenly over all cells.

    Returns:
        (n,) losses in nats.
    """
    log_p = torch.log_softmax(logits, dim=1)
    known = torch.logsumexp(log_p.masked_fill(cells == 0, float("-inf")), dim=1)
    labelled = (cells.min(dim=1).values == 0).to(logits.dtype)
    spread = log_p.mean(dim=1) * labelled
    # Exactly 0, and not its rounding, for a row without labels.
    return -((1 - smoothing) * known * labelled + smoothing * spread)


def sentiment_loss(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy per row, 0 for rows whose label is ``IGNORE``; (n, 3), (n,) -> (n,) nats."""
    return torch.nn.functional.cross_entropy(
        logits, labels, ignore_index=IGNORE, reduction="none", label_smoothing=smoothing
    )


def soft_loss(logits: Tensor, told: Tensor) -> Tensor:
    """Cross-entropy with a distribution per row; (n, k), (n, k) -> (n,) nats."""
    return torch.nn.functional.cross_entropy(logits, told, reduction="none")
