"""Which messages to label next."""

import numpy as np
import pytest

from replyrank.data.messages import Message
from replyrank.pipeline.choice import Distinct, choose, draws, most_telling
from tests.fakes import FakeScorer


def words(n: int) -> list[str]:
    """Texts of which no two are alike."""
    drawn = np.random.default_rng(0).integers(0, 26, (n, 20))
    return ["".join(chr(ord("a") + letter) for letter in one) for one in drawn]


def heads(rare: int, n: int, *, sure: float = 0.9) -> list[np.ndarray]:
    """One kind of label with two words; the first ``rare`` messages are likely of the second."""
    second = np.where(np.arange(n) < rare, sure, 1 - sure)
    return [np.stack([1 - second, second], axis=1)]


def test_the_rare_are_chosen_as_often_as_the_common() -> None:
    texts = words(2_000)
    chosen = choose(draws(heads(60, 2_000, sure=0.99), texts), 100)
    assert len({*chosen.tolist()}) == 100
    assert int((chosen < 60).sum()) == pytest.approx(50, abs=3)


def test_the_surer_are_drawn_more_often_and_others_too() -> None:
    texts = words(2_000)
    p = np.where(np.arange(2_000) % 2 == 0, 0.8, 0.6)
    keys = draws([np.stack([p, 1 - p], axis=1)], texts)
    of_the_first = np.argsort(-keys[:, 0])[:200]
    # By the fourth power a draw is (0.8 / 0.6) ** 4 = 3.2 times as likely.
    assert int((of_the_first % 2 == 0).sum()) == pytest.approx(200 * 3.16 / 4.16, abs=15)


def test_of_those_that_say_the_same_the_first_stands_for_all() -> None:
    texts = [f"RT @bo{n}: my parcel is late again today and nobody answers" for n in range(5)]
    texts += [
        "the app does not open on my phone",
        texts[0] + " me",
        "hm",
        "hm!",
    ]
    assert Distinct().new(texts) == [0, 5, 7]
    distinct = Distinct()
    assert distinct.new(texts[:1]) == [0]
    assert distinct.new(texts) == [5, 7]


def test_no_message_is_chosen_twice_and_none_is_made_up() -> None:
    texts = words(4)
    keys = draws(heads(2, 4), texts)
    assert sorted(choose(keys, 10).tolist()) == [0, 1, 2, 3]
    assert len(choose(keys, 3)) == 3
    assert choose(draws(heads(0, 0), []), 5).tolist() == []


def test_of_a_stream_the_same_are_taken_as_of_the_whole() -> None:
    texts, scorer = words(2_500), FakeScorer()
    scores = scorer.score_batch(texts)
    keys = draws([scores.p_intent, scores.p_urgency, scores.p_sentiment], texts)
    expected = [texts[row] for row in choose(keys, 30)]
    found = most_telling((Message(text=text) for text in texts), scorer, 30)
    assert [one.text for one in found] == expected
    # By other messages beside them, the draw of none changes.
    assert np.array_equal(draws([scores.p_intent[5:9]], texts[5:9]), keys[5:9, :4])


def test_what_cannot_be_scored_or_was_said_before_is_left_out() -> None:
    scorer = FakeScorer()
    assert most_telling([Message(text=" ")], scorer, 5) == []
    copies = [Message(text=f"RT @a{n}: the parcel is late") for n in range(400)]
    others = [Message(text=text) for text in ("no signal here", "my bill is wrong", "thanks a lot")]
    assert len(most_telling([*copies, *others], scorer, 5)) == 4


def test_a_form_letter_takes_nobodys_place() -> None:
    letter = "dear team, please cancel the contract of {} and confirm it in writing at once"
    names = words(3_000)
    texts = [letter.format(name[:4]) for name in names[300:]] + names[:300]
    found = most_telling([Message(text=text) for text in texts], FakeScorer(), 50)
    assert len(found) == 50
    assert sum(one.text.startswith("dear team") for one in found) <= 1
