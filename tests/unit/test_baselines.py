"""Baselines: what they must get right, and what they do with gaps."""

import numpy as np
import pytest

from replyrank.training.baselines import majority, tfidf_logistic, vader
from replyrank.training.rows import MASKED, TrainingRows

ASK = ["where is my parcel", "when will my parcel come", "my parcel is late, where is it"]
THANK = ["thank you for the lovely service", "lovely service, thank you", "thank you so much"]


def rows(texts: list[str], intent: list[int], urgency: list[int]) -> TrainingRows:
    n = len(texts)
    return TrainingRows(
        tuple(texts), np.array(intent), np.array(urgency), np.full(n, MASKED, dtype=np.int64)
    )


def test_majority_gives_everyone_the_shares_of_training() -> None:
    train = rows(["a"] * 4, [0, 0, 1, MASKED], [1, 1, 1, 3])
    found = majority(train, 2)
    assert found.p_intent is not None
    assert found.p_urgency is not None
    assert found.p_sentiment is not None
    assert found.p_intent[1] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert found.p_urgency[0] == pytest.approx([0, 3 / 4, 0, 1 / 4])
    # Nothing known: every class alike.
    assert found.p_sentiment[0] == pytest.approx([1 / 3] * 3)


def test_tfidf_learns_and_leaves_open_labels_out() -> None:
    # One post asks but its intent is open: it must not be learnt as a class.
    train = rows(ASK * 2 + THANK * 2, [0] * 5 + [MASKED] + [1] * 6, [2] * 6 + [0] * 6)
    found = tfidf_logistic(train, ["is my parcel late", "thank you"], seed=0)
    assert found.p_intent is not None
    assert found.p_urgency is not None
    assert found.need is not None
    assert found.p_intent.argmax(axis=1).tolist() == [0, 1]
    assert found.p_urgency.argmax(axis=1).tolist() == [2, 0]
    assert found.need.sum(axis=1) == pytest.approx(1)
    assert found.p_intent[:, 2:] == pytest.approx(0)
    assert found.p_sentiment == pytest.approx(1 / 3)


def test_tfidf_with_one_class_says_that_class() -> None:
    found = tfidf_logistic(rows(ASK * 2, [2] * 6, [1] * 6), ["anything"], seed=0)
    assert found.p_intent is not None
    assert found.p_intent[0] == pytest.approx([0, 0, 1, 0])


def test_vader_knows_sentiment_only() -> None:
    found = vader(["I love it, wonderful!", "The shop opens at nine", "I hate this, awful", ""])
    assert found.need is None
    assert found.p_sentiment is not None
    assert found.p_sentiment.argmax(axis=1).tolist() == [2, 1, 0, 1]
    assert found.p_sentiment.sum(axis=1).tolist() == [1] * 4
    assert len(vader([])) == 0
