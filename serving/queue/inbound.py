"""A message as it comes in, and the keys that tie it to an open item."""

import hashlib
import re
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.messages import Message
from replyrank.data.near_copies import SHINGLE, normalise
from replyrank.data.vocabulary import Visibility
from replyrank.pipeline.policy import Policy
from replyrank.pipeline.threads import ties

#: what no database of ours can hold as text
_UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")
_DIGITS: Final = 32
#: a shorter text says too little to be the copy of another
_LEAST_LETTERS: Final = 25
_BANDS: Final = 4
_ROWS: Final = 3
#: products of two numbers below it fit into 64 bits
_PRIME: Final = np.uint64((1 << 31) - 1)


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message of one brand, with the id that its platform gave it."""

    message: Message
    brand: str
    channel: str
    external_id: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other message."""
        return self.brand, self.channel, self.external_id


def writable(text: str) -> str:
    """The text with what no database can hold (NUL, half characters) as U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text) if _UNWRITABLE.search(text) else text


@dataclass(frozen=True, slots=True)
class Keys:
    """Hashes that tie messages: equal ones belong together. No name can be read from them."""

    always: tuple[str, ...]
    within_window: tuple[str, ...]
    #: of a public text: messages that share one may say the same
    copies: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every one."""
        return (*self.always, *self.within_window, *self.copies)


def keys_of(inbound: Inbound, policy: Policy, team: str | None = None) -> Keys:
    """The keys of a message; those of two teams never meet."""
    message = inbound.message
    tied = ties(message, policy)
    public = policy.visibility(message.channel, message.visibility) is Visibility.PUBLIC
    return Keys(
        always=tuple(_digest((team, key)) for key in tied.always),
        within_window=tuple(_digest((team, key)) for key in tied.within_window),
        copies=_copy_keys(team, inbound.brand, message.text) if public else (),
    )


def _digest(key: Hashable) -> str:
    return _hash(repr(key).encode("utf-8", "surrogatepass"))


def _hash(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=_DIGITS // 2).hexdigest()


def _copy_keys(team: str | None, brand: str, text: str) -> tuple[str, ...]:
    """Bands of a MinHash of the text's shingles (Broder 1997; banding: Leskovec et al., ch. 3).

    Two texts of which nine in ten shingles agree share a band with probability 0.995, two of
    seven in ten with 0.8; what shares none is no copy for us.
    """
    letters = normalise(text)
    if len(letters) < _LEAST_LETTERS:
        return ()
    codes = np.frombuffer(letters.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, SHINGLE)
    shingles = (windows * _powers()).sum(axis=1, dtype=np.uint64) % _PRIME
    factors, offsets = _permutations()
    least = ((shingles[:, None] * factors + offsets) % _PRIME).min(axis=0).tobytes()
    size = len(least) // _BANDS
    start = repr(("copy", team, brand)).encode("utf-8", "surrogatepass")
    return tuple(
        _hash(start + bytes([band]) + least[band * size : (band + 1) * size])
        for band in range(_BANDS)
    )


@cache
def _permutations() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Factors and offsets of the hash functions: the same in every process and version."""
    drawn = np.random.default_rng(0).integers(1, int(_PRIME), (2, _BANDS * _ROWS)).astype(np.uint64)
    return drawn[0], drawn[1]


@cache
def _powers() -> npt.NDArray[np.uint64]:
    """By which the letters of a shingle are multiplied, so that their order counts."""
    return np.array([31**power for power in range(SHINGLE)], dtype=np.uint64)
