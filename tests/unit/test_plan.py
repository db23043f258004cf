"""The plan's clock: how many rows a second a stage takes."""

from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs torch (extra train)")

import torch

from replyrank.training.plan import PlannedStage, rows_per_second


class _Rows:
    def batch_rows(self, batch_size: int, _seed: int) -> list[list[int]]:
        return [[row] * batch_size for row in range(2)]

    def batch(self, rows: Sequence[int]) -> Sequence[int]:
        return rows


class _Config:
    batch_size = 4


class _Stage:
    """A stage whose updates take two seconds each, but the first, which takes a hundred."""

    def __init__(self) -> None:
        self.rows, self.config, self.seed = _Rows(), _Config(), 1
        self.now = 0.0

    def update(self, _batch: Any) -> torch.Tensor:
        self.now += 2.0 if self.now else 100.0
        return torch.zeros(())


def test_the_first_update_warms_up_and_short_epochs_repeat() -> None:
    stage: Any = _Stage()
    assert rows_per_second(stage, steps=5, clock=lambda: stage.now) == pytest.approx(2.0)


def test_a_stage_that_is_done_takes_no_time() -> None:
    assert PlannedStage("x", 1_200, 10.0).minutes == 2.0
    assert PlannedStage("x", 1_200, 10.0, done=True).minutes == 0.0
