"""What an artefact's recipe said of labelled posts of companies that it had not seen.

``held_out.npz`` lies in the artefact: labels beside calibrated probabilities, no text. A replay
of the queue draws both of the same post, since errors of a model are not spread evenly and no
confusion matrix holds them.
"""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import INTENTS, NEED_CELLS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.models.artefact import Artefact
from replyrank.models.errors import ArtefactError

HELD_OUT: Final = "held_out.npz"

_LABELS: Final = ("company", "intent", "urgency", "sentiment")
_COLUMNS: Final = ("key", *_LABELS, "need", "p_sentiment", "rule_hits")
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
    #: (n, rules) which keyword rules match the text: what an inbox without a model goes by
    rule_hits: npt.NDArray[np.bool_]
    #: fingerprint of those rules
    rules: str

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
        if self.company.shape != (n,) or self.rule_hits.shape[:1] != (n,):
            message = f"company and rule_hits must be of {n} posts"
            raise ValueError(message)

    def __len__(self) -> int:
        """Number of posts."""
        return len(self.key)

    def places(self, texts: Sequence[str]) -> list[int | None]:
        """The place of each text among the posts, None of one that is not among them."""
        places = {int(key): place for place, key in enumerate(self.key)}
        return [places.get(short_key(text_key(text))) for text in texts]

    def take(self, rows: npt.NDArray[np.int64]) -> "HeldOut":
        """The posts at some positions."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def joined(self, others: "HeldOut") -> "HeldOut":
        """These posts, then others; their companies must be numbered apart already.

        Raises:
            ValueError: if the two were matched with different keyword rules.
        """
        if self.rules != others.rules:
            message = "held-out posts of different keyword rules cannot be joined; train again"
            raise ValueError(message)
        both: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in _COLUMNS
        }
        return replace(self, **both)


def short_key(key: str) -> int:
    """The first 64 bits of a text's key."""
    return int(key[:_HEX_DIGITS], 16)


def has_held_out(artefact: Artefact) -> bool:
    """Whether an artefact says how it errs; one that was made elsewhere may not."""
    return artefact.path(HELD_OUT).is_file()


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
        rule_hits=posts.rule_hits,
        rules=np.array(posts.rules),
    )


def load_held_out(artefact: Artefact) -> HeldOut:
    """Read the held-out posts of a verified artefact; rows sum to 1 again.

    Raises:
        ArtefactError: if it has none, or the file holds anything else.
    """
    path = artefact.path(HELD_OUT)
    if not has_held_out(artefact):
        message = f"{artefact.folder} has no {HELD_OUT}, which tells how the model errs; train it "
        message += "again with this version"
        raise ArtefactError(message)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            need, p_sentiment = (
                arrays[name].astype(np.float64) for name in ("need", "p_sentiment")
            )
            company, intent, urgency, sentiment = (
                arrays[name].astype(np.int64) for name in _LABELS
            )
            return HeldOut(
                key=arrays["key"].astype(np.uint64),
                company=company,
                intent=intent,
                urgency=urgency,
                sentiment=sentiment,
                need=need / need.sum(axis=1, keepdims=True),
                p_sentiment=p_sentiment / p_sentiment.sum(axis=1, keepdims=True),
                rule_hits=arrays["rule_hits"].astype(np.bool_),
                rules=str(arrays["rules"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        message = f"{path} does not hold held-out posts: {error}; train the model again"
        raise ArtefactError(message) from error
