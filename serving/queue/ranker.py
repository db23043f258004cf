"""The order of the open items, kept right as time passes.

A mirror of the open items in arrays. Every tick the index of all is computed; in between only that
of the best candidates is, exactly. An index never falls as time passes and grows by no more than
``growth_bound`` in a tick, so that what is taken is within that factor of the best: for the
shortest target that ramps, an hour, 0.06 % at a tick of one second. What is new or scored anew is
computed at once and stands among the candidates from then on.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.pipeline.index import (
    Index,
    due_minutes,
    index,
    sort_key,
)
from replyrank.pipeline.policy import POLICY_CLASSES, FloatArray, Policy
from replyrank.pipeline.rank import guarded_order
from replyrank.pipeline.reason import explain
from replyrank.serving.queue.items import Standing
from replyrank.serving.queue.mirror import FOR_GOOD, NONE, Filter, Mirror
from replyrank.serving.queue.schema import OPEN

#: candidates whose index is computed exactly for the first place
POOL: Final = 256
#: how much more an item counts for the agent who answered this customer before
_PREFERRED: Final = 1.25
#: items whose index is computed while others wait, and seconds in which these have their turn: a
#: lock that is let go and taken again at once lets nobody in
_PART: Final = 2_048
_TURN: Final = 0.002
_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True)
class Place:
    """One place of the order."""

    rank: int
    item: int
    #: of the reading by which it stands there
    version: int
    #: by which it is sorted: for an agent, with what an item of his customer counts more
    index: float
    due: datetime
    age_minutes: float
    guarded: bool
    reason: str
    #: p of each class, rounded
    classes: list[float]


class Ranker(Mirror):
    """The open items in order; safe to share between threads.

    Args:
        policy: the numbers.
        prior: (6,) what an item counts as that nothing is known of yet.
    """

    def __init__(self, policy: Policy, prior: FloatArray) -> None:
        super().__init__(policy, prior)
        self._pulls = 0
        #: items among which the first places are, as of the last tick, and those changed since
        self._pool: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._since: dict[int, None] = {}
        #: those that changed before the pool was last begun, until it is ready
        self._before: dict[int, None] = {}

    def update(
        self, standings: Sequence[Standing], now: datetime, *, gone: Iterable[int] = ()
    ) -> None:
        """Take in items that are new or changed; those not open any more, or ``gone``, go."""
        with self._lock:
            by_version = sorted(standings, key=lambda one: one.version)
            latest = {one.id: one for one in by_version if not self._is_old(one)}
            # Dropping moves others into the free slots: first what goes, then what comes.
            for one in latest.values():
                if one.state not in OPEN:
                    self._drop(one.id, one.version)
            for number in gone:
                self._drop(number, FOR_GOOD)
                latest.pop(number, None)
            still = [one for one in latest.values() if one.state in OPEN]
            if still:
                rows = self._put(still)
                self._since.update((one.id, None) for one in still)
                self._value[rows] = self._index(rows, now).value

    def hold(self, number: int, version: int) -> None:
        """An item was claimed; with that its version rose to this one."""
        with self._lock:
            slot = self._slots.get(number)
            if slot is not None and self._version[slot] < version:
                self._leased[slot], self._version[slot] = True, version

    def ids(self) -> set[int]:
        """The open items."""
        with self._lock:
            return set(self._slots)

    def drop(self, numbers: Iterable[int]) -> None:
        """Drop items that a reading of all open ones does not have."""
        with self._lock:
            for number in numbers:
                self._drop(number, 0)

    def tick(self, now: datetime) -> None:
        """Compute the index of all, in parts: whoever asks meanwhile waits for one of them."""
        for start in range(0, self._count, _PART):
            if start:
                time.sleep(_TURN)
            with self._lock:
                rows = np.arange(start, min(start + _PART, self._count))
                if len(rows):
                    self._value[rows] = self._index(rows, now).value
        with self._lock:
            n = self._count
            ids, leased = self._id[:n].copy(), self._leased[:n].copy()
            value, arrived = self._value[:n].copy(), self._arrived[:n].copy()
            self._before, self._since = self._before | self._since, {}
            before = self._before
        rows = np.flatnonzero(~leased)
        pool = ids[_best_and_oldest(rows, value, arrived, 2 * POOL)]
        with self._lock:
            self._pool, self._pool_rows = pool, None
            self._before = {} if self._before is before else self._before

    def top(
        self,
        limit: int,
        now: datetime,
        wanted: Filter | None = None,
        *,
        offset: int = 0,
        agent: str | None = None,
    ) -> tuple[list[Place], int]:
        """A page of the order, and how many items there are in all.

        Args:
            limit: places at most.
            now: the time to rank at.
            wanted: which items.
            offset: places to skip.
            agent: for whom; customers that he answered before count a little more.
        """
        with self._lock:
            last = offset + limit
            rows, total = self._candidates(wanted or Filter(), last, agent)
            last = min(last, total)
            if offset >= last:
                return [], total
            found = self._index(rows, now)
            ages = self._ages(rows, now)
            preferred = self._preferred(rows, agent)
            order = np.argsort(-sort_key(found.value * preferred), kind="stable")
            placed = guarded_order(order, ages, self.policy.guard, last)[offset:]
            shown = np.array([row for row, _ in placed], dtype=np.int64)
            due = due_minutes(found.posterior[shown], found.targets[shown], self.policy.due_chance)
            classes = np.round(found.posterior[shown], _DECIMALS).tolist()
            places = [
                self._place(
                    rank,
                    row,
                    int(rows[row]),
                    found,
                    age=float(ages[row]),
                    due=float(due[rank - offset - 1]),
                    classes=classes[rank - offset - 1],
                    guarded=guarded,
                    preferred=float(preferred[row]),
                )
                for rank, (row, guarded) in enumerate(placed, start=offset + 1)
            ]
            return places, total

    def next(
        self, now: datetime, wanted: Filter | None = None, *, agent: str | None = None
    ) -> list[int]:
        """Items to claim, the first one first; one pull in so many begins with the oldest.

        The oldest is that beyond the limit of the policy's guard, if there is one.
        """
        with self._lock:
            rows, total = self._candidates(wanted or Filter(), 1, agent)
            if not total:
                return []
            value = self._index(rows, now).value * self._preferred(rows, agent)
            order: list[int] = np.argsort(-sort_key(value), kind="stable").tolist()
            self._pulls += 1
            guard = self.policy.guard
            is_its_turn = self._pulls % guard.one_in == 0
            # Rows come by arrival: the first is the oldest.
            if is_its_turn and self._ages(rows[:1], now)[0] > guard.limit_hours * 60:
                order = [0, *(row for row in order if row != 0)]
            return [int(self._id[rows[row]]) for row in order]

    def waiting(
        self, now: datetime, team: str | None = None
    ) -> dict[tuple[str, str], tuple[int, float]]:
        """By likeliest class and channel: how many wait, and how long the first of them has."""
        with self._lock:
            rows = self._matching(Filter(team=team))
            names = self._words["channel"].words()
            kinds, channels = self._kind[rows], self._channel[rows]
            arrived = self._arrived[rows]
        # Channels count from NONE, -1.
        groups = (channels + 1) * len(POLICY_CLASSES) + kinds
        counts = np.bincount(groups)
        first = np.full(len(counts), np.inf)
        np.minimum.at(first, groups, arrived)
        found: dict[tuple[str, str], tuple[int, float]] = {}
        for group in np.flatnonzero(counts).tolist():
            channel, kind = divmod(group, len(POLICY_CLASSES))
            key = POLICY_CLASSES[kind].value, names.get(channel - 1, "other")
            found[key] = int(counts[group]), now.timestamp() - float(first[group])
        return found

    def _candidates(
        self, wanted: Filter, places: int, agent: str | None
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Rows among which the first ``places`` are, by arrival, then id; and how many match."""
        most = max(POOL, 2 * places)
        if wanted == Filter():
            total = self._count - int(np.count_nonzero(self._leased[: self._count]))
            rows = self._of_pool()
            if len(rows) >= min(total, 2 * places):
                return self._by_arrival(self._with_own(rows, wanted, agent, most)), total
        rows = self._matching(wanted)
        total = len(rows)
        rows = _best_and_oldest(rows, self._value, self._arrived, most)
        return self._by_arrival(self._with_own(rows, wanted, agent, most)), total

    def _with_own(
        self, rows: npt.NDArray[np.int64], wanted: Filter, agent: str | None, most: int
    ) -> npt.NDArray[np.int64]:
        """The rows, and the best of an agent's own: what counts more may come from behind them."""
        if agent is None:
            return rows
        own = self._matching(wanted, agent)
        return np.union1d(rows, _best_and_oldest(own, self._value, self._arrived, most))

    def _of_pool(self) -> npt.NDArray[np.int64]:
        """The rows of the pool, and of what changed since, that still wait."""
        if self._pool_rows is None:
            slots = (self._slots.get(number, NONE) for number in self._pool.tolist())
            rows = np.fromiter(slots, dtype=np.int64, count=len(self._pool))
            self._pool_rows = rows[rows != NONE]
        changed = (self._slots.get(number, NONE) for number in {**self._before, **self._since})
        rows = np.union1d(self._pool_rows, np.array([slot for slot in changed if slot >= 0], int))
        return rows[~self._leased[rows]]

    def _by_arrival(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return rows[np.lexsort((self._id[rows], self._arrived[rows]))]

    def _index(self, rows: npt.NDArray[np.int64], now: datetime) -> Index:
        return index(
            self._posterior[rows],
            channel_target=self._target[rows],
            age=self._ages(rows, now),
            reach=self._reach[rows],
            repeat=self._repeat[rows],
            policy=self.policy,
        )

    def _ages(self, rows: npt.NDArray[np.int64], now: datetime) -> FloatArray:
        return self.policy.calendar.calendar.ages_of(self._arrived[rows], now)

    def _preferred(self, rows: npt.NDArray[np.int64], agent: str | None) -> FloatArray:
        """The factor by which each counts more for an agent."""
        if agent is None:
            return np.ones(len(rows))
        return np.where(self._agent[rows] == self._words["agent"].find(agent), _PREFERRED, 1.0)

    def _place(
        self,
        rank: int,
        row: int,
        slot: int,
        found: Index,
        *,
        age: float,
        due: float,
        classes: list[float],
        guarded: bool,
        preferred: float,
    ) -> Place:
        arrived = datetime.fromtimestamp(float(self._arrived[slot]), UTC)
        notes = list[str]()
        if guarded:
            notes.append(f"placed by the guard: over {self.policy.guard.limit_hours:g} h old")
        # The expected number of asking follow-ups is at most that of all: one that asks is told.
        follow_ups = round(float(self._follow_ups[slot]))
        reason = explain(
            found,
            row,
            self.policy,
            age=age,
            follow_ups=follow_ups,
            notes=notes,
            preferred=preferred,
        )
        return Place(
            rank=rank,
            item=int(self._id[slot]),
            version=int(self._version[slot]),
            index=preferred * float(found.value[row]),
            due=self.policy.calendar.calendar.after(arrived, due),
            age_minutes=age,
            guarded=guarded,
            reason=reason,
            classes=classes,
        )


def _best_and_oldest(
    rows: npt.NDArray[np.int64], value: FloatArray, arrived: FloatArray, most: int
) -> npt.NDArray[np.int64]:
    """The best of some rows, and the oldest, to whom the guard gives places."""
    if len(rows) <= most:
        return rows
    best = np.argpartition(-value[rows], most - 1)[:most]
    oldest = np.argpartition(arrived[rows], most // 8)[: most // 8]
    return rows[np.union1d(best, oldest)]
