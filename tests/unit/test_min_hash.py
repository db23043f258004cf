"""Numbers by which texts that say the same are found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.min_hash import min_hashes
from replyrank.data.near_copies import normalise, similarity
from replyrank.data.splits.sketches import (
    is_like_one_of,
    judged,
    no_sketches,
    sketches_of,
)

POST = "@acme my parcel has not come and it is the third time that nobody answers the phone"


@given(st.lists(st.text(alphabet="abc \U0001f600\ud800", min_size=5, max_size=40), max_size=8))
def test_the_numbers_of_many_are_those_of_each(texts: list[str]) -> None:
    many = min_hashes(texts, 12)
    assert many.shape == (len(texts), 12)
    assert all(
        np.array_equal(row, min_hashes([text], 12)[0])
        for text, row in zip(texts, many, strict=True)
    )


def test_they_do_not_hang_on_how_many_are_worked_on_together() -> None:
    texts = ["x" * 300 + str(n) + "abcdefgh" * 5 for n in range(400)]
    assert np.array_equal(min_hashes(texts, 12)[-3:], min_hashes(texts[-3:], 12))


def test_as_many_agree_as_the_texts_are_alike() -> None:
    other = POST.replace("third time", "second time").replace("@acme", "@rival")
    first, second = min_hashes([normalise(POST), normalise(other)], 4_000)
    assert (first == second).mean() == pytest.approx(similarity(POST, other), abs=0.03)


def test_near_copies_of_what_was_sketched_are_found_and_others_are_not() -> None:
    sketches = sketches_of([POST, "what a lovely evening with all of my friends at the sea"])
    for copied in (
        POST.replace("@acme", "@rival") + " https://t.co/x",
        f"RT @bo: {POST.upper()}!!",
        POST.replace("the third", "a third"),
    ):
        assert is_like_one_of(copied, sketches)
    for other in (
        "@acme where is my parcel?",
        "",
        "hm",
        "@acme the phone is dead, and so is the app",
    ):
        assert not is_like_one_of(other, sketches)
    assert not is_like_one_of(POST, no_sketches())


def test_a_text_of_any_length_is_worked_on_in_parts() -> None:
    long = "".join(chr(ord("a") + n % 23) for n in range(700_000))
    assert np.array_equal(min_hashes([long, "abcdefgh"], 20)[1:], min_hashes(["abcdefgh"], 20))


def test_sketches_are_shipped_of_the_posts_that_judge() -> None:
    assert judged().shape[1] == no_sketches().shape[1]
    assert len(judged()) > 2_000
    assert len(np.unique(judged(), axis=0)) == len(judged())
