"""Keyword rules: words as whole words, tiers and points as a tool without a model gives them."""

import numpy as np
import pytest
from pydantic import ValidationError

from replyrank.pipeline.simulation.rules import KeywordRules, load_rules


def _hits(text: str) -> set[str]:
    rules = load_rules()
    return {rule.name for rule, hit in zip(rules.rules, rules.hits([text])[0], strict=True) if hit}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My card was STOLEN", {"fraud"}),
        ("unstolen, pressing, courtesy", set()),
        ("I can\u2019t log in", {"access"}),
        ("it broke down again?", {"outage", "again", "question"}),
        ("thanks &amp;amp; cheers", {"thanks"}),
        ("", set()),
    ],
)
def test_words_match_as_whole_words(text: str, names: set[str]) -> None:
    assert _hits(text) == names


def test_the_best_tier_decides_and_what_can_wait_gives_no_point() -> None:
    rules = load_rules()
    hits = rules.hits(["stolen, help, thanks", "help me please", "thanks", "hm", "down, why?"])
    assert rules.tiers(hits).tolist() == [1, 2, 4, 3, 2]
    assert rules.counts(hits).tolist() == [2, 1, 0, 0, 3]


def test_every_rule_can_match() -> None:
    rules = load_rules()
    hits = rules.hits([rule.words[-1] for rule in rules.rules])
    assert np.diagonal(hits).all()


def test_other_rules_have_another_fingerprint() -> None:
    rules = load_rules()
    fewer = rules.model_copy(update={"rules": rules.rules[1:]})
    assert KeywordRules.model_validate(fewer.model_dump()).fingerprint != rules.fingerprint


def test_two_rules_of_one_name_are_refused() -> None:
    rule = {"name": "a", "tier": 1, "words": ["b"]}
    with pytest.raises(ValidationError, match="two rules have one name"):
        KeywordRules.model_validate({"schema_version": 1, "rules": [rule, rule]})
