"""What a run will do and how long that should take on this machine, told before it begins."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from replyrank.training.fitting import Stage


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage of optimisation."""

    what: str
    #: rows that it sees, each as often as its epochs say
    rows: int
    rows_per_second: float
    #: whether its result is in the work folder already
    done: bool = False

    @property
    def minutes(self) -> float:
        """How long it should take from here; export and checks come on top."""
        return 0.0 if self.done else self.rows / self.rows_per_second / 60

    def __str__(self) -> str:
        when = "done" if self.done else f"{self.minutes:.0f} min"
        return f"{self.what}: {self.rows:,} rows, {when}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All stages of a run, in their order; what teachers say of the texts comes on top."""

    stages: tuple[PlannedStage, ...]

    @property
    def minutes(self) -> float:
        """Of optimisation."""
        return sum(stage.minutes for stage in self.stages)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.stages), f"in all about {self.minutes:.0f} min"])


def rows_per_second(
    stage: Stage[Any], steps: int = 6, clock: Callable[[], float] = time.monotonic
) -> float:
    """Rows a second over some real updates, after one to warm up."""
    # A small training set has fewer batches than are timed.
    epoch = stage.rows.batch_rows(stage.config.batch_size, stage.seed)
    batches = list(islice(cycle(epoch), steps + 1))
    # A GPU is waited for: its updates are only begun when they return.
    stage.update(stage.rows.batch(batches[0])).item()
    start = clock()
    for rows in batches[1:]:
        stage.update(stage.rows.batch(rows)).item()
    return sum(map(len, batches[1:])) / max(clock() - start, 1e-9)
