"""Hashes by which a public text finds those that say the same; what shares none is no copy."""

import hashlib
from collections.abc import Sequence
from typing import Final

from replyrank.data.min_hash import bands

_DIGITS: Final = 32


def copy_keys(texts: Sequence[str], whose: Sequence[object]) -> list[tuple[str, ...]]:
    """The keys of each text, none of a short one; texts that share one may be copies.

    Args:
        texts: n texts that anybody can read.
        whose: n values; texts of two that differ never share a key.
    """
    return [
        tuple(short_hash(_start(one) + bytes([place]) + band) for place, band in enumerate(own))
        for own, one in zip(bands(texts), whose, strict=True)
    ]


def short_hash(raw: bytes) -> str:
    """32 hexadecimal digits: of keys, which are compared and never read."""
    return hashlib.blake2b(raw, digest_size=_DIGITS // 2).hexdigest()


def _start(whose: object) -> bytes:
    return repr(whose).encode("utf-8", "surrogatepass")
