"""Hashes by which a public text finds those that say the same.

MinHash of a text's shingles in bands (Broder 1997; banding: Leskovec et al., Mining of Massive
Datasets, ch. 3). Two texts of which nine in ten shingles agree share a band with probability 0.995,
two of seven in ten with 0.8; what shares none is no copy for us.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.near_copies import SHINGLE, normalise

#: a shorter text says too little to be the copy of another
_LEAST_LETTERS: Final = 25
_BANDS: Final = 4
_ROWS: Final = 3
#: products of two numbers below it fit into 64 bits
_PRIME: Final = np.uint64((1 << 31) - 1)
#: by which the letters of a shingle are multiplied, so that their order counts
_POWERS: Final = tuple(31**power for power in range(SHINGLE))
_DIGITS: Final = 32
#: letters whose hashes are computed together: each has one of 8 bytes a function
_AT_ONCE: Final = 50_000

IntArray = npt.NDArray[np.uint64]


def copy_keys(texts: Sequence[str], whose: Sequence[object]) -> list[tuple[str, ...]]:
    """The keys of each text, none of a short one; texts that share one may be copies.

    Args:
        texts: n texts that anybody can read.
        whose: n values; texts of two that differ never share a key.
    """
    letters = [normalise(text) for text in texts]
    long = [row for row, text in enumerate(letters) if len(text) >= _LEAST_LETTERS]
    keys: list[tuple[str, ...]] = [()] * len(texts)
    for part in _parts(long, [len(letters[row]) for row in long]):
        for row, least in zip(part, _min_hashes([letters[row] for row in part]), strict=True):
            keys[row] = _bands(least.tobytes(), whose[row])
    return keys


def _parts(rows: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Rows whose texts are worked on together, so that memory does not grow with how many come."""
    part, letters = list[int](), 0
    for row, size in zip(rows, sizes, strict=True):
        if part and letters + size > _AT_ONCE:
            yield part
            part, letters = [], 0
        part.append(row)
        letters += size
    if part:
        yield part


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


def _min_hashes(letters: Sequence[str]) -> IntArray:
    """(n, bands * rows): the least hash of each text's shingles, of every hash function.

    Texts stand one after the other in one array; what is cut across two of them is left out.
    """
    codes = np.frombuffer("".join(letters).encode("utf-32-le", "replace"), dtype=np.uint32)
    wide = codes.astype(np.uint64)
    count = len(wide) - SHINGLE + 1
    shingles = np.zeros(count, dtype=np.uint64)
    for place, power in enumerate(_POWERS):
        shingles += wide[place : place + count] * np.uint64(power)
    factors, offsets = _permutations()
    hashes = ((shingles % _PRIME)[:, None] * factors + offsets) % _PRIME
    sizes = np.array([len(text) for text in letters], dtype=np.int64)
    ends: npt.NDArray[np.int64] = np.cumsum(sizes)
    starts = ends - sizes
    # Segments in turn: the shingles of a text, then those across its end.
    cuts = np.stack([starts, ends - SHINGLE + 1], axis=1).ravel()[:-1]
    least: IntArray = np.minimum.reduceat(hashes, cuts, axis=0)[::2]
    return least


@cache
def _permutations() -> tuple[IntArray, IntArray]:
    """Factors and offsets of the hash functions: the same in every process and version."""
    drawn = np.random.default_rng(0).integers(1, int(_PRIME), (2, _BANDS * _ROWS)).astype(np.uint64)
    return drawn[0], drawn[1]
