"""Admission: one gate, counted in tokens, before anything waits.

What is queued and running may take no longer than a bound by the rate that was measured last. So
whoever is let in is answered in time, and whoever is not is told at once when to come again. An
empty queue takes any request: a large one is never refused for ever.

A burst may wait for as long as the bound. A queue that is full and does not empty any more is no
burst: more comes than can be done, and a long line only makes everybody wait longer. Then the bound
is a quarter (controlled delay: Nichols and Jacobson 2012, ACM Queue 10(5); for servers Maurer 2015,
ACM Queue 13(8)). A line that short is done in one batch, and empty for a moment when that ends; so
it stays short for as long as more is asked for than can be done.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

#: before anything was measured, tokens a second
_FIRST_RATE: Final = 5_000.0
_MEMORY: Final = 0.9
#: of the bound, where the queue does not empty any more
_STANDING: Final = 0.25
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
        max_wait: seconds of work that may be inside; once that is full and was not empty for as
            many, a quarter of that, until no more is asked for than can be done.
        max_tokens: the most of one text.
        clock: of seconds that never go back.
    """

    max_wait: float
    max_tokens: int
    clock: Callable[[], float] = time.monotonic
    #: tokens queued or running: of small requests, and of large ones
    small: int = 0
    large: int = 0
    #: tokens a second, of the batches so far
    rate: float = field(default=_FIRST_RATE)
    #: tokens and seconds that this is made of, the latest counting most
    _tokens: float = field(default=_FIRST_RATE / 10)
    _seconds: float = field(default=0.1)
    #: when the latest batch ended, when no small request was inside the last time, and when one
    #: was refused because of those before it
    _ended: float = field(default=-math.inf)
    _empty: float = field(default=-math.inf)
    _refused: float = field(default=-math.inf)
    #: whether more comes than can be done; since when it is counted, and the tokens asked for
    _is_flooded: bool = False
    _since: float = 0.0
    _asked: int = 0

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
        now = self.clock()
        self._look(now)
        self._asked += 0 if is_large else tokens
        own, other = (self.large, self.small) if is_large else (self.small, self.large)
        if own:
            needed = (own + tokens + min(other, own + tokens)) / self.rate
            if needed > seconds_left:
                return Refusal.DEADLINE
            if needed > self.bound and not is_large:
                # Not where the line is short and the newcomer too big for it.
                if own + min(other, own) > self.max_wait * self.rate / 2:
                    self._refused = now
                return Refusal.FULL
        if is_large:
            self.large += tokens
        else:
            if not self.small:
                self._empty = now
            self.small += tokens
        return None

    def _look(self, now: float) -> None:
        """Find out whether a flood has begun, or is over."""
        if not self._is_flooded:
            is_full = now - self._refused <= self.max_wait
            is_standing = self.small > 0 and now - self._empty > self.max_wait
            self._is_flooded = is_full and is_standing
        elif now - self._since > self.max_wait:
            self._is_flooded = self._asked > self.rate * (now - self._since)
        else:
            return
        self._since, self._asked = now, 0

    def leave(self, tokens: int, *, is_large: bool = False) -> None:
        """A request is done, or was dropped."""
        if is_large:
            self.large -= tokens
        else:
            self.small -= tokens

    @property
    def bound(self) -> float:
        """Seconds of work that may be inside now."""
        return self.max_wait * _STANDING if self._is_flooded else self.max_wait

    def measured(self, tokens: int, begun: float) -> None:
        """A batch of so many tokens, begun by the clock at a time, ends now.

        Of a batch that waited for the one before it, what counts begins with that one's end: so
        all is in it that a batch costs, and not its computing alone.
        """
        now = self.clock()
        seconds = now - max(begun, self._ended)
        self._ended = now
        if seconds > 0 and tokens:
            self._tokens = _MEMORY * self._tokens + tokens
            self._seconds = _MEMORY * self._seconds + seconds
            self.rate = self._tokens / self._seconds

    @property
    def retry_after(self) -> int:
        """Whole seconds after which there should be room."""
        return max(1, math.ceil(self.wait))
