"""Choosing what to label, against choosing at random: labels needed for the same macro-F1.

A team labels some of its messages to train a model of its own, and `replyrank data tasks --most`
chooses them by a model that is in use already. Two trials. Public posts of the training set, where
the model in use is one that has seen nothing of the post's company: posts of the same companies
judge what was learnt, and posts of others. And the posts of the gate set, of companies that trained
no model, where the model in use is the shipped one. What learns is logistic regression on sentence
vectors of the public encoder, which has seen none of the labels, beside hashed words and letters.
"""

import argparse
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from replyrank.data.cleaning import clean
from replyrank.data.corpora import corpora_root
from replyrank.data.splits.folds import company_folds
from replyrank.models.encoder import PACKAGED_MINILM, TriageModel, encoder_tokenizer
from replyrank.models.find import load_scorer
from replyrank.models.linear import count_features, inverse_document_frequency, weigh_features
from replyrank.models.parity import by_length
from replyrank.pipeline.choice import Distinct, choose, draws
from replyrank.pipeline.markdown import table
from replyrank.training.batches import pad
from replyrank.training.build_rows import BuildConfig, Row, RowSelection
from replyrank.training.gate_posts import gate_posts_of_corpora
from replyrank.training.metrics import FloatArray, IntArray, confusion, macro_f1
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.choice"
_HEADS: Final = {"intent": 4, "urgency": 4, "sentiment": 3}
_ALL: Final = "mean of the three"
#: hashed words and letters; a power of two, small enough for a plain matrix
_FEATURES: Final = 2048
#: of the encoder's vectors, beside words and letters of length 1
_ENCODER: Final = 2.0
#: share of the posts that is kept aside to judge
_JUDGES: Final = 1 / 3

Heads = dict[str, FloatArray]
#: positions of the posts in the order in which they are to be labelled
Order = Callable[[Heads, list[str], np.random.Generator], IntArray]


@dataclass(frozen=True)
class Posts:
    """n posts as the learner sees them."""

    texts: list[str]
    vectors: npt.NDArray[np.float32]
    #: head -> (n,) labels
    labels: dict[str, IntArray]

    def take(self, rows: IntArray) -> "Posts":
        """Those at some positions."""
        labels = {head: values[rows] for head, values in self.labels.items()}
        return Posts([self.texts[row] for row in rows], self.vectors[rows], labels)


@dataclass(frozen=True)
class Trial:
    """A pool without labels, whom it may ask, and who judges."""

    name: str
    #: random labels whose macro-F1 is to be reached; a step of the curve; labels at most
    aim: int
    step: int
    most: int
    pool: Posts
    #: what the model in use says of the pool
    said: Heads
    #: whose posts judge -> the posts
    judges: dict[str, Posts]

    def curves(self, order: Order, seed: int) -> dict[str, dict[str, list[float]]]:
        """Judges -> head -> macro-F1 after every step."""
        ordered = order(self.said, self.pool.texts, np.random.default_rng(seed))
        found: dict[str, dict[str, list[float]]] = {
            name: {head: [] for head in _HEADS} for name in self.judges
        }
        for size in range(self.step, self.most + 1, self.step):
            learner = Learner(self.pool.take(ordered[:size]))
            for name, judges in self.judges.items():
                for head, p in learner.says(judges.vectors).items():
                    counts = confusion(judges.labels[head], p.argmax(axis=1), _HEADS[head])
                    found[name][head].append(float(macro_f1(counts)))
        return found


def at_random(_: Heads, texts: list[str], rng: np.random.Generator) -> IntArray:
    """Any."""
    return rng.permutation(len(texts))


def most_doubtful(said: Heads, _: list[str], __: np.random.Generator) -> IntArray:
    """Those of most entropy, as a share of the greatest, on the mean of the heads."""
    shares = [
        -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1) / np.log(p.shape[1]) for p in said.values()
    ]
    return np.argsort(-np.mean(shares, axis=0), kind="stable")


def surest(said: Heads, texts: list[str], _: np.random.Generator) -> IntArray:
    """Each label in turn, those that are surest of it, with no chance about it."""
    return choose(np.hstack(list(said.values())), len(texts))


def chosen(said: Heads, texts: list[str], _: np.random.Generator) -> IntArray:
    """As the product chooses."""
    return choose(draws(list(said.values()), texts), len(texts))


_WAYS: Final[dict[str, Order]] = {
    "at random": at_random,
    "most doubt": most_doubtful,
    "each label in turn, the surest": surest,
    "each label in turn, by chance (ours)": chosen,
}


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

    def says(self, vectors: npt.NDArray[np.float32]) -> Heads:
        """Head -> (n, k) probabilities."""
        found: Heads = {}
        for head, model in self._models.items():
            p = np.zeros((len(vectors), _HEADS[head]))
            p[:, model.classes_] = model.predict_proba(vectors)
            found[head] = p
        return found


def public_posts(seed: int, posts: Posts, folds: IntArray) -> Trial:
    """Posts of four fifths of the companies; a part of them judges, and those of the others."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(folds != 0))
    cut = int(_JUDGES * len(rows))
    judges, pool = rows[:cut], rows[cut:]
    said = {head: np.zeros((len(pool), k)) for head, k in _HEADS.items()}
    for fold in np.unique(folds[pool]):
        # It has seen the other companies alone, and none of the posts that judge.
        learner = Learner(posts.take(pool[folds[pool] != fold]))
        here = folds[pool] == fold
        for head, p in learner.says(posts.vectors[pool[here]]).items():
            said[head][here] = p
    by = {
        "same companies": posts.take(judges),
        "other companies": posts.take(np.flatnonzero(folds == 0)),
    }
    return Trial("Public posts", 1_000, 100, 1_500, posts.take(pool), said, by)


def gate_posts(seed: int, posts: Posts, said: Heads) -> Trial:
    """The posts of the gate set, chosen by the shipped model."""
    rows = np.random.default_rng(seed).permutation(len(posts.texts))
    cut = int(_JUDGES * len(rows))
    pool = rows[cut:]
    mine = {head: p[pool] for head, p in said.items()}
    by = {"same companies": posts.take(rows[:cut])}
    return Trial("The gate set, the shipped model", 250, 25, 400, posts.take(pool), mine, by)


def vectors_of(texts: list[str]) -> npt.NDArray[np.float32]:
    """(n, 384 + features): the encoder's mean token vectors, hashed words and letters."""
    model = TriageModel.from_encoder(PACKAGED_MINILM, dropout=0.0).eval()
    cleaned = [clean(text) for text in texts]
    tokens = encoder_tokenizer(PACKAGED_MINILM, 128).ids(cleaned)
    out = np.empty((len(texts), model.hidden_size))
    with torch.inference_mode():
        for rows in by_length(tokens, 64):
            ids, _ = pad([tokens[row] for row in rows])
            out[rows] = model.pooled(ids, None).numpy()
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    counts = count_features(cleaned, _FEATURES)
    weighed = weigh_features(counts, inverse_document_frequency(counts, _FEATURES))
    words = np.zeros((len(texts), _FEATURES))
    words[np.repeat(np.arange(len(texts)), np.diff(weighed.indptr)), weighed.indices] = (
        weighed.values
    )
    return np.hstack([_ENCODER * out, words]).astype(np.float32)


@dataclass(frozen=True)
class _Place:
    text: str
    company: str | None


def load_public() -> tuple[Posts, IntArray]:
    """The training posts whose company is known, and their folds of companies."""
    selection = RowSelection(corpora_root(None), BuildConfig(auxiliary=()))
    rows: list[Row] = selection.labelled()["posts_train"]
    rows = [row for row in rows if row.company]
    rows = [rows[place] for place in Distinct().new([row.text for row in rows])]
    folds = np.array(company_folds([_Place(row.text, row.company) for row in rows]))
    texts = [row.text for row in rows]
    labels = {
        head: np.array([getattr(row, head) for row in rows], dtype=np.int64) for head in _HEADS
    }
    return Posts(texts, vectors_of(texts), labels), folds


def load_gate() -> tuple[Posts, Heads]:
    """The posts of the gate set, and what the shipped model says of them."""
    rows = gate_posts_of_corpora(None).rows
    texts = list(rows.texts)
    scores = load_scorer("default").score_batch(texts)
    said = {"intent": scores.p_intent, "urgency": scores.p_urgency, "sentiment": scores.p_sentiment}
    labels = {head: getattr(rows, head) for head in _HEADS}
    return Posts(texts, vectors_of(texts), labels), said


def labels_needed(values: list[float], aim: float, step: int) -> float:
    """Labels at which a curve first reaches the aim, between two steps by a straight line."""
    before = 0.0
    for at, value in enumerate(values):
        if value >= aim:
            return step * (at + (aim - before) / (value - before)) if at else float(step)
        before = value
    return float("inf")


@dataclass(frozen=True)
class Outcome:
    """What all seeds of a trial say."""

    trial: Trial
    #: way -> judges -> head -> mean macro-F1 after every step
    curves: dict[str, dict[str, dict[str, list[float]]]]

    def rows(self) -> list[tuple[str, ...]]:
        """Of the table."""
        return [
            (judges, way, *(self._told(way, judges, head) for head in (*_HEADS, _ALL)))
            for judges in self.trial.judges
            for way in self.curves
        ]

    def _told(self, way: str, judges: str, head: str) -> str:
        """Macro-F1, and the labels for that of the random ones as a share of these."""
        trial = self.trial
        at = trial.aim // trial.step - 1
        mine, random = (self._curve(one, judges, head) for one in (way, "at random"))
        needed = labels_needed(mine, random[at], trial.step) / trial.aim
        share = "not reached" if math.isinf(needed) else f"{needed:.0%}"
        return f"{mine[at]:.3f} / {share}"

    def _curve(self, way: str, judges: str, head: str) -> list[float]:
        by_head = self.curves[way][judges]
        if head != _ALL:
            return by_head[head]
        mean: list[float] = np.mean(list(by_head.values()), axis=0).tolist()
        return mean


def outcome(trials: list[Trial]) -> Outcome:
    """Mean curves of trials that differ in their seed: a single one climbs and falls by chance."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for way, order in _WAYS.items():
        runs = [trial.curves(order, seed) for seed, trial in enumerate(trials)]
        found[way] = {
            judges: {
                head: np.mean([run[judges][head] for run in runs], axis=0).tolist()
                for head in _HEADS
            }
            for judges in trials[0].judges
        }
        print(trials[0].name, way, file=sys.stderr, flush=True)
    return Outcome(trials[0], found)


def _section(found: Outcome) -> str:
    trial = found.trial
    head = ("judged by posts of", "choice", *(f"{one}: F1 / labels" for one in (*_HEADS, _ALL)))
    told = f"## {trial.name}: {len(trial.pool.texts):,} to choose from, {trial.aim:,} chosen"
    return f"{told}\n\n{table(head, found.rows())}"


def main() -> None:
    """Learn by every way and seed, and write the report."""
    warnings.simplefilter("ignore")  # the learner stops where scikit-learn would go on
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(parser.parse_args().seeds)
    posts, folds = load_public()
    gate, said = load_gate()
    outcomes = [
        outcome([public_posts(seed, posts, folds) for seed in seeds]),
        outcome([gate_posts(seed, gate, said) for seed in seeds]),
    ]
    body = "\n\n".join(_section(one) for one in outcomes)
    body += (
        "\n\nMacro-F1 after so many labels, and the labels at which it reaches that of the random "
        f"ones, as a share of these, on the mean of {len(seeds)} seeds' curves."
    )
    facts = {
        one.trial.name: {"aim": one.trial.aim, "step": one.trial.step, "curves": one.curves}
        for one in outcomes
    }
    write("choice", {"seeds": len(seeds), **facts}, body, _COMMAND)


if __name__ == "__main__":
    main()
