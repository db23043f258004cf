"""Scores as the columns that flat files get."""

from typing import Final

import numpy as np

from replyrank.data.readers import Added
from replyrank.data.vocabulary import (
    INTENTS,
    SCORE_COLUMNS,
    SENTIMENT_LABELS,
    TEXT_SCORE_COLUMNS,
    URGENCY_LEVELS,
)
from replyrank.models.scores import ScoreBatch

#: A millionth is finer than any calibration, and keeps files short.
_DECIMALS: Final = 6

_INTENT_WORDS: Final = tuple(intent.value for intent in INTENTS)
_LEVEL_WORDS: Final = tuple(level.label for level in URGENCY_LEVELS)
_SENTIMENT_WORDS: Final = tuple(label.value for label in SENTIMENT_LABELS)
#: columns that hold numbers, in their order
_NUMBERS: Final = tuple(name for name in SCORE_COLUMNS if name not in TEXT_SCORE_COLUMNS)


def score_columns(batch: ScoreBatch) -> Added:
    """The n scores as ``SCORE_COLUMNS``, each with n values; numbers rounded to 6 decimals."""
    numbers = np.column_stack(
        [batch.p_intent, batch.urgency, batch.p_urgency, batch.sentiment, batch.p_sentiment]
    )
    # One rounding for all: calls of numpy are what a single message waits for. Adding zero turns
    # -0.0 into 0.0.
    columns = iter((np.round(numbers, _DECIMALS) + 0.0).T.tolist())
    found: dict[str, list[object]] = {name: next(columns) for name in _NUMBERS}
    found["intent"] = [_INTENT_WORDS[k] for k in batch.p_intent.argmax(axis=1).tolist()]
    found["urgency_level"] = [_LEVEL_WORDS[k] for k in batch.p_urgency.argmax(axis=1).tolist()]
    found["sentiment_label"] = [_SENTIMENT_WORDS[k] for k in batch.sentiment_class.tolist()]
    found["language"] = list(batch.language)
    found["review"] = [None if review is None else review.value for review in batch.review]
    found["model"] = [batch.model] * len(batch)
    return {name: found[name] for name in SCORE_COLUMNS}
