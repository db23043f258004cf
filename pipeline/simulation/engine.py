"""The clock of the simulation: agents who are free take the next message, whatever comes first.

Work is non-preemptive: an agent finishes what he began. Everything is handled in the end. The
first response to a message is the end of its handling.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from replyrank.pipeline.policy import FloatArray

_ROOM: Final = 256


@dataclass(frozen=True)
class Workload:
    """n messages by arrival; times in minutes from the beginning."""

    #: (n,) not falling
    arrival: FloatArray
    #: (n,) minutes that an agent spends on it
    handling: FloatArray

    def __post_init__(self) -> None:
        """Check what the engine takes for granted; raises ``ValueError``."""
        if self.arrival.shape != self.handling.shape or self.arrival.ndim != 1:
            message = f"arrival {self.arrival.shape} and handling {self.handling.shape} differ"
            raise ValueError(message)
        if (np.diff(self.arrival) < 0).any() or (self.handling < 0).any():
            message = "arrivals must not fall, and no handling may be negative"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.arrival)


class Order(Protocol):
    """Who waits, and who is next."""

    def __len__(self) -> int:
        """How many wait."""
        ...

    def add(self, row: int) -> None:
        """A message arrives."""
        ...

    def take(self, now: float) -> int:
        """The message to handle next, which waits no longer."""
        ...


class FixedOrder:
    """Messages by a key that never changes, the smallest first; equal ones by arrival."""

    def __init__(self, key: Sequence[float] | FloatArray) -> None:
        self._key = [float(value) for value in key]
        self._waiting: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, row: int) -> None:
        """A message arrives."""
        heapq.heappush(self._waiting, (self._key[row], row))

    def take(self, now: float) -> int:  # noqa: ARG002  the clock does not matter here
        """The message of the smallest key."""
        return heapq.heappop(self._waiting)[1]


class ClockedOrder:
    """Messages by a value that the clock changes, the largest first; equal ones by arrival.

    Args:
        value: gives the values of some rows at a time.
        oldest: of so many messages taken one is the oldest, if it has waited longer than
            ``patience`` minutes; None takes none so.
        patience: see ``oldest``.
    """

    def __init__(
        self,
        value: Callable[[np.ndarray, float], FloatArray],
        *,
        oldest: int | None = None,
        patience: Callable[[int, float], bool] = lambda _row, _now: False,
    ) -> None:
        self._value = value
        self._oldest = oldest
        self._is_impatient = patience
        self._rows = np.empty(_ROOM, np.intp)
        self._count = self._taken = 0

    def __len__(self) -> int:
        return self._count

    def add(self, row: int) -> None:
        """A message arrives; rows come in the order of their arrival."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._count] = row
        self._count += 1

    def take(self, now: float) -> int:
        """The message of the largest value now, or the oldest where it is its turn."""
        self._taken += 1
        waiting = self._rows[: self._count]
        place = 0
        is_turn = self._oldest is not None and self._taken % self._oldest == 0
        if not (is_turn and self._is_impatient(int(waiting[0]), now)):
            # argmax takes the first of equals, and the rows stand by arrival.
            place = int(self._value(waiting, now).argmax())
        row = int(waiting[place])
        waiting[place:-1] = waiting[place + 1 :]
        self._count -= 1
        return row


def serve(work: Workload, agents: int, order: Order) -> FloatArray:
    """When the handling of each message begins.

    Args:
        work: n messages.
        agents: how many work at the same time.
        order: who is next; empty.

    Returns:
        (n,) minutes.
    """
    arrival, handling = work.arrival.tolist(), work.handling.tolist()
    free = [0.0] * agents
    begin = np.empty(len(work))
    next_row, now = 0, 0.0
    for _ in range(len(arrival)):
        # Not before the message that was taken last: two may arrive while several agents are free.
        now = max(now, free[0]) if len(order) else max(free[0], arrival[next_row])
        while next_row < len(arrival) and arrival[next_row] <= now:
            order.add(next_row)
            next_row += 1
        row = order.take(now)
        begin[row] = now
        heapq.heapreplace(free, now + handling[row])
    return begin
