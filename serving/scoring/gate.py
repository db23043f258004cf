"""Admission: one gate, counted in tokens, before anything waits.

What is queued and running may take no longer than a bound by the rate that was measured last. So
whoever is let in is answered in time, and whoever is not is told at once when to come again. An
empty queue takes any request: a large one is never refused for ever.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: before anything was measured, tokens a second
_FIRST_RATE: Final = 5_000.0
_MEMORY: Final = 0.9
#: letters of a token, on average; what stands at both ends of every text
_LETTERS: Final = 4
_ENDS: Final = 2


class Refusal(StrEnum):
    """Why a request is not let in."""

    FULL = "full"
    DEADLINE = "deadline"


@dataclass(slots=True)
class Gate:
    """Counts the work inside; used from the event loop alone.

    Args:
        max_wait: seconds of work that may be inside.
        max_tokens: the most of one text.
    """

    max_wait: float
    max_tokens: int
    #: tokens queued or running
    inside: int = 0
    #: tokens a second, of the batches so far
    rate: float = field(default=_FIRST_RATE)

    def tokens(self, texts: list[str]) -> int:
        """About how many tokens texts have."""
        most = self.max_tokens
        return sum(min(len(text) // _LETTERS + _ENDS, most) for text in texts)

    @property
    def wait(self) -> float:
        """Seconds until what is inside is done."""
        return self.inside / self.rate

    def enter(self, tokens: int, seconds_left: float) -> Refusal | None:
        """Let a request in, or say why not.

        Args:
            tokens: its work.
            seconds_left: until its caller gives up.
        """
        if self.inside:
            needed = (self.inside + tokens) / self.rate
            if needed > seconds_left:
                return Refusal.DEADLINE
            if needed > self.max_wait:
                return Refusal.FULL
        self.inside += tokens
        return None

    def leave(self, tokens: int) -> None:
        """A request is done, or was dropped."""
        self.inside -= tokens

    def measured(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens took so long."""
        if seconds > 0 and tokens:
            self.rate = _MEMORY * self.rate + (1 - _MEMORY) * tokens / seconds

    @property
    def retry_after(self) -> int:
        """Whole seconds after which there should be room."""
        return max(1, math.ceil(self.wait))
