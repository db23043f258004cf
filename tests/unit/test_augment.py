"""Brand swaps: which names change, and into what."""

import pytest

from replyrank.training.augment import swap_brands, written_names

POST = "Delta lost my bag. DELTA, where is it? delta of the Nile, a delta"
NAMES = {"delta": "Delta", "spotify": "Spotify", "us_bank": "US Bank"}


def test_names_are_those_of_the_texts_as_they_are_mostly_written() -> None:
    texts = ["Spotify and SPOTIFY", "my Spotify", "T-Mobile", "a target of mine", "@Delta"]
    assert written_names(texts) == {"spotify": "Spotify", "t_mobile_us": "T-Mobile"}
    assert written_names([]) == {}


def test_one_name_becomes_one_other_within_a_text() -> None:
    (swapped,) = swap_brands([POST], {"spotify": "Spotify"}, 1.0, seed=3)
    # In capitals where it was; the common word stays.
    assert swapped == POST.replace("Delta", "Spotify").replace("DELTA", "SPOTIFY")


def test_a_name_that_is_always_in_capitals_is_not_loud() -> None:
    names = {"hp": "HP", "spotify": "Spotify"}
    swapped = set(swap_brands(["HP is slow"] * 50, names, 1.0, seed=3))
    assert swapped == {"HP is slow", "Spotify is slow"}


def test_handles_and_links_stay() -> None:
    texts = ["@Delta why", "see http://x.example/delta-air or /Delta"]
    assert swap_brands(texts, NAMES, 1.0, seed=1) == texts


def test_only_the_given_names_come_in() -> None:
    swapped = {text.partition(" lost")[0] for text in swap_brands([POST] * 200, NAMES, 1.0, seed=3)}
    assert swapped == set(NAMES.values())
    assert swap_brands([POST], {}, 1.0, seed=3) == [POST]


def test_texts_without_a_name_stay() -> None:
    texts = ["the three of us chase a target", "", "deltas"]
    assert swap_brands(texts, NAMES, 1.0, seed=1) == texts


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_chance_is_the_share_of_texts_that_change(chance: float) -> None:
    swapped = swap_brands([POST] * 2_000, {"spotify": "Spotify"}, chance, seed=5)
    changed = sum(text != POST for text in swapped) / 2_000
    assert changed == pytest.approx(chance, abs=0.04)


def test_the_seed_decides() -> None:
    texts = [POST] * 50
    assert swap_brands(texts, NAMES, 0.5, seed=1) == swap_brands(texts, NAMES, 0.5, seed=1)
    assert swap_brands(texts, NAMES, 0.5, seed=1) != swap_brands(texts, NAMES, 0.5, seed=2)
