"""Losses: the likelihood of what is known of a label."""

import math

import pytest

pytest.importorskip("torch", reason="losses need torch (extra train)")

import torch

from replyrank.models.encoder import compatible_cells
from replyrank.training.losses import need_loss, sentiment_loss


def test_compatible_cells_are_row_major() -> None:
    assert compatible_cells(1, 2).nonzero().flatten().tolist() == [6]
    assert compatible_cells(1, None).nonzero().flatten().tolist() == [4, 5, 6, 7]
    assert compatible_cells(None, 2).nonzero().flatten().tolist() == [2, 6, 10, 14]
    assert compatible_cells(None, None).tolist() == [1.0] * 16


@pytest.mark.parametrize(
    ("intent", "urgency", "share"),
    # p is 1/32 in each cell but the first, which has 17/32.
    [(0, 0, 17 / 32), (0, None, 20 / 32), (None, 0, 20 / 32), (2, None, 4 / 32), (3, 3, 1 / 32)],
)
def test_need_loss_by_hand(intent: int | None, urgency: int | None, share: float) -> None:
    logits = torch.zeros(1, 16, dtype=torch.float64)
    logits[0, 0] = math.log(17)
    loss = need_loss(logits, compatible_cells(intent, urgency)[None], 0.0)
    assert loss.tolist() == pytest.approx([-math.log(share)])


def test_smoothing_by_hand() -> None:
    logits = torch.zeros(1, 16, dtype=torch.float64)
    logits[0, 0] = math.log(17)
    spread = -(math.log(17 / 32) + 15 * math.log(1 / 32)) / 16
    loss = need_loss(logits, compatible_cells(0, 0)[None], 0.1)
    assert loss.tolist() == pytest.approx([0.9 * -math.log(17 / 32) + 0.1 * spread])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_cell_is_cross_entropy(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(16, 16, dtype=torch.float64)
    cells = torch.eye(16)
    expected = torch.nn.functional.cross_entropy(
        logits, torch.arange(16), reduction="none", label_smoothing=smoothing
    )
    torch.testing.assert_close(need_loss(logits, cells, smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_row_without_labels_costs_nothing(smoothing: float) -> None:
    torch.manual_seed(0)
    need = (10 * torch.randn(3, 16)).requires_grad_()
    sentiment = (10 * torch.randn(3, 3)).requires_grad_()
    cells = torch.stack([compatible_cells(None, None), compatible_cells(0, 1), torch.ones(16)])
    losses = need_loss(need, cells, smoothing)
    losses = losses + sentiment_loss(sentiment, torch.tensor([-1, 2, -1]), smoothing)
    assert losses[0] == losses[2] == 0
    assert losses[1] > 0
    losses.sum().backward()  # type: ignore[no-untyped-call]
    for gradient in (need.grad, sentiment.grad):
        assert gradient is not None
        assert gradient[0].count_nonzero() == gradient[2].count_nonzero() == 0
        assert gradient[1].isfinite().all()
        assert gradient[1].count_nonzero() > 0


def test_sentiment_loss_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64))
    losses = sentiment_loss(logits, torch.tensor([1, 2]), 0.0)
    assert losses.tolist() == pytest.approx([math.log(4), -math.log(0.8)])


def test_extreme_logits_stay_finite() -> None:
    logits = torch.full((1, 16), -1e4)
    logits[0, 0] = 1e4
    logits.requires_grad_()
    loss = need_loss(logits, compatible_cells(3, None)[None], 0.0)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(2e4 - math.log(4), rel=1e-6)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
