"""Which labelled post stands on which side: train, gate, test, or on none.

The gate set is 15 % of the companies, cut from ``train`` once and for all: a model that is
to replace another one is judged on companies that neither has seen.
"""

import csv
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final, Protocol

from replyrank.data.companies import companies_mentioned
from replyrank.data.corpora import LabelledPost

GATE_COLUMNS: Final = ("source", "text_key")


class Split(StrEnum):
    """The side on which a post stands."""

    TRAIN = "train"
    #: of a gate company: no shipped model trains, calibrates or chooses anything on it
    GATE = "gate"
    TEST = "test"
    #: of no gate company, but addressed to one as well: on no side
    EXCLUDED = "excluded"


class CompanyPost(Protocol):
    """What is asked of a post to keep companies apart."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def company(self) -> str | None: ...  # noqa: D102


def companies_of(company: str | None, text: str) -> frozenset[str]:
    """All companies that a post has to do with: its own and those whose handle it names."""
    mentioned = companies_mentioned(text)
    return mentioned | {company} if company else mentioned


@cache
def gate_companies() -> frozenset[str]:
    """The companies of the gate set."""
    return frozenset(_committed("gate_companies.txt").split())


@cache
def gate_keys() -> frozenset[tuple[str, str]]:
    """Source and text key of every post of the gate set."""
    rows = csv.DictReader(_committed("gate.csv").splitlines())
    return frozenset((row["source"], row["text_key"]) for row in rows)


def split_of(post: LabelledPost) -> Split:
    """The side on which a post stands, by the committed lists."""
    if post.split == Split.TEST:
        return Split.TEST
    if (post.source, post.key) in gate_keys():
        return Split.GATE
    touches = companies_of(post.company, post.text) & gate_companies()
    return Split.EXCLUDED if touches else Split.TRAIN


def gate_rows(posts: Iterable[LabelledPost]) -> list[tuple[str, str]]:
    """The gate set by its rule, sorted: the train posts whose company is a gate company."""
    return sorted(
        (post.source, post.key)
        for post in posts
        if post.split != Split.TEST and post.company in gate_companies()
    )


def write_gate(posts: Iterable[LabelledPost], out: Path) -> int:
    """Write the key list of the gate set; gives the number of posts in it."""
    rows = gate_rows(posts)
    with out.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(GATE_COLUMNS)
        writer.writerows(rows)
    return len(rows)


def _committed(name: str) -> str:
    return resources.files("replyrank.data.splits").joinpath(name).read_text(encoding="utf-8")


__all__: Sequence[str] = [
    "GATE_COLUMNS",
    "CompanyPost",
    "Split",
    "companies_of",
    "gate_companies",
    "gate_keys",
    "gate_rows",
    "split_of",
    "write_gate",
]
