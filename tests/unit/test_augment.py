"""Brand swaps: which names change, and into what."""

import pytest

from replyrank.training.augment import BrandSwaps

POST = "Delta lost my bag. DELTA, where is it? delta of the Nile, a delta"
#: texts that hold other names
OTHERS = ["Spotify is down", "my US Bank card"]


def test_names_are_those_of_the_texts_as_they_are_mostly_written() -> None:
    texts = ["Spotify and SPOTIFY", "my Spotify", "T-Mobile", "a target of mine", "@Delta"]
    assert BrandSwaps(texts).names == {"spotify": "Spotify", "t_mobile_us": "T-Mobile"}
    assert BrandSwaps([]).names == {}


def test_one_name_becomes_one_other_within_a_text() -> None:
    swapped = BrandSwaps([*[POST] * 50, OTHERS[0]]).draw(1.0, seed=3)
    # In capitals where it was; the common word stays.
    other = POST.replace("Delta", "Spotify").replace("DELTA", "SPOTIFY")
    assert set(swapped[:50]) == {POST, other}


def test_a_name_that_is_always_in_capitals_is_not_loud() -> None:
    swapped = BrandSwaps([*["HP is slow"] * 50, "Spotify"]).draw(1.0, seed=3)
    assert set(swapped[:50]) == {"HP is slow", "Spotify is slow"}


def test_handles_and_links_stay() -> None:
    texts = ["@Delta why", "see http://x.example/delta-air or /Delta"]
    assert BrandSwaps([*texts, *OTHERS]).draw(1.0, seed=1)[:2] == texts


def test_only_names_of_the_texts_come_in() -> None:
    swapped = BrandSwaps([*[POST] * 200, *OTHERS]).draw(1.0, seed=3)
    assert {text.partition(" lost")[0] for text in swapped[:200]} == {"Delta", "Spotify", "US Bank"}


def test_texts_without_a_name_stay() -> None:
    texts = ["the three of us chase a target", "", "deltas"]
    assert BrandSwaps([*texts, *OTHERS]).draw(1.0, seed=1)[:3] == texts
    assert BrandSwaps(texts).draw(1.0, seed=1) == texts


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_chance_is_the_share_of_texts_that_change(chance: float) -> None:
    swaps = BrandSwaps([POST] * 2_000 + ["Spotify"] * 2_000)
    changed = sum(text != POST for text in swaps.draw(chance, seed=5)[:2_000]) / 2_000
    # Every second swap of one of two names leaves it as it is.
    assert changed == pytest.approx(chance / 2, abs=0.04)


def test_the_seed_decides() -> None:
    swaps = BrandSwaps([*[POST] * 50, *OTHERS])
    assert swaps.draw(0.5, seed=1) == swaps.draw(0.5, seed=1)
    assert swaps.draw(0.5, seed=1) != swaps.draw(0.5, seed=2)
