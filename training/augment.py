"""Brand swaps: a company's name in a text becomes another's, so that no name is a label."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from replyrank.data.companies import NameInText, names_in


class BrandSwaps:
    """The company names in some texts, found once, and what they may become.

    Swaps draw from the names in the very texts that train: so none of a company that is kept
    aside can come in.

    Args:
        texts: n texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        found = ((row, tuple(names_in(text))) for row, text in enumerate(texts))
        self._found = {row: names for row, names in found if names}
        forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row, names in self._found.items():
            for name in names:
                forms[name.company][texts[row][name.start : name.end]] += 1
        #: how each company is mostly written in the texts
        self.names: Mapping[str, str] = {
            company: forms[company].most_common(1)[0][0] for company in sorted(forms)
        }

    def draw(self, chance: float, seed: int) -> list[str]:
        """The texts, with the names of some swapped; each for the same other within a text.

        Args:
            chance: share of the texts to change, where they name a company at all.
            seed: decides which, and what they become.
        """
        rng = np.random.default_rng(seed)
        drawn, texts = rng.random(len(self._texts)), list(self._texts)
        for row, found in self._found.items():
            if drawn[row] < chance:
                texts[row] = self._swapped(texts[row], found, rng)
        return texts

    def _swapped(self, text: str, found: Sequence[NameInText], rng: np.random.Generator) -> str:
        forms, new = list(self.names.values()), dict[str, str]()
        parts, end = [], 0
        for name in found:
            old = text[name.start : name.end]
            other = new.setdefault(name.company, forms[int(rng.integers(len(forms)))])
            # Some names are always in capitals; only of others are they loud.
            is_loud = old.isupper() and not self.names[name.company].isupper()
            parts += [text[end : name.start], other.upper() if is_loud else other]
            end = name.end
        return "".join([*parts, text[end:]])
