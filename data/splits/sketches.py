"""Which texts are near-copies of the posts that judge models, told without those posts.

The texts of public posts are not shipped, and their keys find a text only as it is. ``judged.npy``
holds sketches by which a near-copy is found as well: one bit of each of 256 MinHash numbers (Li and
König 2010, arXiv 0910.3349) of the posts of ``test`` and of the gate set. Who has a text can tell
by them, as by its key, whether it is among the posts; no text stands in them, nor a part of one.
"""

from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.corpora import LabelledPost
from replyrank.data.min_hash import min_hashes
from replyrank.data.near_copies import SHINGLE, normalise
from replyrank.data.splits import Split, split_of

Sketches = npt.NDArray[np.uint8]

_FILE: Final = "judged.npy"
_BITS: Final = 256
#: Bits that may differ. Two texts of similarity J agree in (1 + J) / 2 of them: at the threshold of
#: a near-copy, 0.7, 96 pairs in 100 differ in no more, at 0.5 one in 100, at 0.3 none in a million.
_MOST_OTHER: Final = 48


def sketches_of(texts: Iterable[str]) -> Sketches:
    """(n, 32) bytes of the texts that have letters enough, in their order."""
    letters = [one for one in map(normalise, texts) if len(one) >= SHINGLE]
    return np.packbits((min_hashes(letters, _BITS) & 1).astype(np.uint8), axis=1)


def no_sketches() -> Sketches:
    """Of no text."""
    return np.empty((0, _BITS // 8), dtype=np.uint8)


def is_like_one_of(text: str, sketches: Sketches) -> bool:
    """Whether a text is, as good as surely, a near-copy of one that was sketched.

    One of fewer letters than a shingle has is a copy of nothing here.
    """
    own = sketches_of([text])
    if not len(own):
        return False
    other = np.bitwise_count(sketches ^ own).sum(axis=1, dtype=np.int64)
    return bool((other <= _MOST_OTHER).any())


@cache
def judged() -> Sketches:
    """The sketches of the posts that judge, sorted."""
    with resources.files("replyrank.data.splits").joinpath(_FILE).open("rb") as file:
        found: Sketches = np.load(file, allow_pickle=False)
    return found


def judged_rows(posts: Iterable[LabelledPost]) -> Sketches:
    """The sketches of all posts that judge, sorted, so that their order tells nothing."""
    texts = [post.text for post in posts if split_of(post) in {Split.TEST, Split.GATE}]
    return np.unique(sketches_of(texts), axis=0)


def write_judged(posts: Iterable[LabelledPost], out: Path) -> int:
    """Write the sketches; gives the number of them."""
    rows = judged_rows(posts)
    with out.open("wb") as target:
        np.save(target, rows, allow_pickle=False)
    return len(rows)
