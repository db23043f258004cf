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
#: letters of a token, on average; what every text costs, however short, in tokens
_LETTERS: Final = 4
_EACH: Final = 12


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
    #: tokens queued or running: of small requests, and of large ones
    small: int = 0
    large: int = 0
    #: tokens a second, of the batches so far
    rate: float = field(default=_FIRST_RATE)

    @property
    def inside(self) -> int:
        """All tokens that are queued or running."""
        return self.small + self.large

    def tokens(self, texts: list[str]) -> int:
        """About how many tokens texts have."""
        most = self.max_tokens
        return sum(min(len(text) // _LETTERS, most) + _EACH for text in texts)

    @property
    def wait(self) -> float:
        """Seconds until what is inside is done."""
        return self.inside / self.rate

    def enter(self, tokens: int, seconds_left: float, *, is_large: bool = False) -> Refusal | None:
        """Let a request in, or say why not.

        Small and large requests take turns, so that each waits for its own kind, and where the
        other is there for as much again.

        Args:
            tokens: its work.
            seconds_left: until its caller gives up.
            is_large: whether it is cut into chunks; it is known to take long, and only its own
                deadline bounds it.
        """
        own, other = (self.large, self.small) if is_large else (self.small, self.large)
        if own:
            needed = (own + tokens + min(other, own + tokens)) / self.rate
            if needed > seconds_left:
                return Refusal.DEADLINE
            if needed > self.max_wait and not is_large:
                return Refusal.FULL
        if is_large:
            self.large += tokens
        else:
            self.small += tokens
        return None

    def leave(self, tokens: int, *, is_large: bool = False) -> None:
        """A request is done, or was dropped."""
        if is_large:
            self.large -= tokens
        else:
            self.small -= tokens

    def measured(self, tokens: int, seconds: float) -> None:
        """A batch of so many tokens took so long."""
        if seconds > 0 and tokens:
            self.rate = _MEMORY * self.rate + (1 - _MEMORY) * tokens / seconds

    @property
    def retry_after(self) -> int:
        """Whole seconds after which there should be room."""
        return max(1, math.ceil(self.wait))
