"""Doubles that several tests share."""

import hashlib
from collections.abc import Sequence

import numpy as np

from replyrank.data.vocabulary import NEED_CELLS, Review
from replyrank.models.config import (
    Calibration,
    HeadCalibration,
    ModelConfig,
    ModelKind,
    Priors,
    Thresholds,
)
from replyrank.models.scores import Score, ScoreBatch

FAKE_CONFIG = ModelConfig(
    name="fake-1.0",
    kind=ModelKind.LINEAR,
    cleaning=1,
    calibration=Calibration(
        need=HeadCalibration(scale=(1.0,) * NEED_CELLS, bias=(0.0,) * NEED_CELLS),
        sentiment=HeadCalibration(scale=(1.0,) * 3, bias=(0.0,) * 3),
    ),
    priors=Priors(need=(1 / NEED_CELLS,) * NEED_CELLS, sentiment=(0.25, 0.5, 0.25)),
    thresholds=Thresholds(support_request=0.5, low_confidence=0.2, language_margin=1.0),
)


class FakeScorer:
    """Scores by the hash of a text: deterministic, different texts differ.

    ``seen`` holds the texts of every call. Texts that are no text or blank get the priors and a
    reason to look, as the scorer's contract says.
    """

    def __init__(self) -> None:
        self.seen: list[list[object]] = []

    @property
    def config(self) -> ModelConfig:
        return FAKE_CONFIG

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        self.seen.append(list(texts))
        n = len(texts)
        need, sentiment = np.empty((n, NEED_CELLS)), np.empty((n, 3))
        review: list[Review | None] = []
        for row, text in enumerate(texts):
            if isinstance(text, str) and text.strip("\0 \t\r\n"):
                need[row], sentiment[row] = _by_hash(text)
                review.append(None)
            else:
                need[row], sentiment[row] = FAKE_CONFIG.priors.need, FAKE_CONFIG.priors.sentiment
                is_empty = text is None or isinstance(text, str)
                review.append(Review.EMPTY if is_empty else Review.UNREADABLE)
        language = tuple("en" if reason is None else None for reason in review)
        return ScoreBatch(need, sentiment, language, tuple(review), FAKE_CONFIG.name)

    def score(self, texts: Sequence[object]) -> list[Score]:
        return list(self.score_batch(texts))


def _by_hash(text: str) -> tuple[list[float], list[float]]:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    need = [1 + byte for byte in digest[:NEED_CELLS]]
    sentiment = [1 + byte for byte in digest[NEED_CELLS : NEED_CELLS + 3]]
    return [x / sum(need) for x in need], [x / sum(sentiment) for x in sentiment]
