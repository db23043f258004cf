"""The guard finds the near-copies that brute force finds, and those that people make."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replyrank.data.near_copies import (
    THRESHOLD,
    NearCopyGuard,
    normalise,
    numbers,
    shingles,
    similarity,
)

POST = "@acme My parcel never came and the driver says he rang twice, where is it? https://a.b/c"
OTHERS = [
    "@acme Thank you for the lovely card that came with the flowers on Saturday morning",
    "Why does the app close whenever I open the map on the new phone?",
]
words = st.sampled_from(["late", "train", "again", "to", "the", "thanks", "@acme", "b", "42", "!"])
texts = st.lists(words, max_size=7).map(" ".join)


@pytest.mark.parametrize(
    "copy",
    [
        POST,
        POST.upper(),
        POST.replace("@acme", "@other_brand"),
        POST.replace("https://a.b/c", "http://t.co/XyZ12"),
        POST.replace("parcel", "packet"),
        POST.replace("twice", "2 times"),
        "RT @someone: " + POST,
        POST.replace(", where", " -- where") + " !!! 123",
    ],
)
def test_a_planted_copy_is_found(copy: str) -> None:
    guard = NearCopyGuard([OTHERS[0], POST, OTHERS[1]])
    assert guard.copied(copy) == 1
    assert guard.filter([OTHERS[0] + " and cake and tea with all of our friends", copy]) == [0]


def test_another_text_is_no_copy() -> None:
    assert NearCopyGuard([POST]).filter(OTHERS) == [0, 1]


def test_texts_that_say_nothing_copy_nothing() -> None:
    assert NearCopyGuard(["@acme", POST]).filter(["@other", "", "https://a.b/c"]) == [0, 1, 2]


def test_numbers_are_those_of_the_words() -> None:
    assert numbers("order 48213, 2nd time, @bo77 https://t.co/9x9 by 5pm") == {"48213", "2", "5"}
    assert numbers("no order at all, see HTTPS://T.CO/A1B2") == frozenset()


def test_emoji_count_where_there_are_no_letters() -> None:
    guard = NearCopyGuard(["@acme 😡😡"])
    assert guard.copied("@other 😡😡") == 0
    assert guard.copied("@other 🎉🎉") is None


def test_short_texts_are_compared_whole() -> None:
    guard = NearCopyGuard(["@acme Ta!"])
    assert guard.copied("@other ta") == 0
    assert guard.copied("@other to") is None


def test_no_protected_text_protects_nothing() -> None:
    assert NearCopyGuard([]).filter([POST, ""]) == [0, 1]


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="out of range"):
        NearCopyGuard([POST], threshold)


@given(texts, st.sampled_from(["@x_1", "https://t.co/abc", "7", "?!", "  "]))
def test_what_does_not_count_changes_nothing(text: str, noise: str) -> None:
    assert normalise(f"{noise} {text.upper()} {noise}") == normalise(text) or not any(
        letter.isalpha() for letter in normalise(text)
    )


@given(texts, texts)
def test_similarity_is_symmetric_and_one_for_itself(one: str, other: str) -> None:
    assert similarity(one, other) == similarity(other, one)
    assert similarity(one, one) == (1.0 if shingles(one) else 0.0)


@settings(max_examples=300)
@given(st.lists(texts, max_size=12), texts, st.sampled_from([0.05, 0.3, 0.5, THRESHOLD, 1.0]))
def test_the_guard_is_exact(protected: list[str], text: str, threshold: float) -> None:
    alike = [similarity(text, other) for other in protected]
    best = max(alike, default=0.0)
    expected = alike.index(best) if best >= threshold else None
    assert NearCopyGuard(protected, threshold).copied(text) == expected
