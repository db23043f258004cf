"""Misspellings: some texts, by a seed, still readable, handles and links as they were."""

import re

import pytest

from replyrank.training.spelling import SHORT_FORMS, misspell

TEXT = (
    "Could you tell me when your store in Leeds opens tomorrow, because nobody answers the phone?"
)
TEXTS = tuple(f"{TEXT} {number}" for number in range(200))


def test_the_seed_decides_everything() -> None:
    assert misspell(TEXTS, 0.5, seed=3) == misspell(TEXTS, 0.5, seed=3)
    assert misspell(TEXTS, 0.5, seed=3) != misspell(TEXTS, 0.5, seed=4)


def test_about_the_share_asked_for_is_changed() -> None:
    changed = [new != old for new, old in zip(misspell(TEXTS, 0.5, seed=1), TEXTS, strict=True)]
    assert 70 < sum(changed) < 130
    assert misspell(TEXTS, 0.0, seed=1) == list(TEXTS)


def test_most_words_stay_and_none_is_lost() -> None:
    words = TEXT.replace(",", "").replace("?", "").split()
    kept = total = 0
    for text in misspell([TEXT] * 200, 1.0, seed=2):
        new = text.replace(",", "").replace("?", "").split()
        assert len(new) == len(words)
        kept += sum(one == other for one, other in zip(new, words, strict=True))
        total += len(words)
    assert 0.7 < kept / total < 0.9


def test_first_letters_stay_but_in_short_forms() -> None:
    short = {form for forms in SHORT_FORMS.values() for form in forms}
    for text in misspell([TEXT] * 200, 1.0, seed=5):
        for new, old in zip(re.findall(r"\S+", text), TEXT.split(), strict=True):
            assert new[0].lower() == old[0].lower() or new.strip(",?") in short


@pytest.mark.parametrize(
    "kept", ["@Larkwing_Air", "https://t.co/abcdefgh", "#storehours", "www.example.com/help"]
)
def test_handles_links_and_hashtags_keep_their_form(kept: str) -> None:
    for seed in range(30):
        assert kept in misspell([f"please answer {kept} nobody answers"], 1.0, seed)[0]


def test_an_apostrophe_may_go() -> None:
    new = {misspell(["it isn't working"], 1.0, seed)[0] for seed in range(60)}
    assert any("isnt" in text for text in new)
