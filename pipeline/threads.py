"""Messages become items: what one customer writes about one matter is answered once.

Messages belong together if they stand in the same thread, or if one author wrote them to one
brand on one channel with no longer pause than the policy's window. Many people may meet in a
thread, each with a matter of their own: only one that is known to be private joins what several
authors wrote. A customer whom the team itself tells apart is one person on every channel. Names
that stand for anybody ("A Google user") are nobody's.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from replyrank.data.messages import Message
from replyrank.data.vocabulary import Visibility
from replyrank.pipeline.index import asking_probability
from replyrank.pipeline.policy import FloatArray, Policy, Threads

# What platforms write where they do not tell the author, and exports where they do not know him.
_ANYBODY = frozenset(
    [
        *("a google user", "anon", "anonymous", "deleted", "[deleted]", "google user", "guest"),
        *("n/a", "private user", "unknown", "unknown user", "user", "visitor"),
    ]
)

# Below this a probability is rounding, not evidence; it keeps likelihood ratios finite.
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Item:
    """What is answered at once: one message, or several of one customer."""

    #: of the first message; its row from 1 as ``row 7`` where it has none
    id: str
    #: positions of the messages among those given, first arrival first
    rows: tuple[int, ...]
    #: of the first unanswered message
    arrival: datetime


class _Joined:
    """Union-find over rows."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def root(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(self, row: int, other: int) -> None:
        self._parent[self.root(row)] = self.root(other)


def message_id(message: Message, row: int) -> str:
    """The id of a message, or its row, counted from 1."""
    return f"row {row + 1}" if message.id is None else message.id


def group(messages: Sequence[Message], arrivals: Sequence[datetime], policy: Policy) -> list[Item]:
    """Join n open messages into items.

    Args:
        messages: open messages, none of them answered.
        arrivals: when each arrived, with time zones.
        policy: the window, and what an unknown visibility counts as.

    Returns:
        the items by first arrival, then id; the same for any order of the messages.
    """
    order = sorted(
        range(len(messages)), key=lambda row: (arrivals[row], *_by_id(messages[row], row))
    )
    joined = _Joined(len(messages))
    last: dict[Hashable, int] = {}
    window = timedelta(hours=policy.threads.window_hours)
    for row in order:
        tied = ties(messages[row], policy)
        for key in tied.always:
            if key in last:
                joined.join(row, last[key])
        for key in tied.within_window:
            if key in last and arrivals[row] - arrivals[last[key]] <= window:
                joined.join(row, last[key])
        last.update((key, row) for key in (*tied.always, *tied.within_window))

    members: defaultdict[int, list[int]] = defaultdict(list)
    for row in order:
        members[joined.root(row)].append(row)
    # Members are filled in order of arrival, and so are the groups by their first message.
    return [
        Item(message_id(messages[rows[0]], rows[0]), tuple(rows), arrivals[rows[0]])
        for rows in members.values()
    ]


@dataclass(frozen=True, slots=True)
class Ties:
    """What ties a message to an earlier one that has the same key."""

    #: however long ago: its thread
    always: tuple[Hashable, ...]
    #: within the policy's window: who wrote it
    within_window: tuple[Hashable, ...]


def ties(message: Message, policy: Policy) -> Ties:
    """The keys of a message.

    An author is known on one channel alone: equal names on two networks are two people. A
    customer, whom the team itself tells apart, is the same on all channels.
    """
    people = _author_key(message), _customer_key(message)
    thread = _thread_key(message, policy)
    return Ties(
        always=() if thread is None else (thread,),
        within_window=tuple(key for key in people if key is not None),
    )


def _by_id(message: Message, row: int) -> tuple[int, int, str, int]:
    """The order of messages that arrived together: ids that count are compared as numbers."""
    if message.id is None:
        return (0, 0, "", row)
    if message.id.isascii() and message.id.isdigit():
        digits = message.id.lstrip("0")
        return (1, len(digits), digits, row)
    return (2, 0, message.id, row)


def _thread_key(message: Message, policy: Policy) -> Hashable | None:
    if message.thread is None:
        return None
    key = ("thread", message.channel, message.brand, message.thread)
    if _is_private(message, policy):
        return key
    author = _author(message)
    return None if author is None else (*key, author)


def _is_private(message: Message, policy: Policy) -> bool:
    """Whether a message is known to be private, by its own word or by its channel."""
    known = message.channel is not None or message.visibility is not None
    return known and policy.visibility(message.channel, message.visibility) is Visibility.PRIVATE


def _author_key(message: Message) -> Hashable | None:
    author = _author(message)
    return None if author is None else ("author", message.channel, message.brand, author)


def _customer_key(message: Message) -> Hashable | None:
    if message.customer is None or message.customer.casefold() in _ANYBODY:
        return None
    return ("customer", message.brand, message.customer)


def _author(message: Message) -> str | None:
    """Who wrote a message; None where that is not known."""
    if message.author is None or message.author.casefold() in _ANYBODY:
        return None
    return message.author


def fuse(posteriors: FloatArray, prior: FloatArray, threads: Threads) -> FloatArray:
    """The class of an item after its last message, from the posteriors of its messages.

    Bayesian change-point filter (Adams & MacKay 2007, arXiv:0710.3742) over the messages in
    order. Let f be the posterior so far, s that of the next message alone, s / prior its
    likelihood up to a constant. Either the matter is the same, and the text, which depends on
    those before it, counts as a fraction c = ``independence`` of new evidence in log-odds; or,
    with probability h = ``change``, it is closed or another, and the text speaks for itself:

        f'_k  ~  (1 - h) * f_k * (s_k / prior_k) ** c  +  h * s_k

    A text that contradicts what came before ("thanks, it works now") makes the second branch
    likely; one that agrees ("still nothing!") sharpens the first.

    Args:
        posteriors: (m, 6), m >= 1 messages of one item in order, each from its own text.
        prior: (6,), shares of the classes that the posteriors were calibrated with.
        threads: the two numbers.

    Returns:
        (6,), summing to 1.
    """
    fused: FloatArray = posteriors[0]
    for own in posteriors[1:]:
        likelihood = np.maximum(own, _FLOOR) / np.maximum(prior, _FLOOR)
        same = (1 - threads.change) * fused * likelihood**threads.independence
        fused = same + threads.change * own
        fused = fused / fused.sum()
    return fused


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the messages of an item say together."""

    #: (6,) class of the item after its last message
    posterior: FloatArray
    #: how many of the later messages ask for something, in expectation
    follow_ups: float


def weigh(
    own: FloatArray,
    texts: Sequence[str],
    scored: npt.NDArray[np.bool_],
    prior: FloatArray,
    policy: Policy,
) -> Weighed:
    """One item of m messages in order.

    Args:
        own: (m, 6) posterior of each from its own text.
        texts: m texts.
        scored: (m,) whether the text could be scored.
        prior: (6,), shares that the posteriors were calibrated with.
        policy: the numbers.
    """
    rows = list(range(len(texts)))
    fused = fuse(own[evidence_rows(rows, texts, scored)], prior, policy.threads)
    return Weighed(fused, float(asking_probability(own[1:]).sum()))


def evidence_rows(
    rows: Sequence[int], texts: Sequence[str], scored: npt.NDArray[np.bool_]
) -> list[int]:
    """Those messages of an item whose text says something new.

    A text sent twice is no new evidence, and one that could not be scored is none; if nothing
    is left, the first message stands for the item.
    """
    seen: set[str] = set()
    kept: list[int] = []
    for row in rows:
        text = " ".join(texts[row].split()).casefold()
        if scored[row] and text not in seen:
            seen.add(text)
            kept.append(row)
    return kept or [rows[0]]
