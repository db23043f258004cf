"""Rows that training reads: texts with integer labels, -1 where a label is not known."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.messages import Labels
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS

MASKED: Final = -1

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """n texts with their labels as columns."""

    texts: tuple[str, ...]
    #: (n,) index in ``INTENTS`` or -1
    intent: IntArray
    #: (n,) level or -1
    urgency: IntArray
    #: (n,) index in ``SENTIMENT_LABELS`` or -1
    sentiment: IntArray

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "TrainingRows":
        """The rows that an index or a mask selects."""
        chosen = np.arange(len(self))[rows]
        return TrainingRows(
            tuple(self.texts[row] for row in chosen),
            self.intent[chosen],
            self.urgency[chosen],
            self.sentiment[chosen],
        )

    def lines(self) -> Iterator[bytes]:
        """Text and labels of each row as a line of JSON: what hashes are taken of."""
        labels = zip(self.intent, self.urgency, self.sentiment, strict=True)
        for text, known in zip(self.texts, labels, strict=True):
            yield f"{json.dumps([text, *map(int, known)])}\n".encode("ascii")

    @classmethod
    def unlabelled(cls, texts: tuple[str, ...]) -> "TrainingRows":
        """Rows of texts of which no label is known."""
        masked = np.full(len(texts), MASKED, dtype=np.int64)
        return cls(texts, masked, masked, masked)

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[Labels]) -> "TrainingRows":
        """Rows of texts and their labels."""
        return cls(
            tuple(texts),
            np.array([_index(INTENTS, label.intent) for label in labels], dtype=np.int64),
            np.array(
                [MASKED if label.urgency is None else label.urgency.value for label in labels],
                dtype=np.int64,
            ),
            np.array(
                [_index(SENTIMENT_LABELS, label.sentiment) for label in labels], dtype=np.int64
            ),
        )

    @classmethod
    def concatenate(cls, parts: "Sequence[TrainingRows]") -> "TrainingRows":
        """All rows of ``parts``, in order."""
        return cls(
            tuple(text for part in parts for text in part.texts),
            np.concatenate([part.intent for part in parts]),
            np.concatenate([part.urgency for part in parts]),
            np.concatenate([part.sentiment for part in parts]),
        )


def _index(words: Sequence[str], word: str | None) -> int:
    return MASKED if word is None else words.index(word)
