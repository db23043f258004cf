"""Brand swaps: a company's name in a text becomes another's, so that no name is a label."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from replyrank.data.companies import companies

#: endings of a company's key that are no part of its name
_REGIONS: Final = re.compile(r" (?:uk|us|india|cameroon|ghana)$")
#: a shorter name is more often something else
_SHORTEST: Final = 3


@lru_cache(maxsize=1)
def company_names() -> tuple[str, ...]:
    """Names of the companies of the table, as they are written in a sentence."""
    names = {_REGIONS.sub("", company.replace("_", " ")) for company in companies()}
    return tuple(sorted(name.title() for name in names if len(name) >= _SHORTEST))


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    # Capitalised or in capitals only: "three", "target" and "chase" are words as well.
    forms = {form for name in company_names() for form in (name, name.upper())}
    return re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, forms), key=len, reverse=True))})\b")


def swap_brands(texts: Sequence[str], chance: float, seed: int) -> list[str]:
    """Swap the company names of some texts, each name for the same other one within a text.

    Args:
        texts: n texts.
        chance: share of the texts to change, where they name a company at all.
        seed: decides which, and what they become.
    """
    rng = np.random.default_rng(seed)
    names = company_names()
    return [
        _swap(text, names, rng) if drawn < chance else text
        for text, drawn in zip(texts, rng.random(len(texts)), strict=True)
    ]


def _swap(text: str, names: tuple[str, ...], rng: np.random.Generator) -> str:
    new: dict[str, str] = {}

    def other(match: re.Match[str]) -> str:
        old = match.group()
        name = new.setdefault(old.lower(), names[int(rng.integers(len(names)))])
        return name.upper() if old.isupper() else name

    return _pattern().sub(other, text)
