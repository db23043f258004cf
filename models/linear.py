"""The linear fallback: hashed n-grams, tf-idf and two softmax heads, in numpy alone.

A post becomes counts of word 1-2-grams and of character 2-5-grams within words, hashed into
a fixed number of features (Weinberger et al. 2009), weighted by (1 + ln tf) * idf and scaled
to unit length. A logit is a dot product. It costs a tenth of a millisecond a post, ships in
a few megabytes, and is what remains where the transformer cannot run.
"""

import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS
from replyrank.models.artefact import WEIGHTS, Artefact
from replyrank.models.batches import Logits
from replyrank.models.errors import ArtefactError
from replyrank.models.scorer import TextScorer

CHAR_NGRAMS: Final = (2, 3, 4, 5)
CLASSES: Final = NEED_CELLS + len(SENTIMENT_LABELS)

# Words and runs of one punctuation mark: "?!" says as much as a word does.
_TOKEN: Final = re.compile(r"\w+(?:'\w+)?|([^\w\s])\1*")
_CACHED_WORDS: Final = 1 << 16
_LONGEST_WORD: Final = 40
# Different starts of the checksum keep words and parts of words apart.
_WORD_SEED: Final = zlib.crc32(b"word")
_CHAR_SEED: Final = zlib.crc32(b"char")
_HASH_BYTES: Final = np.dtype(np.uint32).itemsize


class Features(NamedTuple):
    """Sparse rows in the compressed form (CSR) of n texts."""

    #: (nnz,) columns, ascending within a row
    indices: npt.NDArray[np.int32]
    #: (nnz,) counts or, once weighted, tf-idf of unit length
    values: npt.NDArray[np.float32]
    #: (n + 1,) where each row starts
    indptr: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LinearWeights:
    """Everything that a linear artefact learns.

    Attributes:
        idf: (features,) inverse document frequencies.
        coefficients: (features, 19): 16 need cells, then 3 sentiments.
        bias: (19,).
    """

    idf: npt.NDArray[np.float32]
    coefficients: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check that the shapes fit."""
        n_features = len(self.idf)
        shapes = self.coefficients.shape, self.bias.shape
        if shapes != ((n_features, CLASSES), (CLASSES,)):
            message = (
                f"coefficients {shapes[0]} and bias {shapes[1]} do not fit {n_features} features; "
                f"give ({n_features}, {CLASSES}) and ({CLASSES},)"
            )
            raise ValueError(message)


@lru_cache(maxsize=_CACHED_WORDS)
def _word_hashes(word: str) -> bytes:
    """The checksums, as packed uint32, of a word and of its parts, fenced so that ends count."""
    fenced = f" {word[:_LONGEST_WORD]} ".encode("utf-8", "replace")
    crc = zlib.crc32
    parts = [
        crc(fenced[start : start + size], _CHAR_SEED)
        for size in CHAR_NGRAMS
        for start in range(len(fenced) - size + 1)
    ]
    return np.array([crc(fenced, _WORD_SEED), *parts], dtype=np.uint32).tobytes()


def _hashes(text: str) -> bytes:
    """The checksums of all n-grams of a text, as packed uint32."""
    words = [match.group() for match in _TOKEN.finditer(text.lower())]
    pairs = [
        zlib.crc32(f"{left} {right}".encode("utf-8", "replace"), _WORD_SEED)
        for left, right in pairwise(words)
    ]
    return b"".join([*map(_word_hashes, words), np.array(pairs, dtype=np.uint32).tobytes()])


def count_features(texts: Sequence[str], n_features: int) -> Features:
    """Count hashed n-grams.

    Args:
        texts: n cleaned posts.
        n_features: number of columns, a power of two.

    Returns:
        n rows of counts.
    """
    hashed = [_hashes(text) for text in texts]
    sizes = np.array([len(packed) for packed in hashed], dtype=np.int64) // _HASH_BYTES
    columns = np.frombuffer(b"".join(hashed), dtype=np.uint32).astype(np.int64)
    rows = np.repeat(np.arange(len(hashed), dtype=np.int64), sizes)
    cells, counts = np.unique(rows * n_features + columns % n_features, return_counts=True)
    indptr = np.searchsorted(cells, np.arange(len(hashed) + 1, dtype=np.int64) * n_features)
    return Features(
        indices=(cells % n_features).astype(np.int32),
        values=counts.astype(np.float32),
        indptr=indptr.astype(np.int64),
    )


def _sum_rows(
    values: npt.NDArray[np.float32], indptr: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Sum slices of the first axis; an empty slice sums to 0 (``reduceat`` alone does not)."""
    sums = np.zeros((len(indptr) - 1, *values.shape[1:]), dtype=np.float32)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        sums[filled] = np.add.reduceat(values, indptr[filled], axis=0)
    return sums


def weigh_features(counts: Features, idf: npt.NDArray[np.float32]) -> Features:
    """Turn counts into tf-idf rows of unit length: (1 + ln tf) * idf, then the 2-norm."""
    values = (1 + np.log(counts.values)) * idf[counts.indices]
    norms = np.sqrt(_sum_rows(values * values, counts.indptr))
    scale = 1 / np.where(norms > 0, norms, np.float32(1))
    return counts._replace(values=values * np.repeat(scale, np.diff(counts.indptr)))


def inverse_document_frequency(counts: Features, n_features: int) -> npt.NDArray[np.float32]:
    """ln((1 + n) / (1 + df)) + 1, as if one more text held every feature once."""
    n_texts = len(counts.indptr) - 1
    frequency = np.bincount(counts.indices, minlength=n_features)
    return (np.log((1 + n_texts) / (1 + frequency)) + 1).astype(np.float32)


def linear_logits(texts: Sequence[str], weights: LinearWeights) -> npt.NDArray[np.float32]:
    """(n, 19) logits of n cleaned posts: 16 need cells, then 3 sentiments."""
    features = weigh_features(count_features(texts, len(weights.idf)), weights.idf)
    products = weights.coefficients[features.indices] * features.values[:, None]
    return _sum_rows(products, features.indptr) + weights.bias


def save_weights(weights: LinearWeights, path: Path) -> None:
    """Write ``weights.npz``: arrays alone, no pickle; coefficients and idf in half precision."""
    np.savez_compressed(
        path,
        idf=weights.idf.astype(np.float16),
        coefficients=weights.coefficients.astype(np.float16),
        bias=weights.bias.astype(np.float32),
    )


def load_weights(path: Path) -> LinearWeights:
    """Read ``weights.npz``.

    Raises:
        ArtefactError: if it holds anything but the three arrays in their shapes.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return LinearWeights(
                idf=np.asarray(arrays["idf"], dtype=np.float32),
                coefficients=np.asarray(arrays["coefficients"], dtype=np.float32),
                bias=np.asarray(arrays["bias"], dtype=np.float32),
            )
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        message = f"{path} does not hold the arrays of a linear model: {error}; build it again"
        raise ArtefactError(message) from error


class LinearScorer(TextScorer):
    """Scores posts by a linear model; safe to share between threads."""

    def __init__(self, artefact: Artefact) -> None:
        """Read the weights of a verified artefact."""
        super().__init__(artefact.config)
        self._weights = load_weights(artefact.path(WEIGHTS))

    def logits_of(self, chunks: Iterable[Sequence[str]]) -> Logits:
        """Raw logits of all cleaned posts of some chunks, in their order."""
        parts = [linear_logits(texts, self._weights) for texts in chunks]
        both = np.concatenate([np.empty((0, CLASSES), dtype=np.float32), *parts])
        return Logits(need=both[:, :NEED_CELLS], sentiment=both[:, NEED_CELLS:])
