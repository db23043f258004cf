"""Which messages a person should label next: some of every label, and no two alike.

A model that knows the labels already finds the rare ones among thousands of messages. Each label
has its turn, and takes a message by chance, those that the model is surer of the more often: so
what is chosen holds as many of the rare as of the common ones, and mostly plain cases. That few
labels teach most by plain cases and least by doubtful ones is known (Hacohen, Dekel & Weinshall
2022, arXiv 2202.02794), and what each is worth measured in ``tests/benchmarks/choice.py``. The
draw is the Gumbel top-k trick (Kool, van Hoof & Welling 2019, arXiv 1903.06059) with noise from the
text: the same messages and model give the same choice.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.messages import Message
from replyrank.data.min_hash import bands
from replyrank.data.near_copies import THRESHOLD, normalise, similarity
from replyrank.data.vocabulary import Review
from replyrank.models.scorer import Scorer

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: a message is drawn with a chance as this power of its label's probability
_POWER: Final = 4.0
_LEAST: Final = 1e-9
#: what a model has scored, whatever it is worth
_SCORED: Final = (None, Review.LOW_CONFIDENCE)
#: candidates of each label that are kept for each message that is chosen: others may take some
_SPARE: Final = 2
_WINDOW: Final = 1024
#: bytes of a text's noise for one label
_BYTES: Final = 4


def most_telling(messages: Iterable[Message], scorer: Scorer, most: int) -> list[Message]:
    """The messages to label, in an order of which any beginning holds all labels alike.

    What no model can score is left out. Only the candidates are kept, and the hash of every text.

    Args:
        messages: to choose from.
        scorer: the model in use, which knows the labels.
        most: how many at most.
    """
    kept: list[Message] = []
    keys = np.empty((0, 0))
    distinct = Distinct()
    for window in _windows(messages):
        scores = scorer.score_batch([message.text for message in window])
        known = [row for row, one in enumerate(scores.review) if one in _SCORED]
        fresh = [known[place] for place in distinct.new([window[row].text for row in known])]
        found = draws(
            [p[fresh] for p in (scores.p_intent, scores.p_urgency, scores.p_sentiment)],
            [window[row].text for row in fresh],
        )
        before = len(kept)
        kept += [window[row] for row in fresh]
        keys = np.concatenate([keys.reshape(-1, found.shape[1]), found])
        rows = _candidates(keys, most)
        gone = np.setdiff1d(np.arange(before, len(kept)), rows)
        distinct.forget(kept[row].text for row in gone)
        kept, keys = [kept[row] for row in rows], keys[rows]
    return [kept[row] for row in choose(keys, most)]


class Distinct:
    """Tells which texts say what none before them said: the first of those alike stands for all."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._by_band: dict[tuple[int, bytes], str] = {}

    def new(self, texts: Sequence[str]) -> list[int]:
        """The positions of those texts, which count as said from now on."""
        return [
            place
            for place, (text, own) in enumerate(zip(texts, bands(texts), strict=True))
            if self._is_new(text, own)
        ]

    def forget(self, texts: Iterable[str]) -> None:
        """Let go of texts that need not be compared with any more, but for equal ones."""
        given = list(texts)
        for text, own in zip(given, bands(given), strict=True):
            for key in enumerate(own):
                if self._by_band.get(key) == text:
                    del self._by_band[key]

    def _is_new(self, text: str, own: tuple[bytes, ...]) -> bool:
        said = hash(normalise(text))
        if said in self._hashes:
            return False
        self._hashes.add(said)
        alike = {self._by_band[key] for key in enumerate(own) if key in self._by_band}
        if any(similarity(text, other) >= THRESHOLD for other in alike):
            return False
        for key in enumerate(own):
            self._by_band.setdefault(key, text)
        return True


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


def choose(keys: FloatArray, most: int) -> IntArray:
    """Positions of the messages to label, in the order in which labels have their turn.

    Args:
        keys: (n, labels), see ``draws``.
        most: how many at most.
    """
    queues = [iter(column) for column in np.argsort(-keys, axis=0, kind="stable").T.tolist()]
    chosen: dict[int, None] = {}
    while len(chosen) < min(most, len(keys)):
        for queue in queues:
            row = next((row for row in queue if row not in chosen), None)
            if row is not None and len(chosen) < most:
                chosen[row] = None
    return np.array(list(chosen), dtype=np.int64)


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
