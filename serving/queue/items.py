"""What the store gives and takes: plain values without a connection behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from replyrank.serving.queue.schema import EventKind, State

FloatArray = npt.NDArray[np.float64]


class Receipt(StrEnum):
    """What became of a message that was handed in."""

    ACCEPTED = "accepted"
    #: it is there already
    DUPLICATE = "duplicate"
    #: it was forgotten for good
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class Received:
    """One message that was handed in."""

    external_id: str
    receipt: Receipt
    item: int | None


@dataclass(frozen=True, slots=True)
class Unscored:
    """A message that waits for a model."""

    seq: int
    item: int
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says of one message."""

    seq: int
    need: npt.NDArray[np.float32]  # (16,)
    sentiment: npt.NDArray[np.float32]  # (3,)
    language: str | None
    review: str | None
    model: str
    #: a better model will be asked again
    provisional: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an item."""

    seq: int
    item: int
    kind: EventKind
    #: milliseconds of the Unix clock
    at: int
    actor: str | None
    generation: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An open item, as the ranker needs it."""

    id: int
    brand: str
    channel: str | None
    team: str | None
    state: State
    age_from: int
    #: (6,); None where nothing is known yet
    posterior: FloatArray | None
    target: float
    reach: int
    follow_ups: float
    intent: str | None
    preferred_agent: str | None
    #: counts its changes
    version: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A message of an item."""

    seq: int
    external_id: str
    channel: str
    is_public: bool
    author: str | None
    text: str
    created_at: int | None
    received_at: int
    arrived_at: int
    is_copy: bool
    need: npt.NDArray[np.float32] | None
    sentiment: npt.NDArray[np.float32] | None
    language: str | None
    review: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """An item with its turns."""

    id: int
    brand: str
    channel: str | None
    team: str | None
    state: State
    age_from: int
    last_at: int
    is_public: bool
    went_public: bool
    copies: int
    reach: int
    owner: str | None
    preferred_agent: str | None
    generation: int
    lease_until: int | None
    finished_at: int | None
    model: str | None
    review: str | None
    messages: int
    version: int
    #: all of them, or the latest that is no copy
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """What a claimer holds."""

    item: int
    generation: int
    #: milliseconds of the Unix clock
    until: int


@dataclass(frozen=True, slots=True)
class Finished:
    """An item that was finished."""

    item: int
    #: of the first unanswered message, and of the answer; milliseconds of the Unix clock
    age_from: int
    finished_at: int
    channel: str | None
    posterior: FloatArray | None
    target: float
    #: the item of what came in after the holder last looked
    left_over: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a transaction did."""

    received: Sequence[Received] = ()
    #: messages that no model has scored yet
    unscored: Sequence[Unscored] = ()
    #: the items that changed, as they stand now
    standings: Sequence[Standing] = ()
