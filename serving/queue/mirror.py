"""The open items in arrays, as they stand by the latest reading of each."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from replyrank.pipeline.index import reach_factor, repeat_factor
from replyrank.pipeline.policy import POLICY_CLASSES, FloatArray, Policy
from replyrank.serving.queue.items import Standing
from replyrank.serving.queue.schema import State

_FIRST_ROOM: Final = 1024
#: items that are not open any more of which it is still known
_REMEMBERED: Final = 100_000
FOR_GOOD: Final = 1 << 62
NONE: Final = -1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are wanted; None: any."""

    team: str | None = None
    brand: str | None = None
    channel: str | None = None
    intent: str | None = None
    #: in this state; without it those that wait
    state: State | None = State.WAITING


class _Words:
    """Numbers for words, so that arrays can be compared."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, word: str | None) -> int:
        """Of a word that is stored; a new one gets the next."""
        return NONE if word is None else self._numbers.setdefault(word, len(self._numbers))

    def find(self, word: str) -> int:
        """Of a word that is asked for; one that no item has matches none."""
        return self._numbers.get(word, -2)

    def words(self) -> dict[int, str]:
        """Each word that has a number."""
        return {number: word for word, number in self._numbers.items()}


class Mirror:
    """Arrays with one place for each open item; the last moves where another goes.

    Args:
        policy: the numbers.
        prior: (6,) what an item counts as that nothing is known of yet.
    """

    def __init__(self, policy: Policy, prior: FloatArray) -> None:
        self.policy = policy
        self._prior = prior
        self._lock = threading.Lock()
        self._slots: dict[int, int] = {}
        self._words = {name: _Words() for name in ("team", "brand", "channel", "intent", "agent")}
        self._count = 0
        #: items that are not open any more, with the version that said so
        self._gone: dict[int, int] = {}
        #: where the pool's items stand; None once one of them may have moved
        self._pool_rows: npt.NDArray[np.int64] | None = None
        self._make_room(_FIRST_ROOM)

    def __len__(self) -> int:
        """Open items."""
        return self._count

    def _put(self, standings: Sequence[Standing]) -> npt.NDArray[np.int64]:
        """Take items in, each once; returns where they stand."""
        slots = np.array([self._slot(one.id) for one in standings], dtype=np.int64)
        columns: dict[str, list[Any]] = {
            "id": [one.id for one in standings],
            "arrived": [one.age_from / 1_000 for one in standings],
            "posterior": [
                self._prior if one.posterior is None else one.posterior for one in standings
            ],
            "target": [one.target for one in standings],
            "follow_ups": [one.follow_ups for one in standings],
            "leased": [one.state is State.LEASED for one in standings],
            "version": [one.version for one in standings],
            "agent": [self._words["agent"].number(one.preferred_agent) for one in standings],
        }
        for name in ("team", "brand", "channel", "intent"):
            number = self._words[name].number
            columns[name] = [number(getattr(one, name)) for one in standings]
        for name, values in columns.items():
            getattr(self, f"_{name}")[slots] = values
        self._kind[slots] = self._posterior[slots].argmax(axis=1)
        reach = np.array([one.reach for one in standings], dtype=np.float64)
        self._reach[slots] = reach_factor(reach, self.policy)
        self._repeat[slots] = repeat_factor(self._follow_ups[slots], self.policy)
        return slots

    def _slot(self, number: int) -> int:
        """The place of an item, which is made where there is none."""
        slot = self._slots.get(number)
        if slot is None:
            if self._count == len(self._id):
                self._make_room(2 * self._count)
            slot = self._slots[number] = self._count
            self._count += 1
        return slot

    def _is_old(self, one: Standing) -> bool:
        """Whether a later reading of the item is known: readings come in any order."""
        slot = self._slots.get(one.id)
        if slot is not None:
            return bool(one.version < self._version[slot])
        return one.version <= self._gone.get(one.id, 0)

    def _drop(self, number: int, version: int) -> None:
        self._gone[number] = version
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]
        slot = self._slots.pop(number, None)
        if slot is None:
            return
        self._count -= 1
        self._pool_rows = None
        last = self._count
        if slot != last:
            for array in self._arrays():
                array[slot] = array[last]
            self._slots[int(self._id[slot])] = slot

    def _matching(self, wanted: Filter, agent: str | None = None) -> npt.NDArray[np.int64]:
        """The rows of what is wanted; of an agent, those that are preferably his."""
        n = self._count
        kept = np.ones(n, dtype=bool)
        if agent is not None:
            kept &= self._agent[:n] == self._words["agent"].find(agent)
        if wanted.state is not None:
            kept &= self._leased[:n] == (wanted.state is State.LEASED)
        for name in ("team", "brand", "channel", "intent"):
            word = getattr(wanted, name)
            if word is not None:
                kept &= getattr(self, f"_{name}")[:n] == self._words[name].find(word)
        return np.flatnonzero(kept)

    def _arrays(self) -> list[npt.NDArray[np.generic]]:
        return [getattr(self, f"_{name}") for name in _ARRAYS]

    def _make_room(self, size: int) -> None:
        for name, (kind, width) in _ARRAYS.items():
            fresh = np.zeros((size, *width), dtype=kind)
            old = getattr(self, f"_{name}", None)
            if old is not None:
                fresh[: len(old)] = old
            setattr(self, f"_{name}", fresh)

    _id: npt.NDArray[np.int64]
    _arrived: FloatArray
    _posterior: FloatArray
    #: the likeliest class
    _kind: npt.NDArray[np.int64]
    _target: FloatArray
    _reach: FloatArray
    _repeat: FloatArray
    _follow_ups: FloatArray
    _value: FloatArray
    _version: npt.NDArray[np.int64]
    _leased: npt.NDArray[np.bool_]
    _agent: npt.NDArray[np.int64]
    _team: npt.NDArray[np.int64]
    _brand: npt.NDArray[np.int64]
    _channel: npt.NDArray[np.int64]
    _intent: npt.NDArray[np.int64]


_ARRAYS: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "id": ("int64", ()),
    "arrived": ("float64", ()),
    "posterior": ("float64", (len(POLICY_CLASSES),)),
    "kind": ("int64", ()),
    "target": ("float64", ()),
    "reach": ("float64", ()),
    "repeat": ("float64", ()),
    "follow_ups": ("float64", ()),
    "value": ("float64", ()),
    "version": ("int64", ()),
    "leased": ("bool", ()),
    "agent": ("int64", ()),
    "team": ("int64", ()),
    "brand": ("int64", ()),
    "channel": ("int64", ()),
    "intent": ("int64", ()),
}
