"""Which messages a person should label next: those a model is unsure of, and no two alike.

Uncertainty sampling (Lewis & Gale 1994, arXiv cmp-lg/9407020) over all three labels, with the
greedy trade-off of maximal marginal relevance (Carbonell & Goldstein 1998, SIGIR): a message that
says what a chosen one says already teaches little, however unsure the model is of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.cleaning import clean
from replyrank.data.messages import Message
from replyrank.data.near_copies import normalise
from replyrank.data.vocabulary import Review
from replyrank.models.linear import count_features, inverse_document_frequency, weigh_features
from replyrank.models.scorer import Scorer
from replyrank.models.scores import ScoreBatch

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: candidates that are looked at for each message that is chosen
CANDIDATES: Final = 20
#: what a message loses of its doubt for each share of likeness to a chosen one
_ALIKE: Final = 1.0
#: hashed n-grams of a text; a power of two, small enough for a plain matrix
_FEATURES: Final = 2048
_WINDOW: Final = 1024


def doubt(heads: Sequence[FloatArray]) -> FloatArray:
    """(n,) from 0, sure of all labels, to 1, of none.

    Args:
        heads: the probabilities of each label, (n, k) with rows that sum to 1.

    Returns:
        the mean over labels of the entropy as a share of the greatest.
    """
    shares = [-(p * np.log(np.maximum(p, 1e-12))).sum(axis=1) / np.log(p.shape[1]) for p in heads]
    mean: FloatArray = np.mean(shares, axis=0)
    return mean


def doubts(scores: ScoreBatch) -> FloatArray:
    """(n,) doubt of intent, urgency level and sentiment of n scored messages."""
    return doubt((scores.p_intent, scores.p_urgency, scores.p_sentiment))


def most_telling(messages: Iterable[Message], scorer: Scorer, most: int) -> list[Message]:
    """The messages that would teach most if a person labelled them, the most telling first.

    What no model can score is left out. Only the candidates are kept, and the hash of every text.

    Args:
        messages: to choose from.
        scorer: the model that is to learn.
        most: how many at most.
    """
    kept: list[tuple[float, Message]] = []
    seen: set[int] = set()
    for window in _windows(messages):
        scores = scorer.score_batch([message.text for message in window])
        for one, message, review in zip(doubts(scores), window, scores.review, strict=True):
            said = hash(normalise(message.text))
            # One of those that say the same stands for all.
            if review in (None, Review.LOW_CONFIDENCE) and said not in seen:
                seen.add(said)
                kept.append((float(one), message))
        # A stable sort: of equally doubtful ones the first stays.
        kept.sort(key=lambda pair: -pair[0])
        del kept[most * CANDIDATES :]
    chosen = choose(np.array([one for one, _ in kept]), [one.text for _, one in kept], most)
    return [kept[row][1] for row in chosen]


def _windows(messages: Iterable[Message]) -> Iterator[list[Message]]:
    rest = iter(messages)
    while window := list(islice(rest, _WINDOW)):
        yield window


def choose(doubt_of: FloatArray, texts: Sequence[str], most: int) -> IntArray:
    """Positions of the messages to label, the most telling first.

    Args:
        doubt_of: (n,), see ``doubt``.
        texts: n texts.
        most: how many at most.
    """
    unsure = np.argsort(-doubt_of, kind="stable")[: most * CANDIDATES]
    likeness = vectors([texts[int(row)] for row in unsure])
    worth, alike = doubt_of[unsure], np.zeros(len(unsure))
    free = np.ones(len(unsure), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < min(most, len(unsure)):
        value = np.where(free, worth * (1 - _ALIKE * alike), -np.inf)
        best = int(value.argmax())
        free[best] = False
        chosen.append(int(unsure[best]))
        alike = np.maximum(alike, likeness @ likeness[best])
    return np.array(chosen, dtype=np.int64)


def vectors(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """(n, features) tf-idf of hashed n-grams, rows of unit length: a product is their likeness."""
    counts = count_features([clean(text) for text in texts], _FEATURES)
    weighed = weigh_features(counts, inverse_document_frequency(counts, _FEATURES))
    dense = np.zeros((len(texts), _FEATURES), dtype=np.float32)
    rows = np.repeat(np.arange(len(texts)), np.diff(weighed.indptr))
    dense[rows, weighed.indices] = weighed.values
    return dense
