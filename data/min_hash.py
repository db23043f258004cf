"""MinHash: numbers by which texts that say the same are found without comparing all with all.

The least hash of a text's shingles under each of some hash functions (Broder 1997). Two texts have
the same number with a probability that is the Jaccard similarity of their shingles. Of bands of
numbers (Leskovec et al., Mining of Massive Datasets, ch. 3) two texts of which nine in ten shingles
agree share one with probability 0.995, two of seven in ten with 0.8, two of three in ten with 0.1.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.near_copies import SHINGLE, normalise

#: products of two numbers below it fit into 64 bits
_PRIME: Final = np.uint64((1 << 31) - 1)
#: by which the letters of a shingle are multiplied, so that their order counts
_POWERS: Final = tuple(31**power for power in range(SHINGLE))
#: hashes that are computed together: each has 8 bytes
_AT_ONCE: Final = 600_000
#: a shorter text says too little to be the copy of another
_LEAST_LETTERS: Final = 25
_BANDS: Final = 4
_ROWS: Final = 3

IntArray = npt.NDArray[np.uint64]


def bands(texts: Sequence[str]) -> list[tuple[bytes, ...]]:
    """The bands of each text, none of a short one; texts that share one may be near-copies."""
    letters = [normalise(text) for text in texts]
    long = [row for row, text in enumerate(letters) if len(text) >= _LEAST_LETTERS]
    found: list[tuple[bytes, ...]] = [()] * len(texts)
    numbers = min_hashes([letters[row] for row in long], _BANDS * _ROWS)
    for row, own in zip(long, numbers, strict=True):
        found[row] = tuple(band.tobytes() for band in own.reshape(_BANDS, _ROWS))
    return found


def min_hashes(letters: Sequence[str], functions: int) -> IntArray:
    """The numbers of n texts, the same in every process and version.

    Args:
        letters: n normalised texts (``replyrank.data.near_copies.normalise``), each at least as
            long as a shingle.
        functions: how many numbers each text gets.

    Returns:
        (n, functions), below 2 ** 31.
    """
    found = np.empty((len(letters), functions), dtype=np.uint64)
    for part in _parts([len(text) for text in letters], _AT_ONCE // functions):
        found[part] = _of_part([letters[row] for row in part], functions)
    return found


def _parts(sizes: Sequence[int], most: int) -> Iterator[range]:
    """Rows whose texts are worked on together, so that memory does not grow with how many come."""
    start = letters = 0
    for row, size in enumerate(sizes):
        if row > start and letters + size > most:
            yield range(start, row)
            start, letters = row, 0
        letters += size
    if start < len(sizes):
        yield range(start, len(sizes))


def _of_part(letters: Sequence[str], functions: int) -> IntArray:
    """Texts stand one after the other in one array; what is cut across two of them is left out."""
    codes = np.frombuffer("".join(letters).encode("utf-32-le", "replace"), dtype=np.uint32)
    wide = codes.astype(np.uint64)
    count = len(wide) - SHINGLE + 1
    shingles = np.zeros(count, dtype=np.uint64)
    for place, power in enumerate(_POWERS):
        shingles += wide[place : place + count] * np.uint64(power)
    sizes = np.array([len(text) for text in letters], dtype=np.int64)
    ends: npt.NDArray[np.int64] = np.cumsum(sizes)
    starts = ends - sizes
    # Segments in turn: the shingles of a text, then those across its end.
    cuts = np.stack([starts, ends - SHINGLE + 1], axis=1).ravel()[:-1]
    factors, offsets = _permutations(functions)
    least = np.empty((len(letters), functions), dtype=np.uint64)
    shingles %= _PRIME
    # One long text by itself may have more than what is worked on together.
    step = max(1, _AT_ONCE // count)
    for start in range(0, functions, step):
        some = slice(start, start + step)
        hashes = (shingles[:, None] * factors[some] + offsets[some]) % _PRIME
        least[:, some] = np.minimum.reduceat(hashes, cuts, axis=0)[::2]
    return least


@cache
def _permutations(functions: int) -> tuple[IntArray, IntArray]:
    """Factors and offsets of the hash functions."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(1, int(_PRIME), (2, functions)).astype(np.uint64)
    return drawn[0], drawn[1]
