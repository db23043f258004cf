"""What is compared when a model is evaluated: labels as arrays, and what was predicted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from replyrank.data.vocabulary import (
    NEED_CELLS,
    SENTIMENT_LABELS,
    Review,
)
from replyrank.models.joint import intents, levels
from replyrank.models.scorer import Scorer
from replyrank.models.scores import EVEN_SHARES, sentiment_classes
from replyrank.training.metrics import FloatArray, IntArray

_BATCH: Final = 1024


class LabelArrays(Protocol):
    """Labels of n posts as class numbers in the order of the vocabulary; ``MASKED`` where open.

    ``TrainingRows`` are such labels.
    """

    @property
    def intent(self) -> IntArray:
        """(n,)."""
        ...

    @property
    def urgency(self) -> IntArray:
        """(n,)."""
        ...

    @property
    def sentiment(self) -> IntArray:
        """(n,)."""
        ...

    def __len__(self) -> int:
        """Number of posts."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """What a model says of n posts with one of its heads."""

    #: (n, k), rows sum to 1
    p: FloatArray
    #: (n,) the class whose label the post gets
    predicted: IntArray


@dataclass(frozen=True)
class Predictions:
    """What a model says of n posts; None for a head that it does not have."""

    #: (n, 16), rows sum to 1: joint of intent and urgency level
    need: FloatArray | None
    #: (n, 3), rows sum to 1
    p_sentiment: FloatArray | None
    #: n reasons to look, None where there is none
    review: tuple[Review | None, ...]
    #: shares of the sentiments where the probabilities hold
    sentiment_shares: tuple[float, ...] = EVEN_SHARES

    def __post_init__(self) -> None:
        """Check the shapes; raises ``ValueError`` where they do not fit."""
        n = len(self.review)
        for name, p, width in (
            ("need", self.need, NEED_CELLS),
            ("p_sentiment", self.p_sentiment, len(SENTIMENT_LABELS)),
        ):
            if p is not None and p.shape != (n, width):
                message = f"{name} has shape {p.shape}; {n} rows need ({n}, {width})"
                raise ValueError(message)

    def __len__(self) -> int:
        """Number of posts."""
        return len(self.review)

    def part(self, rows: slice) -> "Predictions":
        """The predictions of some of the posts."""
        return Predictions(
            None if self.need is None else self.need[rows],
            None if self.p_sentiment is None else self.p_sentiment[rows],
            self.review[rows],
            self.sentiment_shares,
        )

    @property
    def p_intent(self) -> FloatArray | None:
        """(n, 4): sums of the joint over levels."""
        return None if self.need is None else intents(self.need)

    @property
    def p_urgency(self) -> FloatArray | None:
        """(n, 4): sums of the joint over intents."""
        return None if self.need is None else levels(self.need)

    @property
    def intent(self) -> Head | None:
        """The likeliest intent."""
        return _likeliest(self.p_intent)

    @property
    def urgency(self) -> Head | None:
        """The likeliest level."""
        return _likeliest(self.p_urgency)

    @property
    def sentiment(self) -> Head | None:
        """The sentiment that stands out."""
        p = self.p_sentiment
        return None if p is None else Head(p, sentiment_classes(p, self.sentiment_shares))

    def reviews(self) -> dict[str, int]:
        """How many posts have each reason to look."""
        counts = Counter(reason for reason in self.review if reason is not None)
        return {reason.value: counts[reason] for reason in Review if counts[reason]}


def _likeliest(p: FloatArray | None) -> Head | None:
    return None if p is None else Head(p, p.argmax(axis=1).astype(np.int64))


def predict(scorer: Scorer, texts: Sequence[str]) -> Predictions:
    """Score texts in batches.

    Args:
        scorer: any artefact.
        texts: n texts.
    """
    need = np.zeros((len(texts), NEED_CELLS))
    p_sentiment = np.zeros((len(texts), len(SENTIMENT_LABELS)))
    review: list[Review | None] = []
    for start in range(0, len(texts), _BATCH):
        batch = scorer.score_batch(texts[start : start + _BATCH])
        rows = slice(start, start + len(batch))
        need[rows], p_sentiment[rows] = batch.need, batch.p_sentiment
        review.extend(batch.review)
    shares = scorer.config.priors.sentiment
    return Predictions(need, p_sentiment, tuple(review), shares)
