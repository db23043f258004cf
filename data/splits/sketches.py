"""Which texts are near-copies of the posts that judge models, told without those posts.

The texts of public posts are not shipped, and their keys find a text only as it is. ``judged.npy``
holds numbers by which a near-copy is found as well, and from which no text can be read: MinHash
sketches (``replyrank.data.min_hash``) of the posts of ``test`` and of the gate set.
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
from replyrank.data.near_copies import SHINGLE, THRESHOLD, normalise
from replyrank.data.splits import Split, split_of

Sketches = npt.NDArray[np.uint16]

_FILE: Final = "judged.npy"
_NUMBERS: Final = 64
#: Of so many numbers of two texts at the threshold, this share or more agree 19 times in 20; of two
#: that are less than half alike, one time in 70.
_AGREE: Final = THRESHOLD - 0.1


def sketches_of(texts: Iterable[str]) -> Sketches:
    """(n, 64) of the texts that have letters enough, in their order."""
    letters = [one for one in map(normalise, texts) if len(one) >= SHINGLE]
    return min_hashes(letters, _NUMBERS).astype(np.uint16)


def no_sketches() -> Sketches:
    """Of no text."""
    return np.empty((0, _NUMBERS), dtype=np.uint16)


def is_like_one_of(text: str, sketches: Sketches) -> bool:
    """Whether a text is, as good as surely, a near-copy of one that was sketched.

    One of fewer letters than a shingle has is a copy of nothing here.
    """
    own = sketches_of([text])
    return bool(len(own)) and bool(((sketches == own).mean(axis=1) >= _AGREE).any())


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
