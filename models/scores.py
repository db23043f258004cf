"""What a model says of messages: calibrated probabilities and what follows from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import (
    INTENTS,
    NEED_CELLS,
    SENTIMENT_LABELS,
    URGENCY_LEVELS,
    Intent,
    Review,
    SentimentLabel,
    UrgencyLevel,
)
from replyrank.models.joint import FloatArray, intents, levels

_HIGH: Final = UrgencyLevel.HIGH.value
_NEUTRAL: Final = SENTIMENT_LABELS.index(SentimentLabel.NEUTRAL)
#: a label rarer than this counts as this rare
_RAREST: Final = 1e-6
#: by so much neutral is ahead where nothing stands out, as in a message that was not scored
_AHEAD: Final = 1 + 1e-9

#: labels that are equally common: the likeliest is the one that stands out
EVEN_SHARES: Final = (1 / 3, 1 / 3, 1 / 3)


def sentiment_classes(p: FloatArray, shares: Sequence[float]) -> npt.NDArray[np.int64]:
    """(n,) the sentiment that stands out: the greatest probability for how common it is.

    Of the posts of a class, the share that gets its label is sum_i p_ik [label_i = k] / (n * share
    of k), so this choice makes the mean of these shares, the macro-averaged recall, the greatest.
    The likeliest label would let the commonest class swallow the others' doubtful posts.

    Args:
        p: (n, 3) calibrated probabilities.
        shares: (3,) of the labels among the posts for which the probabilities hold.
    """
    standing = p / np.maximum(shares, _RAREST)
    standing[:, _NEUTRAL] *= _AHEAD
    classes: npt.NDArray[np.int64] = standing.argmax(axis=1).astype(np.int64)
    return classes


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of one message."""

    intent: Intent
    #: p of each intent, in the order of ``INTENTS``
    p_intent: tuple[float, ...]
    #: p(level is high or critical)
    urgency: float
    urgency_level: UrgencyLevel
    #: p of each level, in the order of ``URGENCY_LEVELS``
    p_urgency: tuple[float, ...]
    #: p(positive) - p(negative), -1 to 1
    sentiment: float
    #: what stands out against how common it is, not always the likeliest
    sentiment_label: SentimentLabel
    #: p of each label, in the order of ``SENTIMENT_LABELS``
    p_sentiment: tuple[float, ...]
    #: the joint of intent and level, row-major, 16 cells that sum to 1
    need: tuple[float, ...]
    language: str | None
    review: Review | None
    model: str


@dataclass(frozen=True)
class ScoreBatch:
    """The scores of n messages as columns: the form that bulk work uses."""

    #: (n, 16), rows sum to 1: the joint of intent and urgency level
    need: FloatArray
    #: (n, 3), rows sum to 1
    p_sentiment: FloatArray
    #: n language codes (ISO 639-1), None where unknown
    language: tuple[str | None, ...]
    #: n reasons to look, None where there is none
    review: tuple[Review | None, ...]
    #: name and version of the model
    model: str
    #: shares of the three sentiments where the model's probabilities hold
    sentiment_shares: tuple[float, ...] = EVEN_SHARES

    def __post_init__(self) -> None:
        n = len(self.language)
        if self.need.shape != (n, NEED_CELLS) or self.p_sentiment.shape != (n, 3):
            message = (
                f"need {self.need.shape} and sentiment {self.p_sentiment.shape} "
                f"do not fit {n} messages"
            )
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.language)

    @cached_property
    def p_intent(self) -> FloatArray:
        """(n, 4): sums of the joint over levels."""
        return intents(self.need)

    @cached_property
    def p_urgency(self) -> FloatArray:
        """(n, 4): sums of the joint over intents."""
        return levels(self.need)

    @cached_property
    def urgency(self) -> FloatArray:
        """(n,): p(level is high or critical)."""
        sums: FloatArray = self.p_urgency[:, _HIGH:].sum(axis=1)
        return sums

    @cached_property
    def sentiment(self) -> FloatArray:
        """(n,): p(positive) - p(negative)."""
        return self.p_sentiment[:, 2] - self.p_sentiment[:, 0]

    @cached_property
    def sentiment_class(self) -> npt.NDArray[np.int64]:
        """(n,): index in ``SENTIMENT_LABELS`` of the label that stands out."""
        return sentiment_classes(self.p_sentiment, self.sentiment_shares)

    def __getitem__(self, row: int) -> Score:
        """One row as a ``Score``."""
        return Score(
            intent=INTENTS[int(self.p_intent[row].argmax())],
            p_intent=tuple(self.p_intent[row].tolist()),
            urgency=float(self.urgency[row]),
            urgency_level=URGENCY_LEVELS[int(self.p_urgency[row].argmax())],
            p_urgency=tuple(self.p_urgency[row].tolist()),
            sentiment=float(self.sentiment[row]),
            sentiment_label=SENTIMENT_LABELS[self.sentiment_class[row]],
            p_sentiment=tuple(self.p_sentiment[row].tolist()),
            need=tuple(self.need[row].tolist()),
            language=self.language[row],
            review=self.review[row],
            model=self.model,
        )

    def __iter__(self) -> Iterator[Score]:
        return (self[row] for row in range(len(self)))
