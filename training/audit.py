"""Which labels are probably wrong: those that a model, asked out of sample, finds least likely.

The self-confidence of confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70, section 3) is
the calibrated probability of the label that was given. A post is as suspect as the least likely of
its labels. Of posts that the model was trained on, what its fold models said is taken: they had not
seen the post's company.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.models.artefact import Artefact
from replyrank.models.find import load_scorer
from replyrank.models.held_out import has_held_out, load_held_out
from replyrank.models.joint import intents, levels
from replyrank.training.labelled import LabelledPosts
from replyrank.training.metrics import FloatArray, IntArray
from replyrank.training.predictions import LabelArrays, predict
from replyrank.training.rows import MASKED

#: label -> its words, in the order of the classes
WORDS: Final[Mapping[str, Sequence[str]]] = {
    "intent": tuple(map(str, INTENTS)),
    "urgency": tuple(level.label for level in URGENCY_LEVELS),
    "sentiment": tuple(map(str, SENTIMENT_LABELS)),
}


@dataclass(frozen=True, slots=True)
class Suspect:
    """A post one of whose labels a person should look at again."""

    line: int
    text: str
    #: intent, urgency or sentiment
    label: str
    given: str
    #: what the model says in its place
    said: str
    p_given: float
    p_said: float


@dataclass(frozen=True)
class Suspicion:
    """How far a model doubts the labels of n posts."""

    #: (n,) log probability of the least likely label of each
    confidence: FloatArray
    #: (n,) which label that is, as a place in ``WORDS``
    label: IntArray
    #: by label (n, k)
    p: tuple[FloatArray, FloatArray, FloatArray]

    @property
    def order(self) -> IntArray:
        """(n,) positions of the posts, the most suspect first."""
        return np.argsort(self.confidence, kind="stable").astype(np.int64)


def suspicion(need: FloatArray, p_sentiment: FloatArray, labels: LabelArrays) -> Suspicion:
    """Doubts of labels by probabilities (n, 16) and (n, 3) of a model that did not learn them."""
    p = (intents(need), levels(need), p_sentiment)
    given = (labels.intent, labels.urgency, labels.sentiment)
    rows = np.arange(len(need))
    # A label that is not known is beyond doubt.
    logs = np.stack(
        [
            np.where(known == MASKED, 0.0, np.log(np.maximum(of[rows, known], 1e-12)))
            for of, known in zip(p, given, strict=True)
        ]
    )
    return Suspicion(logs.min(axis=0), logs.argmin(axis=0).astype(np.int64), p)


def audit(
    posts: LabelledPosts, artefact: Artefact, most: int, *, threads: int | None = None
) -> list[Suspect]:
    """The most suspect labels of posts.

    Args:
        posts: labelled posts.
        artefact: the model that is asked.
        most: how many at most.
        threads: of the model; None takes every CPU.
    """
    said = predict(load_scorer(artefact.folder, threads=threads), posts.rows.texts)
    if said.need is None or said.p_sentiment is None:
        message = "an audit needs a model with both heads"
        raise ValueError(message)
    need, p_sentiment = said.need, said.p_sentiment
    if has_held_out(artefact):
        held_out = load_held_out(artefact)
        for row, place in enumerate(held_out.places(posts.rows.texts)):
            if place is not None:
                need[row], p_sentiment[row] = held_out.need[place], held_out.p_sentiment[place]
    found = suspicion(need, p_sentiment, posts.rows)
    return [_suspect(posts, found, int(row)) for row in found.order[:most]]


def _suspect(posts: LabelledPosts, found: Suspicion, row: int) -> Suspect:
    place = int(found.label[row])
    label, words = list(WORDS.items())[place]
    p = found.p[place][row]
    given, said = int(getattr(posts.rows, label)[row]), int(p.argmax())
    return Suspect(
        line=posts.lines[row],
        text=posts.rows.texts[row],
        label=label,
        given=words[given],
        said=words[said],
        p_given=round(float(p[given]), 6),
        p_said=round(float(p[said]), 6),
    )


def as_csv(suspects: Sequence[Suspect]) -> str:
    """One row a suspect label, under a header."""
    names = [one.name for one in fields(Suspect)]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(names)
    rows.writerows([getattr(one, name) for name in names] for one in suspects)
    return text.getvalue()
