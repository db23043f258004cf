"""The label audit on seeded noise: of the 100 most suspect labels, how many were spoilt.

Labels of the held-out posts of the shipped model, each judged by a model that had not seen its
company. In a share of the posts one label, drawn at random, is replaced by another word of the same
kind, drawn at random as well. Labels that were wrong before count as right here, so that the figure
is at the low end.
"""

import argparse
from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.models.find import find_artefact
from replyrank.models.held_out import HeldOut, load_held_out
from replyrank.pipeline.markdown import table
from replyrank.training.audit import WORDS, suspicion
from replyrank.training.metrics import BoolArray, IntArray
from tests.benchmarks.reporting import spread, write

_COMMAND: Final = "python -m tests.benchmarks.audit"
_RATES: Final = (0.05, 0.10)
_FIRST: Final = (100, 300)


@dataclass(frozen=True)
class Spoilt:
    """Labels, some of which are wrong."""

    intent: IntArray
    urgency: IntArray
    sentiment: IntArray
    #: (n,) whether one of a post's labels is
    is_spoilt: BoolArray

    def __len__(self) -> int:
        """Number of posts."""
        return len(self.intent)


def spoil(posts: HeldOut, rate: float, seed: int) -> Spoilt:
    """Replace one label in a share of the posts."""
    draw = np.random.default_rng(seed)
    is_spoilt = draw.random(len(posts)) < rate
    labels = [getattr(posts, name).copy() for name in WORDS]
    for row in np.flatnonzero(is_spoilt):
        which = int(draw.integers(len(labels)))
        words = len(list(WORDS.values())[which])
        labels[which][row] = (labels[which][row] + draw.integers(1, words)) % words
    return Spoilt(labels[0], labels[1], labels[2], is_spoilt)


def precision(posts: HeldOut, rate: float, seed: int) -> dict[int, float]:
    """Share of spoilt posts among the most suspect ones, by how many are looked at."""
    labels = spoil(posts, rate, seed)
    order = suspicion(posts.need, posts.p_sentiment, labels).order
    return {first: float(labels.is_spoilt[order[:first]].mean()) for first in _FIRST}


def main() -> None:
    """Spoil, audit, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    artefact = find_artefact("default")
    posts = load_held_out(artefact)
    found = {
        rate: [precision(posts, rate, seed) for seed in range(arguments.seeds)] for rate in _RATES
    }
    rows = [
        (f"{rate:.0%}", *(spread([run[first] for run in runs], 2) for first in _FIRST))
        for rate, runs in found.items()
    ]
    body = table(("posts spoilt", *(f"spoilt among the first {n}" for n in _FIRST)), rows)
    body += (
        f"\n\nMedian (range) of {arguments.seeds} seeds; {len(posts):,} posts, "
        f"{artefact.config.name}."
    )
    facts = {"model": artefact.config.name, "posts": len(posts)}
    runs = {f"{rate}": [list(run.values()) for run in one] for rate, one in found.items()}
    write("audit", {**facts, "first": list(_FIRST), "precision": runs}, body, _COMMAND)


if __name__ == "__main__":
    main()
