"""Open hours: how many of the minutes between two times the team was there.

A calendar is a set of weekly intervals on the wall clock of one time zone. A moment is open
if the wall clock then stands inside an interval. Hence an interval that daylight saving
time skips is not open on that day, and one that it repeats is open twice.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

DAY: Final = 86_400
_MINUTE: Final = 60
_DAYS: Final = 7
_INTERVAL: Final = re.compile(r"(\d\d):([0-5]\d)\s*-\s*(\d\d):([0-5]\d)")
# Day 0 of the Unix clock, 1 January 1970, was a Thursday; Monday is 0.
_WEEKDAY_OF_DAY_0: Final = 3
# No calendar looks beyond this: 1 January 9999, in seconds of the Unix clock.
_LAST: Final = 253_370_764_800

Interval = tuple[int, int]
"""Opening and closing time in seconds after midnight of the wall clock."""


def parse_interval(text: str) -> Interval:
    """Read ``09:00-17:30`` as seconds after midnight; a day may close at 24:00.

    Raises:
        ValueError: if the text is no such interval, or closes before it opens.
    """
    match = _INTERVAL.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is not an opening time; write HH:MM-HH:MM, such as 09:00-17:30"
        raise ValueError(message)
    h1, m1, h2, m2 = (int(part) for part in match.groups())
    opens, closes = (h1 * 60 + m1) * _MINUTE, (h2 * 60 + m2) * _MINUTE
    if not opens < closes <= DAY:
        message = f"{text!r} does not close after it opens, by 24:00 at the latest; "
        message += "split an interval that crosses midnight into two days"
        raise ValueError(message)
    return opens, closes


def _check_day(day: Sequence[Interval]) -> None:
    ordered = sorted(day)
    for (_, closes), (opens, _) in itertools.pairwise(ordered):
        if opens < closes:
            message = f"two opening times of a day overlap at {_clock(opens)}; join them into one"
            raise ValueError(message)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // _MINUTE:02d}"


def _seconds(moment: datetime) -> float:
    if moment.tzinfo is None:
        message = f"{moment.isoformat()} has no time zone; give one, such as +00:00"
        raise ValueError(message)
    return moment.timestamp()


@dataclass(frozen=True)
class Calendar:
    """Weekly open hours on the wall clock of a time zone; no week means always open."""

    zone: ZoneInfo
    #: seven days from Monday, each with its intervals in seconds after midnight
    week: tuple[tuple[Interval, ...], ...] | None = None

    def __post_init__(self) -> None:
        """Refuse a week that has not seven days, overlaps, or is never open."""
        if self.week is None:
            return
        if len(self.week) != _DAYS:
            message = f"the week has {len(self.week)} days; give 7, from Monday"
            raise ValueError(message)
        for day in self.week:
            _check_day(day)
        if not any(self.week):
            message = "no day of the week has opening times; give at least one, or be always open"
            raise ValueError(message)

    def open_minutes(self, start: datetime, end: datetime) -> float:
        """Open minutes from ``start`` to ``end``; 0 if ``end`` is not later.

        Raises:
            ValueError: if a time has no time zone.
        """
        return float(self.ages([start], end)[0])

    def ages(self, starts: Sequence[datetime], now: datetime) -> npt.NDArray[np.float64]:
        """Open minutes from each of n starts to ``now``, shape (n,); 0 for later starts.

        Raises:
            ValueError: if a time has no time zone.
        """
        return self.ages_of(np.array([_seconds(start) for start in starts], dtype=float), now)

    def ages_of(self, starts: npt.NDArray[np.float64], now: datetime) -> npt.NDArray[np.float64]:
        """The same for (n,) starts in seconds of the Unix clock."""
        end = _seconds(now)
        begin = np.minimum(starts, end)
        if self.week is None or begin.size == 0:
            waited: npt.NDArray[np.float64] = (end - begin) / _MINUTE
            return waited
        pieces = np.array(list(self._open(float(begin.min()), end)), dtype=float).reshape(-1, 2)
        opens, closes = pieces[:, 0], pieces[:, 1]
        # after[i]: open seconds from piece i on; a start inside piece i loses what went before.
        after = np.append(np.cumsum((closes - opens)[::-1])[::-1], 0.0)
        piece = np.searchsorted(closes, begin, side="right")
        inside = np.append(opens, end)[piece]
        open_seconds: npt.NDArray[np.float64] = after[piece] - np.maximum(begin - inside, 0.0)
        return open_seconds / _MINUTE

    def after(self, start: datetime, minutes: float) -> datetime:
        """The time, in UTC, at which ``minutes`` open minutes have passed since ``start``.

        Raises:
            ValueError: if ``start`` has no time zone.
        """
        begin, left = _seconds(start), minutes * _MINUTE
        if self.week is None:
            return datetime.fromtimestamp(begin, UTC) + timedelta(seconds=left)
        for opens, closes in self._open(begin, _LAST):
            if closes - opens >= left:
                return datetime.fromtimestamp(opens + left, UTC)
            left -= closes - opens
        message = f"the calendar ends before {minutes:g} open minutes after {start.isoformat()}; "
        message += "check that time"
        raise ValueError(message)

    def _open(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """Open pieces in seconds of the Unix clock, in order, disjoint, within begin to end."""
        day = int(begin // DAY)
        while day * DAY < end:
            for first, last, offset in self._offsets(day * DAY, (day + 1) * DAY):
                for opens, closes in self._on_the_wall(first + offset, last + offset):
                    left = max(opens - offset, begin)
                    right = min(closes - offset, end)
                    if left < right:
                        yield left, right
            day += 1

    def _on_the_wall(self, first: int, last: int) -> Iterator[Interval]:
        """Open pieces of a stretch of wall clock, in wall seconds since 1970."""
        for day in range(first // DAY, -(-last // DAY)):
            for opens, closes in sorted((self.week or ())[(day + _WEEKDAY_OF_DAY_0) % _DAYS]):
                piece = max(day * DAY + opens, first), min(day * DAY + closes, last)
                if piece[0] < piece[1]:
                    yield piece

    def _offsets(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """Stretches of constant offset from UTC: (first, last, offset), all in seconds."""
        before, after = self._offset(first), self._offset(last - 1)
        if before == after:
            return [(first, last, before)]
        low, high = first, last - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return [(first, high, before), (high, last, after)]

    def _offset(self, second: int) -> int:
        offset = datetime.fromtimestamp(second, self.zone).utcoffset()
        return int((offset or timedelta()).total_seconds())
