"""The handle of the account that a post reached, told from the others."""

import pytest

from replyrank.data.addressee import mark_addressee
from replyrank.data.cleaning import clean

EXAMPLES = {
    "its own handle": ("@ThreeUK no signal", "@ThreeUK", "@brand no signal"),
    "whatever its letters": ("@threeuk no signal", "ThreeUK", "@brand no signal"),
    "another user first": ("@bob @ThreeUK same here", "ThreeUK", "@bob @brand same here"),
    "another handle of the company": ("@ThreeUKSupport hi", "ThreeUK", "@brand hi"),
    "a company by its name": ("@VodafoneUK hi", "vodafone_uk", "@brand hi"),
    "another company": ("@VodafoneUK hi", "ThreeUK", "@VodafoneUK hi"),
    "a company that no table knows": ("hi @Larkwing_Air", "Larkwing Air", "hi @brand"),
    "a longer handle": ("@Larkwing_Airport hi", "Larkwing_Air", "@Larkwing_Airport hi"),
    "no brand": ("@ThreeUK no signal", None, "@ThreeUK no signal"),
    "an empty brand": ("@ThreeUK no signal", "", "@ThreeUK no signal"),
    "an address": ("mail me at joe@threeuk.com", "ThreeUK", "mail me at joe@threeuk.com"),
    "running text": ("ThreeUK has no signal", "ThreeUK", "ThreeUK has no signal"),
}


@pytest.mark.parametrize(("text", "brand", "expected"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_the_brand_own_handles_are_marked(text: str, brand: str | None, expected: str) -> None:
    assert mark_addressee(text, brand) == expected
    assert mark_addressee(expected, brand) == expected


def test_cleaning_keeps_the_mark_and_hides_the_others() -> None:
    assert clean(mark_addressee("@bob @ThreeUK same here", "ThreeUK")) == "@user @brand same here"
