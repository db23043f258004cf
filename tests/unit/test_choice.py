"""Which messages to label next."""

import numpy as np
import pytest

from replyrank.data.messages import Message
from replyrank.pipeline.choice import choose, doubt, doubts, most_telling
from tests.fakes import FakeScorer


def test_doubt_is_none_of_the_sure_and_whole_of_the_unsure() -> None:
    sure, even = np.eye(4)[:1], np.full((1, 4), 0.25)
    assert doubt([sure, np.eye(3)[:1]])[0] == pytest.approx(0, abs=1e-9)
    assert doubt([even, np.full((1, 3), 1 / 3)])[0] == pytest.approx(1)
    assert doubt([sure, np.full((1, 3), 1 / 3)])[0] == pytest.approx(0.5)


def test_the_most_doubtful_come_first() -> None:
    texts = ["where is my parcel", "what a lovely day", "my bill is wrong", "no signal here"]
    assert choose(np.array([0.1, 0.9, 0.5, 0.3]), texts, 3).tolist() == [1, 2, 3]


def test_what_says_the_same_as_a_chosen_one_comes_later() -> None:
    texts = ["my parcel is late again today"] * 5 + ["the app does not open on my phone"]
    doubts_of = np.array([0.9, 0.89, 0.88, 0.87, 0.86, 0.5])
    assert choose(doubts_of, texts, 2).tolist() == [0, 5]


def test_no_message_is_chosen_twice_and_none_is_made_up() -> None:
    texts = ["same words"] * 4
    assert sorted(choose(np.ones(4), texts, 10).tolist()) == [0, 1, 2, 3]
    assert choose(np.empty(0), [], 5).tolist() == []


def test_of_messages_the_most_telling_are_taken_whatever_the_window() -> None:
    letters = "abcdefghijklmn"
    words = [f"{one}{two}{three}" for one in letters for two in letters for three in letters]
    messages = [Message(text=f"parcel {word}") for word in words[:2_500]]
    scorer = FakeScorer()
    chosen = most_telling(messages, scorer, 5)
    doubtful = doubts(scorer.score_batch([one.text for one in messages]))
    assert len(chosen) == 5
    assert chosen[0] == messages[int(doubtful.argmax())]
    assert len({one.text for one in chosen}) == 5
    assert most_telling([Message(text=" ")], scorer, 5) == []
    copies = [Message(text=f"RT @a{n}: the parcel is late") for n in range(400)]
    assert len(most_telling([*copies, *messages[:3]], scorer, 5)) == 4


def test_all_labels_of_a_scored_message_count() -> None:
    scores = FakeScorer().score_batch(["one", "two"])
    expected = doubt((scores.p_intent, scores.p_urgency, scores.p_sentiment))
    assert np.array_equal(doubts(scores), expected)
