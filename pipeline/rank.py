"""Put open messages in the order in which waiting costs the customers least."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.errors import UsageError
from replyrank.data.messages import Message
from replyrank.data.vocabulary import Review, Visibility
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.index import (
    Index,
    class_posterior,
    due_minutes,
    index,
    reach_factor,
    repeat_factor,
    sort_key,
)
from replyrank.pipeline.policy import FloatArray, Guard, Policy
from replyrank.pipeline.reason import explain
from replyrank.pipeline.threads import Item, group, message_id, weigh

_MINUTES_PER_HOUR: Final = 60
# An older arrival is a mistake in the data, and its open hours would take long to count.
_OLDEST: Final = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class RankedItem:
    """One place of the ranked list."""

    #: from 1
    rank: int
    #: id of the item's first message
    id: str
    #: ids of all its messages, first arrival first
    message_ids: tuple[str, ...]
    #: their positions among the messages given
    rows: tuple[int, ...]
    #: expected harm in points per agent-minute
    index: float
    #: when the chance that the answer is already due reaches the policy's ``due_chance``; UTC
    due: datetime
    #: minutes since the first message, in open hours
    age_minutes: float
    #: p of each class, in the order of ``POLICY_CLASSES``
    posterior: tuple[float, ...]
    #: the place was given by the guard against starvation, not by the index
    guarded: bool
    #: one line with the very numbers of the index
    reason: str


def rank(
    messages: Sequence[Message],
    scores: ScoreBatch,
    policy: Policy,
    now: datetime | None = None,
    *,
    replay: bool = False,
    priors: Sequence[float] | None = None,
) -> list[RankedItem]:
    """Rank open messages.

    A message without ``created_at``, or with one in the future, counts as arriving now. One
    that could not be scored ranks by the priors that stand in its scores.

    Args:
        messages: n open messages, none of them answered.
        scores: their n scores, in the same order.
        policy: the numbers.
        now: the time to rank at, with a time zone; without it the clock.
        replay: rank at the latest ``created_at`` instead of the clock; one that the clock has
            not reached counts only where all are such.
        priors: (16,), the need priors of the model that scored (``config.priors.need``); they
            weigh the evidence of follow-ups. Without them the policy's shares do.

    Returns:
        the items, first the one to answer first; equal ones by arrival, then id.

    Raises:
        UsageError: if ``now`` has no time zone or contradicts ``replay``.
        ValueError: if messages and scores differ in number.
    """
    if len(messages) != len(scores):
        message = f"{len(messages)} messages and {len(scores)} scores; give one score a message"
        raise ValueError(message)
    moment = _moment(messages, now, replay=replay)
    items = group(messages, [_arrival(message, moment) for message in messages], policy)
    ages = policy.calendar.calendar.ages([item.arrival for item in items], moment)
    scored = _index(items, messages, scores, policy, ages=ages, priors=priors)
    due = due_minutes(scored.posterior, scored.targets, policy.due_chance)
    weighed = _Weighed(messages, scores, policy, moment, items, ages, scored, due)
    # Items come by arrival, then id: a stable sort leaves equal ones in that order.
    order = np.argsort(-sort_key(scored.value), kind="stable")
    placed = guarded_order(order, ages, policy.guard)
    return [
        weighed.at(place, row, guarded=guarded) for place, (row, guarded) in enumerate(placed, 1)
    ]


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Messages as items, each with the numbers of its place."""

    messages: Sequence[Message]
    scores: ScoreBatch
    policy: Policy
    moment: datetime
    items: Sequence[Item]
    #: (items,), open minutes
    ages: FloatArray
    index: Index
    #: (items,), open minutes from arrival
    due: FloatArray

    def at(self, place: int, row: int, *, guarded: bool) -> RankedItem:
        """An item in its place."""
        policy, item, age = self.policy, self.items[row], float(self.ages[row])
        notes = _notes(item, self.messages, self.scores, self.moment)
        if guarded:
            notes.append(f"placed by the guard: over {policy.guard.limit_hours:g} h old")
        follow_ups = len(item.rows) - 1
        return RankedItem(
            rank=place,
            id=item.id,
            message_ids=tuple(message_id(self.messages[i], i) for i in item.rows),
            rows=item.rows,
            index=float(self.index.value[row]),
            due=policy.calendar.calendar.after(item.arrival, float(self.due[row])),
            age_minutes=age,
            posterior=tuple(self.index.posterior[row].tolist()),
            guarded=guarded,
            reason=explain(self.index, row, policy, age=age, follow_ups=follow_ups, notes=notes),
        )


def guarded_order(
    order: npt.NDArray[np.intp], ages: FloatArray, guard: Guard, places: int | None = None
) -> list[tuple[int, bool]]:
    """The order with one of so many places given to the oldest item beyond the limit.

    Args:
        order: (n,), items by falling index.
        ages: (n,), open minutes; items themselves are numbered by arrival.
        guard: how many places, which limit.
        places: how many are wanted; None: all.

    Returns:
        the first items, each with whether the guard moved it to its place.
    """
    natural = order.tolist()
    oldest: list[int] = np.flatnonzero(ages > guard.limit_hours * _MINUTES_PER_HOUR).tolist()
    wanted = len(natural) if places is None else min(places, len(natural))
    placed = [False] * len(natural)
    result: list[tuple[int, bool]] = []
    next_natural = next_oldest = 0
    while len(result) < wanted:
        while placed[natural[next_natural]]:
            next_natural += 1
        row, guarded = natural[next_natural], False
        if (len(result) + 1) % guard.one_in == 0:
            while next_oldest < len(oldest) and placed[oldest[next_oldest]]:
                next_oldest += 1
            if next_oldest < len(oldest):
                row, guarded = oldest[next_oldest], oldest[next_oldest] != row
        placed[row] = True
        result.append((row, guarded))
    return result


def _moment(messages: Sequence[Message], now: datetime | None, *, replay: bool) -> datetime:
    if replay:
        times = [message.created_at for message in messages if message.created_at is not None]
        if now is not None:
            message = f"replay ranks at the latest created_at, not at {now.isoformat()}; give one"
            raise UsageError(message)
        if messages and not times:
            message = "replay needs a created_at, and no message has one; give a time instead"
            raise UsageError(message)
        clock = datetime.now(UTC)
        # One mistyped year must not make all the others old.
        past = [time for time in times if time <= clock]
        return max(past or times, default=clock)
    if now is None:
        return datetime.now(UTC)
    if now.tzinfo is None:
        message = f"the time {now.isoformat()} has no time zone; give one, such as +00:00"
        raise UsageError(message)
    return now


def _arrival(message: Message, now: datetime) -> datetime:
    if message.created_at is None:
        return now
    return min(max(message.created_at, now - _OLDEST), now)


def _index(
    items: Sequence[Item],
    messages: Sequence[Message],
    scores: ScoreBatch,
    policy: Policy,
    *,
    ages: FloatArray,
    priors: Sequence[float] | None,
) -> Index:
    own = class_posterior(scores.need)
    prior = (
        policy.column("share") if priors is None else class_posterior(np.array([priors], float))[0]
    )
    scored = np.array([review in (None, Review.LOW_CONFIDENCE) for review in scores.review], bool)
    texts = [message.text for message in messages]
    posterior = np.empty((len(items), len(POLICY_CLASSES)))
    target, followers, follow_ups = (np.zeros(len(items)) for _ in range(3))
    for i, item in enumerate(items):
        rows = list(item.rows)
        weighed = weigh(own[rows], [texts[row] for row in rows], scored[rows], prior, policy)
        posterior[i], follow_ups[i] = weighed.posterior, weighed.follow_ups
        target[i], followers[i] = _place([messages[row] for row in rows], policy)
    return index(
        posterior,
        channel_target=target,
        age=ages,
        reach=reach_factor(followers, policy),
        repeat=repeat_factor(follow_ups, policy),
        policy=policy,
    )


def _place(messages: Sequence[Message], policy: Policy) -> tuple[float, float]:
    """The shortest target of an item's messages, and the largest audience of a public one."""
    target, followers = np.inf, 0
    for message in messages:
        visibility = policy.visibility(message.channel, message.visibility)
        target = min(target, policy.target_minutes(message.channel, visibility))
        if visibility is Visibility.PUBLIC:
            followers = max(followers, message.reach or 0)
    return target, float(followers)


def _notes(item: Item, messages: Sequence[Message], scores: ScoreBatch, now: datetime) -> list[str]:
    notes: list[str] = []
    first = messages[item.rows[0]].created_at
    if first is None:
        notes.append("arrival unknown, counted as now")
    elif first > now:
        notes.append("arrival in the future, counted as now")
    reviews = {review for row in item.rows if (review := scores.review[row]) is not None}
    if reviews:
        notes.append(f"labels to review: {', '.join(sorted(reviews))}")
    return notes
