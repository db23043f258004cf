"""The table of companies and what is asked of it."""

import csv
from importlib import resources
from io import StringIO

import pytest

from replyrank.data.companies import (
    companies_mentioned,
    company_of,
    industry_of,
    names_in,
    normalise_alias,
)


def _rows() -> list[dict[str, str]]:
    source = resources.files("replyrank.data").joinpath("companies.csv")
    with StringIO(source.read_text(encoding="utf-8")) as lines:
        return list(csv.DictReader(lines))


def test_every_alias_is_in_its_normal_form_and_stands_once() -> None:
    aliases = [row["alias"] for row in _rows()]
    assert aliases == [normalise_alias(alias) for alias in aliases]
    assert len(set(aliases)) == len(aliases)


def test_an_alias_says_in_which_letters_it_is_a_name() -> None:
    rows = _rows()
    assert {row["in_text"] for row in rows} == {"", "any", "capital", "capitals"}
    assert not any(row["in_text"] for row in rows if row["alias"].isdigit())


def test_a_company_has_one_industry() -> None:
    pairs = {(row["company"], row["industry"]) for row in _rows()}
    assert len({company for company, _ in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("aliases", "company"),
    [
        (["Delta", "delta", "@Delta", " @delta "], "delta"),
        (["American", "AmericanAir"], "american_airlines"),
        (["US Airways", "US_Airways", "USAirways"], "us_airways"),
        (["VodafoneUK", "@VodafoneUK"], "vodafone_uk"),
    ],
)
def test_all_aliases_of_a_company_are_one(aliases: list[str], company: str) -> None:
    assert {company_of(alias) for alias in aliases} == {company}


@pytest.mark.parametrize(
    "topic", ["retail", "random_tweet", "random_reply", "services", "other", "music", "", None]
)
def test_topics_are_no_companies(topic: str | None) -> None:
    assert company_of(topic) is None


def test_mentions_are_found_by_handle() -> None:
    text = "RT @Delta: thanks .@SpotifyCares, nor me@google.example or @nobody_1"
    assert companies_mentioned(text) == {"delta", "spotify"}


@pytest.mark.parametrize(
    ("text", "company"),
    [
        ("flew SPOTIFY class with spotify", "spotify"),
        ("Delta lost it", "delta"),
        ("is the AT&T line down?", "att"),
        ("T-Mobile or t mobile", "t_mobile_us"),
        ("a McDonald\u2019s breakfast, #mcdonalds", "mcdonalds"),
    ],
)
def test_mentions_are_found_by_name(text: str, company: str) -> None:
    assert companies_mentioned(text) == {company}


@pytest.mark.parametrize(
    "text",
    [
        "the Nile delta",
        "three targets to chase",
        "hp sauce",
        "Deltas",
        "ubers",
        "XAT&T",
        "123",
        "my best buy",
    ],
)
def test_common_words_are_no_companies(text: str) -> None:
    assert companies_mentioned(text) == frozenset()


def test_names_come_from_left_to_right_with_their_place() -> None:
    text = "@Delta: Virgin Atlantic, not Best-Buy http://x.example/spotify"
    found = [(text[name.start : name.end], name.company) for name in names_in(text)]
    assert found == [("Virgin Atlantic", "virgin_atlantic"), ("Best-Buy", "best_buy")]


def test_industry() -> None:
    assert industry_of("delta") == "airline"
    assert industry_of("Delta") is None
