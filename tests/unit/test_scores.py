"""What follows from probabilities: the label of sentiment."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.vocabulary import SENTIMENT_LABELS, SentimentLabel
from replyrank.models.scores import EVEN_SHARES, ScoreBatch, sentiment_classes
from replyrank.training.metrics import confusion, macro_recall

SHARES = (0.6, 0.3, 0.1)


def _labels(p: list[list[float]], shares: tuple[float, ...]) -> list[SentimentLabel]:
    return [SENTIMENT_LABELS[k] for k in sentiment_classes(np.array(p), shares)]


def test_the_label_is_what_stands_out_against_how_common_it_is() -> None:
    p = [[0.55, 0.35, 0.1], [0.6, 0.2, 0.2], [0.8, 0.15, 0.05]]
    assert _labels(p, SHARES) == ["neutral", "positive", "negative"]
    assert _labels(p, EVEN_SHARES) == ["negative", "negative", "negative"]


def test_a_message_of_which_nothing_is_known_is_neutral() -> None:
    assert _labels([list(SHARES)], SHARES) == ["neutral"]


def test_a_label_that_never_occurred_does_not_break_it() -> None:
    assert _labels([[0.5, 0.5, 0.0]], (0.5, 0.5, 0.0)) == ["neutral"]


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=3, max_size=30))
def test_no_other_choice_has_a_greater_expected_macro_recall(weights: list[list[float]]) -> None:
    p = np.array(weights) / np.sum(weights, axis=1, keepdims=True)
    shares = tuple(p.mean(axis=0))

    def expected(classes: np.ndarray) -> float:
        # Every post counts for each of its labels with the chance of that label.
        true = np.tile(np.arange(3), len(p))
        counts = confusion(true, np.repeat(classes, 3), 3, p.ravel())
        return float(macro_recall(counts))

    chosen = sentiment_classes(p, shares)
    best = expected(chosen)
    # The figure is a sum over posts: where no single change helps, none does.
    for row, label in itertools.product(range(len(p)), range(3)):
        other = chosen.copy()
        other[row] = label
        assert expected(other) <= best + 1e-6


def test_a_score_has_the_label_of_its_batch() -> None:
    batch = ScoreBatch(
        need=np.full((1, 16), 1 / 16),
        p_sentiment=np.array([[0.55, 0.35, 0.1]]),
        language=("en",),
        review=(None,),
        model="m-1.0",
        sentiment_shares=SHARES,
    )
    assert batch[0].sentiment_label == "neutral"
    assert batch[0].sentiment == pytest.approx(-0.45)
