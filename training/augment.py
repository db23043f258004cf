"""Brand swaps: a company's name in a text becomes another's, so that no name is a label."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from replyrank.data.companies import names_in


def written_names(texts: Sequence[str]) -> dict[str, str]:
    """How the companies that ``texts`` name are mostly written there, by company.

    Swaps draw from the names in the very texts that train: so none of a company that is kept
    aside can come in.
    """
    forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        for name in names_in(text):
            forms[name.company][text[name.start : name.end]] += 1
    return {company: forms[company].most_common(1)[0][0] for company in sorted(forms)}


def swap_brands(
    texts: Sequence[str], names: Mapping[str, str], chance: float, seed: int
) -> list[str]:
    """Swap the company names of some texts, each company for the same other one within a text.

    Args:
        texts: n texts.
        names: what to draw from, see ``written_names``.
        chance: share of the texts to change, where they name a company at all.
        seed: decides which, and what they become.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.random(len(texts))
    return [
        _swap(text, names, rng) if names and value < chance else text
        for text, value in zip(texts, drawn, strict=True)
    ]


def _swap(text: str, names: Mapping[str, str], rng: np.random.Generator) -> str:
    forms, new = list(names.values()), dict[str, str]()
    parts, end = [], 0
    for name in names_in(text):
        old = text[name.start : name.end]
        other = new.setdefault(name.company, forms[int(rng.integers(len(forms)))])
        # Some names are always in capitals; only of others are they loud.
        is_loud = old.isupper() and not names.get(name.company, "").isupper()
        parts += [text[end : name.start], other.upper() if is_loud else other]
        end = name.end
    return "".join([*parts, text[end:]])
