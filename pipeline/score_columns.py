"""Scores as the columns that flat files get."""

from typing import Final

import numpy as np

from replyrank.data.readers import Added
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.models.joint import FloatArray
from replyrank.models.scores import ScoreBatch

#: A millionth is finer than any calibration, and keeps files short.
_DECIMALS: Final = 6

_INTENT_WORDS: Final = tuple(intent.value for intent in INTENTS)
_LEVEL_WORDS: Final = tuple(level.label for level in URGENCY_LEVELS)
_SENTIMENT_WORDS: Final = tuple(label.value for label in SENTIMENT_LABELS)


def score_columns(batch: ScoreBatch) -> Added:
    """The n scores as ``SCORE_COLUMNS``, each with n values; numbers rounded to 6 decimals."""
    columns: dict[str, list[object]] = {"intent": _words(batch.p_intent, _INTENT_WORDS)}
    columns |= _numbers(batch.p_intent, [f"p_{word}" for word in _INTENT_WORDS])
    columns |= _numbers(batch.urgency[:, None], ["urgency"])
    columns["urgency_level"] = _words(batch.p_urgency, _LEVEL_WORDS)
    columns |= _numbers(batch.p_urgency, [f"p_urgency_{word}" for word in _LEVEL_WORDS])
    columns |= _numbers(batch.sentiment[:, None], ["sentiment"])
    columns["sentiment_label"] = [_SENTIMENT_WORDS[k] for k in batch.sentiment_class.tolist()]
    columns |= _numbers(batch.p_sentiment, [f"p_{word}" for word in _SENTIMENT_WORDS])
    columns["language"] = list(batch.language)
    columns["review"] = [None if review is None else review.value for review in batch.review]
    columns["model"] = [batch.model] * len(batch)
    return columns


def _words(p: FloatArray, words: tuple[str, ...]) -> list[object]:
    return [words[position] for position in p.argmax(axis=1).tolist()]


def _numbers(values: FloatArray, names: list[str]) -> dict[str, list[object]]:
    # Adding zero turns -0.0 into 0.0.
    rounded = np.round(values, _DECIMALS) + 0.0
    return {name: rounded[:, position].tolist() for position, name in enumerate(names)}
