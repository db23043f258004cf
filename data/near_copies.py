"""Find near-copies: texts that say the same but for handles, links, case or a word.

Two texts are near-copies when the Jaccard similarity of their sets of character 5-grams,
taken from the normalised texts, is at least 0.7. Exact, not approximate: prefix filtering
(Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007) leaves out only pairs that
cannot reach the threshold. Sets A and B with similarity >= t share at least
ceil(t * |A|) elements, so once the elements are put in one order, m of the first
|A| - ceil(t * |A|) + m of A stand among the like of B. With the rarest first, few texts
share them.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

SHINGLE: Final = 5
THRESHOLD: Final = 0.7

# m above. More of them cost longer lists and spare comparisons; 2 to 6 measured alike, 1 slower.
_MATCHES: Final = 3
# Rounding must never cost a pair.
_WHISKER: Final = 1e-9

_ADDRESS: Final = re.compile(r"https?:?/?/?\S*|www\.\S+|\{link\}|\b(?:t\.co|bit\.ly|goo\.gl)/\S+")
_HANDLE: Final = re.compile(r"@\s?(?:\w+|\{mention\})")
_NOT_LETTERS: Final = re.compile(r"[\W\d_]+")
_NUMBER: Final = re.compile(r"\d+")


def normalise(text: str) -> str:
    """What counts of a text: its letters, case folded, without handles and links.

    A text without letters counts with all of its characters but white space, so that two
    different rows of emoji are not taken for copies.
    """
    bare = _without_addresses(text.casefold())
    letters = _NOT_LETTERS.sub(" ", bare).strip()
    return letters or "".join(bare.split())


def numbers(text: str) -> frozenset[str]:
    """The numbers that a text names, as it writes them, without those of handles and links.

    They are no part of what makes a near-copy; where two people say the same of two orders, they
    are what tells them apart.
    """
    return frozenset(_NUMBER.findall(_without_addresses(text.casefold())))


def _without_addresses(text: str) -> str:
    return _HANDLE.sub(" ", _ADDRESS.sub(" ", text))


def shingles(text: str) -> frozenset[str]:
    """Character 5-grams of the normalised text; a shorter text is its only one."""
    normal = normalise(text)
    if not normal:
        return frozenset()
    return frozenset(
        normal[start : start + SHINGLE] for start in range(max(1, len(normal) - SHINGLE + 1))
    )


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of two texts, 0-1; 0 where one of them says nothing."""
    first, second = shingles(one), shingles(other)
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared) if shared else 0.0


class NearCopyGuard:
    """Tells which texts are near-copies of texts that must be kept apart.

    Args:
        protected: the texts that nothing may copy, such as those of a test set.
        threshold: least Jaccard similarity of a near-copy, above 0, at most 1.

    Raises:
        ValueError: if the threshold is out of range.
    """

    def __init__(self, protected: Sequence[str], threshold: float = THRESHOLD) -> None:
        if not 0 < threshold <= 1:
            message = f"threshold {threshold} is out of range; use one above 0, at most 1"
            raise ValueError(message)
        self._threshold = threshold
        sets = [shingles(text) for text in protected]
        frequency = Counter(shingle for members in sets for shingle in members)
        # The rarest gets the lowest number; the shingle itself breaks ties, for one order.
        order = sorted(frequency, key=lambda shingle: (frequency[shingle], shingle))
        self._rank = {shingle: number for number, shingle in enumerate(order)}
        self._sets = [frozenset(self._rank[shingle] for shingle in members) for members in sets]
        self._holders: dict[int, list[int]] = defaultdict(list)
        for row, members in enumerate(self._sets):
            for shingle in sorted(members)[: self._prefix(len(members))]:
                self._holders[shingle].append(row)

    def copied(self, text: str) -> int | None:
        """Position of the protected text that ``text`` is most like, if it is a near-copy.

        Of several equally alike the first; None if none reaches the threshold.
        """
        members = shingles(text)
        known = sorted(self._rank[shingle] for shingle in members if shingle in self._rank)
        size, unknown = len(members), len(members) - len(known)
        # Shingles that no protected text has are the rarest of all: they come first.
        probes = self._prefix(size) - unknown
        if probes <= 0:
            return None
        needed = min(_MATCHES, self._least_shared(size))
        hits = Counter(
            chain.from_iterable(self._holders.get(shingle, ()) for shingle in known[:probes])
        )
        rows = [row for row, matches in hits.items() if matches >= needed]
        return self._most_alike(frozenset(known), size, sorted(rows))

    def _most_alike(self, known: frozenset[int], size: int, rows: list[int]) -> int | None:
        """The first of the most alike among ``rows``; ``size`` counts unknown shingles too."""
        best, found = self._threshold, None
        # No set can be alike enough that is much smaller, larger, or shares too little.
        least = self._least_shared(size)
        most = len(known) / self._threshold + _WHISKER
        for row in rows:
            other = self._sets[row]
            if not least <= len(other) <= most:
                continue
            shared = len(known & other)
            alike = shared / (size + len(other) - shared)
            if alike > best or (found is None and alike >= best):
                best, found = alike, row
        return found

    def filter(self, candidates: Iterable[str]) -> list[int]:
        """Positions of the candidates that are no near-copy of a protected text."""
        return [row for row, text in enumerate(candidates) if self.copied(text) is None]

    def _least_shared(self, size: int) -> int:
        """How many shingles a near-copy must share with a text that has ``size``."""
        return math.ceil(self._threshold * size - _WHISKER)

    def _prefix(self, size: int) -> int:
        return size - self._least_shared(size) + _MATCHES
