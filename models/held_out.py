"""What an artefact's recipe said of labelled posts of companies that it had not seen.

``held_out.npz`` lies in the artefact: labels beside calibrated probabilities, no text. A replay
of the queue draws both of the same post, since errors of a model are not spread evenly and no
confusion matrix holds them.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import INTENTS, NEED_CELLS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.models.artefact import Artefact
from replyrank.models.errors import ArtefactError

HELD_OUT: Final = "held_out.npz"

_FIELDS: Final = ("key", "company", "intent", "urgency", "sentiment", "need", "p_sentiment")
_HEX_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class HeldOut:
    """n labelled posts, each judged by a model, a calibration and thresholds blind to it."""

    #: (n,) uint64: the first 64 bits of the text's key, by which two models' files are joined
    key: npt.NDArray[np.uint64]
    #: (n,) number of the company that the post is to or about; -1 for none
    company: npt.NDArray[np.int64]
    #: (n,) index in ``INTENTS``
    intent: npt.NDArray[np.int64]
    #: (n,) level
    urgency: npt.NDArray[np.int64]
    #: (n,) index in ``SENTIMENT_LABELS``
    sentiment: npt.NDArray[np.int64]
    #: (n, 16) calibrated joint of intent and urgency level, rows sum to 1
    need: npt.NDArray[np.float64]
    #: (n, 3) calibrated, rows sum to 1
    p_sentiment: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check shapes and ranges; raises ``ValueError`` where they do not fit."""
        n = len(self.key)
        for name, width in (("need", NEED_CELLS), ("p_sentiment", len(SENTIMENT_LABELS))):
            p = getattr(self, name)
            if p.shape != (n, width) or not (np.isfinite(p) & (p >= 0)).all():
                message = f"{name} must be {n} rows of {width} probabilities"
                raise ValueError(message)
        for name, classes in (
            ("intent", len(INTENTS)),
            ("urgency", len(URGENCY_LEVELS)),
            ("sentiment", len(SENTIMENT_LABELS)),
        ):
            labels = getattr(self, name)
            if labels.shape != (n,) or ((labels < 0) | (labels >= classes)).any():
                message = f"{name} must be {n} classes below {classes}"
                raise ValueError(message)
        if self.company.shape != (n,):
            message = f"company must be {n} numbers"
            raise ValueError(message)

    def __len__(self) -> int:
        """Number of posts."""
        return len(self.key)

    def take(self, rows: npt.NDArray[np.int64]) -> "HeldOut":
        """The posts at some positions."""
        return HeldOut(*(getattr(self, name)[rows] for name in _FIELDS))


def short_key(text_key: str) -> int:
    """The first 64 bits of a text's key."""
    return int(text_key[:_HEX_DIGITS], 16)


def save_held_out(posts: HeldOut, path: Path) -> None:
    """Write ``held_out.npz``: arrays alone, no pickle; probabilities in half precision."""
    np.savez_compressed(
        path,
        key=posts.key.astype(np.uint64),
        company=posts.company.astype(np.int16),
        intent=posts.intent.astype(np.int8),
        urgency=posts.urgency.astype(np.int8),
        sentiment=posts.sentiment.astype(np.int8),
        need=posts.need.astype(np.float16),
        p_sentiment=posts.p_sentiment.astype(np.float16),
    )


def load_held_out(artefact: Artefact) -> HeldOut:
    """Read the held-out posts of a verified artefact; rows sum to 1 again.

    Raises:
        ArtefactError: if it has none, or the file holds anything else.
    """
    path = artefact.path(HELD_OUT)
    if not path.is_file():
        message = f"{artefact.folder} has no {HELD_OUT}, which tells how the model errs; train it "
        message += "again with this version"
        raise ArtefactError(message)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            need, p_sentiment = (
                arrays[name].astype(np.float64) for name in ("need", "p_sentiment")
            )
            return HeldOut(
                arrays["key"].astype(np.uint64),
                *(arrays[name].astype(np.int64) for name in _FIELDS[1:5]),
                need=need / need.sum(axis=1, keepdims=True),
                p_sentiment=p_sentiment / p_sentiment.sum(axis=1, keepdims=True),
            )
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        message = f"{path} does not hold held-out posts: {error}; train the model again"
        raise ArtefactError(message) from error
