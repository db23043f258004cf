"""The key of a text is frozen: these values must never change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.text_key import TEXT_KEY_VERSION, restore, text_key

# Digests made once with sha256sum.
FROZEN = {
    "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "hello world": "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
    "Fish & chips <3": "acc295747fcd16dabf056b9ed60a9a1345d81752797d2bb6a9b6ab97743e05de",
    "Zoë\u2019s 🚆 is late": "9ab301fec513213a5ca6326cbfe99f859613aecf9606b315b5f9d37ff89a34ac",
}


def test_version() -> None:
    assert TEXT_KEY_VERSION == 1


@pytest.mark.parametrize(("text", "key"), FROZEN.items())
def test_frozen_vectors(text: str, key: str) -> None:
    assert text_key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "Fish &amp; chips &lt;3",
        "Fish &amp;amp; chips &amp;lt;3",
        "  Fish &amp; \n chips\t&lt;3 ",
        "Fish\u00a0& chips\u2003<3",
    ],
)
def test_entities_and_white_space_do_not_count(text: str) -> None:
    assert restore(text) == "Fish & chips <3"
    assert text_key(text) == FROZEN["Fish & chips <3"]


@pytest.mark.parametrize("text", ["fish & chips <3", "Fish & chips <3!", "Fish& chips <3"])
def test_all_else_counts(text: str) -> None:
    assert text_key(text) != FROZEN["Fish & chips <3"]


def test_entities_are_undone_twice_not_more() -> None:
    assert restore("&amp;amp;amp;") == "&amp;"


@given(st.text(st.characters(), max_size=60))
def test_any_string_has_a_key(text: str) -> None:
    assert len(text_key(text)) == 64
    assert text_key(f" {text}\n") == text_key(text)


def test_a_lone_surrogate_has_a_key() -> None:
    assert text_key("broken \ud83d post") != text_key("broken post")


@pytest.mark.parametrize("digits", ["1" * 5_000, "0" * 5_000 + "99999999"])
def test_a_number_too_long_to_read_is_no_character(digits: str) -> None:
    assert restore(f"a &#{digits}; b") == "a \ufffd b"
    assert restore(f"a &amp;#{digits}; b") == "a \ufffd b"


def test_zeros_before_a_number_do_not_count() -> None:
    assert restore("&#" + "0" * 5_000 + "65; &amp;amp;") == "A &"
