"""Choosing what to label, against choosing at random: labels needed for the same macro-F1.

Posts of the training set are a pool without labels; those of a fifth of the companies are set aside
to judge. A learner begins with some random labels and asks for more, batch by batch: at random, by
doubt alone, or as `replyrank data tasks --most` chooses. It is logistic regression on sentence
vectors of the public encoder, which has seen none of the labels, beside hashed words and letters;
it is fitted anew after each batch.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from replyrank.data.cleaning import clean
from replyrank.data.corpora import corpora_root
from replyrank.data.splits.folds import company_folds
from replyrank.models.encoder import PACKAGED_MINILM, TriageModel, encoder_tokenizer
from replyrank.models.parity import by_length
from replyrank.pipeline.choice import choose, doubt
from replyrank.pipeline.choice import vectors as _vectors
from replyrank.pipeline.markdown import table
from replyrank.training.batches import pad
from replyrank.training.build_rows import BuildConfig, Row, RowSelection
from replyrank.training.metrics import FloatArray, IntArray, confusion, macro_f1
from tests.benchmarks.reporting import spread, write

_COMMAND: Final = "python -m tests.benchmarks.choice"
_HEADS: Final = {"intent": 4, "urgency": 4, "sentiment": 3}
_BATCH: Final = 100
_MOST: Final = 1_500
#: random labels whose macro-F1 is to be reached
_AIM: Final = 1_000
#: of the encoder's vectors, beside words and letters of length 1
_ENCODER: Final = 2.0

Choose = Callable[[FloatArray, list[str], np.random.Generator], IntArray]


@dataclass(frozen=True)
class Posts:
    """n posts as the learner sees them."""

    texts: list[str]
    vectors: FloatArray
    #: head -> (n,) labels
    labels: dict[str, IntArray]

    def take(self, rows: IntArray) -> "Posts":
        """Those at some positions."""
        labels = {head: values[rows] for head, values in self.labels.items()}
        return Posts([self.texts[row] for row in rows], self.vectors[rows], labels)


def at_random(doubts: FloatArray, _: list[str], rng: np.random.Generator) -> IntArray:
    """Any."""
    return rng.permutation(len(doubts))[:_BATCH]


def most_doubtful(doubts: FloatArray, _: list[str], __: np.random.Generator) -> IntArray:
    """Those of most doubt, alike or not."""
    return np.argsort(-doubts, kind="stable")[:_BATCH]


def chosen(doubts: FloatArray, texts: list[str], _: np.random.Generator) -> IntArray:
    """As the product chooses."""
    return choose(doubts, texts, _BATCH)


_WAYS: Final[dict[str, Choose]] = {
    "at random": at_random,
    "most doubt": most_doubtful,
    "doubt, no two alike": chosen,
}


def curve(pool: Posts, judged: Posts, way: Choose, seed: int) -> dict[str, list[float]]:
    """Macro-F1 of each head on the judged posts after every batch."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pool.texts))
    known, left = order[:_BATCH], order[_BATCH:]
    found: dict[str, list[float]] = {head: [] for head in _HEADS}
    while True:
        learner = Learner(pool.take(known))
        for head, p in learner.says(judged.vectors).items():
            counts = confusion(judged.labels[head], p.argmax(axis=1), _HEADS[head])
            found[head].append(float(macro_f1(counts)))
        if len(known) >= _MOST:
            return found
        doubts = doubt(list(learner.says(pool.vectors[left]).values()))
        picked = way(doubts, [pool.texts[row] for row in left], rng)
        known = np.concatenate([known, left[picked]])
        left = np.delete(left, picked)


class Learner:
    """Logistic regression of each label."""

    def __init__(self, posts: Posts) -> None:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        self._models = {
            head: LogisticRegression(C=1.0, class_weight="balanced", max_iter=60).fit(
                posts.vectors, labels
            )
            for head, labels in posts.labels.items()
        }

    def says(self, vectors: FloatArray) -> dict[str, FloatArray]:
        """Head -> (n, k) probabilities."""
        found: dict[str, FloatArray] = {}
        for head, model in self._models.items():
            p = np.zeros((len(vectors), _HEADS[head]))
            p[:, model.classes_] = model.predict_proba(vectors)
            found[head] = p
        return found


def vectors_of(texts: list[str]) -> FloatArray:
    """(n, 384) mean of the encoder's token vectors, of unit length."""
    model = TriageModel.from_encoder(PACKAGED_MINILM, dropout=0.0).eval()
    tokens = encoder_tokenizer(PACKAGED_MINILM, 128).ids([clean(text) for text in texts])
    out = np.empty((len(texts), model.hidden_size))
    with torch.inference_mode():
        for rows in by_length(tokens, 64):
            ids, _ = pad([tokens[row] for row in rows])
            out[rows] = model.pooled(ids, None).numpy()
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(np.hstack([_ENCODER * out, _vectors(texts)]), dtype=np.float64)


def load() -> tuple[Posts, Posts]:
    """The pool, and the posts of other companies that judge."""
    selection = RowSelection(corpora_root(None), BuildConfig(auxiliary=()))
    rows: list[Row] = selection.labelled()["posts_train"]
    rows = [row for row in rows if row.company]
    folds = np.array(company_folds([_Place(row.text, row.company) for row in rows]))
    texts = [row.text for row in rows]
    labels = {
        head: np.array([getattr(row, head) for row in rows], dtype=np.int64) for head in _HEADS
    }
    posts = Posts(texts, vectors_of(texts), labels)
    return posts.take(np.flatnonzero(folds != 0)), posts.take(np.flatnonzero(folds == 0))


@dataclass(frozen=True)
class _Place:
    text: str
    company: str | None


def labels_needed(values: list[float], aim: float) -> float:
    """Labels at which a curve first reaches the aim, between two batches by a straight line."""
    before = 0.0
    for at, value in enumerate(values):
        if value >= aim:
            part = 1.0 if at == 0 else (aim - before) / (value - before)
            return _BATCH * (at + part) if at else float(_BATCH)
        before = value
    return float("inf")


def _share(needed: float) -> str:
    return "not reached" if math.isinf(needed) else f"{needed / _AIM:.0%}"


def main() -> None:
    """Learn by every way and seed, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    pool, judged = load()
    curves: dict[str, list[dict[str, list[float]]]] = {}
    for name, way in _WAYS.items():
        curves[name] = [curve(pool, judged, way, seed) for seed in range(arguments.seeds)]
        print(name, [round(one["intent"][-1], 3) for one in curves[name]], file=sys.stderr)
    at = _AIM // _BATCH - 1
    rows, facts = [], dict[str, dict[str, float | None]]()
    for name, of_way in curves.items():
        needed = {}
        for head in _HEADS:
            # The mean curves are compared: a single one climbs and falls by chance.
            aim = float(np.mean([one[head][at] for one in curves["at random"]]))
            mean = np.mean([one[head] for one in of_way], axis=0).tolist()
            needed[head] = labels_needed(mean, aim)
        # JSON knows no infinity.
        facts[name] = {of: None if math.isinf(n) else n for of, n in needed.items()}
        ends = [one["intent"][at] for one in of_way]
        rows.append((name, spread(ends, 3), *(_share(needed[head]) for head in _HEADS)))
    names = ("choice", f"intent macro-F1 at {_AIM:,} labels", *(f"labels, {h}" for h in _HEADS))
    body = table(names, rows)
    body += (
        f"\n\nThe last columns: labels at which macro-F1 reaches that of {_AIM:,} random ones, as "
        f"a share of these, on the mean of {arguments.seeds} seeds' curves. Batches of {_BATCH} "
        f"from {len(pool.texts):,} posts, judged on {len(judged.texts):,} of other companies."
    )
    command = f"{_COMMAND} --seeds {arguments.seeds}"
    write("choice", {"seeds": arguments.seeds, "needed": facts, "curves": curves}, body, command)


if __name__ == "__main__":
    main()
