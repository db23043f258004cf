"""Hashes by which a public text finds those that say the same.

MinHash in bands (banding: Leskovec et al., Mining of Massive Datasets, ch. 3). Two texts of which
nine in ten shingles agree share a band with probability 0.995, two of seven in ten with 0.8; what
shares none is no copy for us.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from replyrank.data.min_hash import min_hashes
from replyrank.data.near_copies import normalise

#: a shorter text says too little to be the copy of another
_LEAST_LETTERS: Final = 25
_BANDS: Final = 4
_ROWS: Final = 3
_DIGITS: Final = 32


def copy_keys(texts: Sequence[str], whose: Sequence[object]) -> list[tuple[str, ...]]:
    """The keys of each text, none of a short one; texts that share one may be copies.

    Args:
        texts: n texts that anybody can read.
        whose: n values; texts of two that differ never share a key.
    """
    letters = [normalise(text) for text in texts]
    long = [row for row, text in enumerate(letters) if len(text) >= _LEAST_LETTERS]
    keys: list[tuple[str, ...]] = [()] * len(texts)
    found = min_hashes([letters[row] for row in long], _BANDS * _ROWS)
    for row, least in zip(long, found, strict=True):
        keys[row] = _bands(least.tobytes(), whose[row])
    return keys


def short_hash(raw: bytes) -> str:
    """32 hexadecimal digits: of keys, which are compared and never read."""
    return hashlib.blake2b(raw, digest_size=_DIGITS // 2).hexdigest()


def _bands(least: bytes, whose: object) -> tuple[str, ...]:
    size = len(least) // _BANDS
    start = repr(whose).encode("utf-8", "surrogatepass")
    return tuple(
        short_hash(start + bytes([band]) + least[band * size : (band + 1) * size])
        for band in range(_BANDS)
    )
