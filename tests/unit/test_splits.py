"""Sides of the labelled posts, and folds that leave companies out."""

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.companies import industry_of
from replyrank.data.corpora import LabelledPost
from replyrank.data.labels import read_labels
from replyrank.data.messages import Labels
from replyrank.data.splits import (
    Split,
    companies_of,
    gate_companies,
    gate_keys,
    gate_rows,
    split_of,
)
from replyrank.data.splits.folds import NO_FOLD, company_folds, held_out_companies, training_rows


@dataclass(frozen=True)
class Post:
    company: str | None
    text: str = ""


BASE = LabelledPost(
    id="x",
    source="written",
    key="0" * 64,
    text="hello",
    labels=Labels(),
    split="train",
    votes=1,
    brand=None,
    company=None,
    channel=None,
    created_at=None,
)
companies = st.sampled_from(["delta", "spotify", "google", "adobe", "hp", "moo", None])
posts = st.lists(st.builds(Post, companies), min_size=8, max_size=60).filter(
    lambda drawn: len({post.company for post in drawn} - {None}) >= 3
)


def test_the_gate_is_about_fifteen_percent_of_known_companies() -> None:
    assert all(industry_of(company) for company in gate_companies())
    train = sum(row.split == "train" for row in read_labels())
    assert 0.09 < len(gate_keys()) / train < 0.17


def test_gate_keys_are_keys_of_train_labels() -> None:
    train = {(row.source, row.key) for row in read_labels() if row.split == "train"}
    assert gate_keys() <= train


def test_sides() -> None:
    source, key = min(gate_keys())
    assert split_of(replace(BASE, source=source, key=key)) is Split.GATE
    assert split_of(replace(BASE, source=source, key=key, split="test")) is Split.TEST
    assert split_of(BASE) is Split.TRAIN
    assert split_of(replace(BASE, text="RT @google and all")) is Split.EXCLUDED
    assert split_of(replace(BASE, company="delta", text="@Delta or @google")) is Split.EXCLUDED


def test_the_rule_of_the_gate() -> None:
    gate = replace(BASE, company="google", key="1" * 64)
    drawn = [gate, BASE, replace(gate, split="test"), replace(BASE, text="@google")]
    assert gate_rows(drawn) == [("written", "1" * 64)]


def test_companies_of_a_post() -> None:
    assert companies_of("delta", "@SpotifyCares help") == {"delta", "spotify"}
    assert companies_of(None, "help") == frozenset()


@given(posts, st.integers(2, 3), st.integers(0, 99))
def test_a_company_is_in_one_fold(drawn: list[Post], k: int, seed: int) -> None:
    folds = company_folds(drawn, k, seed)
    assert folds == company_folds(drawn, k, seed)
    places: dict[str | None, set[int]] = {}
    for post, fold in zip(drawn, folds, strict=True):
        places.setdefault(post.company, set()).add(fold)
    assert places.pop(None, {NO_FOLD}) == {NO_FOLD}
    assert all(len(place) == 1 for place in places.values())
    assert set.union(*places.values()) == set(range(k))
    # Never further apart than one company: the largest goes first, to the emptiest fold.
    sizes = Counter(fold for fold in folds if fold != NO_FOLD)
    largest = max(Counter(post.company for post in drawn if post.company).values())
    assert max(sizes.values()) - min(sizes.values()) <= largest


@given(posts, st.integers(0, 99))
def test_nothing_of_a_fold_trains_beside_it(drawn: list[Post], seed: int) -> None:
    drawn = [*drawn, Post(None, "@SpotifyCares hi"), Post("delta", "@AdobeCare and @Delta")]
    folds = company_folds(drawn, 2, seed)
    for fold in range(2):
        aside = held_out_companies(drawn, folds, fold)
        trains = [drawn[row] for row in training_rows(drawn, folds, fold)]
        assert not any(companies_of(post.company, post.text) & aside for post in trains)
        assert sum(post.company is None and not post.text for post in trains) == sum(
            post.company is None and not post.text for post in drawn
        )


def test_a_near_copy_of_a_fold_does_not_train_beside_it() -> None:
    text = "the train to the coast was late again and nobody told us why"
    drawn = [Post("delta", text), Post("spotify", "music"), Post(None, f"RT {text.upper()}!")]
    folds = company_folds(drawn, 2)
    assert training_rows(drawn, folds, folds[0]) == [1]
    assert training_rows(drawn, folds, folds[1]) == [0, 2]


@pytest.mark.parametrize("k", [0, 1, 3])
def test_impossible_folds_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"{k} folds cannot be made of 2 companies"):
        company_folds([Post("delta"), Post("spotify")], k)
