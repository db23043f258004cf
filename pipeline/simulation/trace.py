"""Real arrivals: a trace read from a file, and stretches of it brought to a load."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from replyrank.data.errors import UsageError
from replyrank.data.messages import Message
from replyrank.data.readers import Notice, Problem, ReadOptions, Record, open_source
from replyrank.data.vocabulary import Visibility
from replyrank.pipeline.index import reach_factor
from replyrank.pipeline.policy import FloatArray, IntArray, Policy
from replyrank.pipeline.simulation.scenarios import Scenarios

#: fewer arrivals tell nothing of a rhythm
LEAST_MESSAGES: Final = 100
_HOUR: Final = 3600
_HOURS: Final = 24
#: the slowest pace of an hour in which hardly anybody writes, beside the mean
_SLOWEST: Final = 0.02
_WEEK: Final = 7 * 24 * _HOUR
#: a week with less than this share of what a usual one brings is none of the team's
_EMPTY: Final = 0.01
#: below so many messages in a usual week, an empty one may be chance
_LEAST_WEEK: Final = 20


@dataclass(frozen=True)
class Trace:
    """n arrivals in their order, with what decides their targets and their audience."""

    name: str
    #: (n,) minutes since the first, not falling
    minutes: FloatArray
    #: (n,) the same on a clock that runs as fast as messages usually come at that hour of the day
    usual: FloatArray
    #: (n,) target of the channel in minutes
    channel_target: FloatArray
    #: (n,) factor for the audience
    reach: FloatArray
    #: n texts as they stand in the input
    texts: tuple[object, ...]
    #: weeks in which hardly anybody wrote, and the messages of them: they are left out
    empty_weeks: int = 0
    left_out: int = 0

    def __len__(self) -> int:
        """Number of arrivals."""
        return len(self.minutes)

    @property
    def days(self) -> float:
        """From the first arrival to the last."""
        return float(self.minutes[-1]) / (24 * 60)


def read_trace(
    source: str | Path,
    options: ReadOptions,
    scenarios: Scenarios,
    policy: Policy,
    on_problem: Callable[[Problem], None] = lambda _problem: None,
) -> Trace:
    """Read arrival times, channels, audiences and texts of a file, whatever its order.

    Args:
        source: a path, or ``-`` for stdin.
        options: how it is read.
        scenarios: say what a message counts as where the file does not.
        policy: gives targets and the factor for the audience.
        on_problem: called for each row that is left out or read with doubt.

    Raises:
        UsageError: if the file cannot be read, or holds fewer than ``LEAST_MESSAGES`` times.
    """
    messages: list[Message] = []
    texts: list[object] = []
    with open_source(source, options) as opened:
        for found in opened.records():
            if not isinstance(found, Record):
                on_problem(found)
                continue
            for notice in found.notices:
                on_problem(notice)
            if found.message.created_at is None:
                on_problem(
                    Notice("no time of arrival; the row does not count", found.line, found.unit)
                )
                continue
            messages.append(found.message)
            texts.append(found.text)
        name = Path(opened.name).name
    if len(messages) < LEAST_MESSAGES:
        message = f"{name} has {len(messages)} messages with a time of arrival; a replay needs "
        message += f"{LEAST_MESSAGES}; name the column with --column created_at=NAME"
        raise UsageError(message)
    return make_trace(name, messages, texts, scenarios, policy)


def make_trace(
    name: str,
    messages: Sequence[Message],
    texts: Sequence[object],
    scenarios: Scenarios,
    policy: Policy,
) -> Trace:
    """The trace of messages that all have a time; see ``read_trace``.

    Exports reach back to a few old messages, or miss months. Brought to a load, such a hole would
    make a storm of what stands around it, so weeks in which hardly anybody wrote are left out.
    """
    seconds = np.array([m.created_at.timestamp() for m in messages if m.created_at is not None])
    order = np.argsort(seconds, kind="stable")
    targets, followers = np.zeros(len(messages)), np.zeros(len(messages))
    for row, message in enumerate(messages):
        channel = message.channel or scenarios.channel
        seen_by = policy.visibility(channel, message.visibility)
        targets[row] = policy.target_minutes(channel, seen_by)
        followers[row] = (message.reach or 0) if seen_by is Visibility.PUBLIC else 0
    kept, seconds, empty_weeks = _without_empty_weeks(seconds[order])
    order = order[kept]
    return Trace(
        name=name,
        minutes=(seconds - seconds[0]) / 60,
        usual=_usual_clock(seconds),
        channel_target=targets[order],
        reach=reach_factor(followers, policy)[order],
        texts=tuple(texts[row] for row in order),
        empty_weeks=empty_weeks,
        left_out=len(messages) - len(order),
    )


def _without_empty_weeks(seconds: FloatArray) -> tuple[IntArray, FloatArray, int]:
    """Times, not falling, without the weeks in which hardly anybody wrote.

    Weeks are counted back from the last message. A usual week is the one in which the median
    message was written: many weeks with a few messages each do not change it. What lies before
    a week that is left out moves on by seven days, so that days and hours stay what they are.

    Returns:
        (k,) places of those that are kept; (k,) their times, moved by whole weeks; the weeks.
    """
    week = ((seconds[-1] - seconds) // _WEEK).astype(np.int64)
    counts = np.bincount(week)
    usual = float(np.median(counts[week]))
    if usual < _LEAST_WEEK:
        return np.arange(len(seconds)), seconds, 0
    empty = counts < _EMPTY * usual
    # The file may begin in the midst of a week.
    empty[-1] &= len(empty) == 1 or bool(empty[-2])
    # of each week: how many are left out between it and the last message
    before: IntArray = np.cumsum(empty) - empty
    kept = np.flatnonzero(~empty[week])
    return kept, seconds[kept] + _WEEK * before[week[kept]], int(empty.sum())


def _usual_clock(seconds: FloatArray) -> FloatArray:
    """(n,) minutes on the clock of the usual day, which is as long as any other.

    An hour of the day counts by its share of all arrivals. A team that is rostered by the hour
    sees what is left: storms and lulls of single days, and bursts.
    """
    hour = (seconds // _HOUR).astype(np.int64) % _HOURS
    pace = np.bincount(hour, minlength=_HOURS).astype(float)
    # The days of a trace begin and end somewhere: an hour counts by how often it was there.
    first, last = int(seconds[0] // _HOUR), int(seconds[-1] // _HOUR)
    times = np.bincount(np.arange(first, last + 1) % _HOURS, minlength=_HOURS)
    pace = pace / np.maximum(times, 1)
    pace = np.maximum(pace / pace.mean(), _SLOWEST)
    whole = np.concatenate([[0.0], np.cumsum(pace[np.arange(first, last + 1) % _HOURS])])
    place = (seconds // _HOUR).astype(np.int64) - first
    passed = whole[place] + (seconds % _HOUR) / _HOUR * pace[hour]
    minutes: FloatArray = (passed - passed[0]) * 60
    return minutes


def stretch(
    trace: Trace, start: int, count: int, minutes: float, *, rostered: bool, swing: float = 0.0
) -> tuple[FloatArray, IntArray]:
    """``count`` arrivals in a row from the ``start``-th on, in so many minutes.

    Time is stretched or squeezed evenly, so that bursts and lulls stay what they are beside the
    mean. Behind the last arrival of the trace follows its first, after a gap of mean length.

    Args:
        trace: the arrivals.
        start: the first of them.
        count: how many.
        minutes: to put them in.
        rostered: whether the usual rhythm of the day is taken out.
        swing: of a rhythm that is put in, 0.3 for 30 % more and less within a day.

    Returns:
        (count,) minutes from the beginning of the stretch; (count,) rows of the trace.
    """
    n = len(trace)
    clock = trace.usual if rostered else trace.minutes
    gaps = np.diff(clock, append=clock[-1] * n / max(n - 1, 1))
    rows = (start + np.arange(count)) % n
    taken = gaps[rows]
    total = taken.sum()
    if total == 0:
        return np.linspace(0, minutes, count, endpoint=False), rows
    # Sums from the left, so that rounding never lets a time fall behind the one before it.
    even = np.minimum(np.cumsum(np.append(0.0, taken[:-1])) * (minutes / total), minutes)
    return (_swung(even, minutes, swing) if swing else even), rows


def _swung(even: FloatArray, minutes: float, swing: float) -> FloatArray:
    """Times at which 1 + swing * sin(2 pi t / day), added up, reaches those of an even flow."""
    time = np.linspace(0, minutes, int(minutes) + 2)
    day = 2 * np.pi / (_HOURS * 60)
    reached = time + swing / day * (1 - np.cos(day * time))
    # Of a stretch that is no whole number of days, the end stays the end.
    return np.interp(even, reached * (minutes / reached[-1]), time)
