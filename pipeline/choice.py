"""Which messages a person should label next: some of every label, and no two alike.

A model that knows the labels already finds the rare ones among thousands of messages. Each label
has its turn, and takes a message by chance, those that the model is surer of the more often: so
what is chosen holds as many of the rare as of the common ones, and mostly plain cases. That few
labels teach most by plain cases, and doubtful ones less than any, is known (Hacohen, Dekel &
Weinshall 2022, arXiv 2202.02794) and measured in ``tests/benchmarks/choice.py``. The draw is the
Gumbel top-k trick (Kool, van Hoof & Welling 2019, arXiv 1903.06059) with noise from the text: the
same messages and model give the same choice, in whatever parts they are read.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.messages import Message
from replyrank.data.near_copies import THRESHOLD, normalise, shingles
from replyrank.data.vocabulary import Review
from replyrank.models.scorer import Scorer

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: a message is drawn with a chance as this power of its label's probability. 2 to 16 did alike.
_POWER: Final = 4.0
_LEAST: Final = 1e-9
#: candidates that are kept for each message that is chosen: some are copies of others
_SPARE: Final = 2
_WINDOW: Final = 1024
#: bytes of a text's noise for one label
_BYTES: Final = 4


def most_telling(messages: Iterable[Message], scorer: Scorer, most: int) -> list[Message]:
    """The messages to label, so that the first of them are worth as much as any so many.

    What no model can score is left out. Only the candidates are kept, and the hash of every text.

    Args:
        messages: to choose from.
        scorer: the model in use, which knows the labels.
        most: how many at most.
    """
    kept: list[Message] = []
    keys = np.empty((0, 0))
    seen: set[int] = set()
    for window in _windows(messages):
        scores = scorer.score_batch([message.text for message in window])
        fresh = [
            row for row, review in enumerate(scores.review) if _is_new(window[row], review, seen)
        ]
        found = draws(
            [p[fresh] for p in (scores.p_intent, scores.p_urgency, scores.p_sentiment)],
            [window[row].text for row in fresh],
        )
        kept += [window[row] for row in fresh]
        keys = np.concatenate([keys.reshape(-1, found.shape[1]), found])
        rows = _candidates(keys, most)
        kept, keys = [kept[row] for row in rows], keys[rows]
    chosen = choose(keys, [one.text for one in kept], most)
    return [kept[row] for row in chosen]


def draws(heads: Sequence[FloatArray], texts: Sequence[str]) -> FloatArray:
    """(n, labels) keys: of each label, the messages with the greatest are those that it draws.

    Args:
        heads: the probabilities of each kind of label, (n, k) with rows that sum to 1.
        texts: n texts.
    """
    p = np.hstack(heads)
    noise = np.stack([_noise(text, p.shape[1]) for text in texts]) if texts else np.empty(p.shape)
    keys: FloatArray = _POWER * np.log(np.maximum(p, _LEAST)) - np.log(-np.log(noise))
    return keys


def choose(keys: FloatArray, texts: Sequence[str], most: int) -> IntArray:
    """Positions of the messages to label, in the order in which labels have their turn.

    Args:
        keys: (n, labels), see ``draws``.
        texts: n texts; a near-copy of a chosen one is passed over.
        most: how many at most.
    """
    queues = [iter(column) for column in np.argsort(-keys, axis=0, kind="stable").T.tolist()]
    chosen: list[int] = []
    asked: set[int] = set()
    said = _Said()
    while queues and len(chosen) < most:
        for queue in list(queues):
            row = next((row for row in queue if row not in asked and said.is_new(texts[row])), None)
            if row is None:
                queues.remove(queue)
            elif len(chosen) < most:
                asked.add(row)
                chosen.append(row)
    return np.array(chosen, dtype=np.int64)


class _Said:
    """What was chosen, by its shingles: tells who says the same."""

    def __init__(self) -> None:
        self._holders: dict[str, list[int]] = defaultdict(list)
        self._sizes: list[int] = []

    def is_new(self, text: str) -> bool:
        """Whether none of those before says the same; if so it counts from now on."""
        members = shingles(text)
        shared = Counter(chain.from_iterable(self._holders.get(one, ()) for one in members))
        for row, common in shared.items():
            if common / (len(members) + self._sizes[row] - common) >= THRESHOLD:
                return False
        for one in members:
            self._holders[one].append(len(self._sizes))
        self._sizes.append(len(members))
        return True


def _is_new(message: Message, review: Review | None, seen: set[int]) -> bool:
    said = hash(normalise(message.text))
    # One of those that say the same stands for all.
    if review not in (None, Review.LOW_CONFIDENCE) or said in seen:
        return False
    seen.add(said)
    return True


def _candidates(keys: FloatArray, most: int) -> IntArray:
    """The rows that any label may come to draw, in their order."""
    n, room = len(keys), _SPARE * most
    if n <= room:
        return np.arange(n)
    best = np.argpartition(-keys, room - 1, axis=0)[:room]
    return np.unique(best)


def _noise(text: str, labels: int) -> FloatArray:
    """(labels,) numbers above 0 and below 1 that look drawn at random."""
    raw = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(_BYTES * labels)
    drawn: FloatArray = (np.frombuffer(raw, dtype="<u4") + 0.5) / 2.0 ** (8 * _BYTES)
    return drawn


def _windows(messages: Iterable[Message]) -> Iterator[list[Message]]:
    rest = iter(messages)
    while window := list(islice(rest, _WINDOW)):
        yield window
