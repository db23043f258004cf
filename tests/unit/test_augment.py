"""Brand swaps: which names change, and into what."""

import pytest

from replyrank.training.augment import company_names, swap_brands

POST = "Delta lost my bag. DELTA, where is it? delta of the Nile, a delta"


def test_names_are_written_as_in_a_sentence() -> None:
    names = company_names()
    assert {"Delta", "Vodafone"} <= set(names)
    assert "Vodafone Uk" not in names
    assert all(len(name) >= 3 and "_" not in name for name in names)
    assert list(names) == sorted(set(names))


def test_one_name_becomes_one_other_within_a_text() -> None:
    (swapped,) = swap_brands([POST], 1.0, seed=3)
    name, _, rest = swapped.partition(" lost my bag. ")
    assert name in company_names()
    assert name != "Delta"
    # In capitals where it was; the common word stays.
    assert rest == f"{name.upper()}, where is it? delta of the Nile, a delta"


def test_texts_without_a_name_stay() -> None:
    texts = ["the three of us chase a target", "", "deltas"]
    assert swap_brands(texts, 1.0, seed=1) == texts


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_chance_is_the_share_of_texts_that_change(chance: float) -> None:
    swapped = swap_brands([POST] * 2_000, chance, seed=5)
    changed = sum(text != POST for text in swapped) / 2_000
    # A name may be swapped for itself.
    assert chance - 0.05 <= changed <= chance + 0.04


def test_the_seed_decides() -> None:
    texts = [POST] * 50
    assert swap_brands(texts, 0.5, seed=1) == swap_brands(texts, 0.5, seed=1)
    assert swap_brands(texts, 0.5, seed=1) != swap_brands(texts, 0.5, seed=2)
