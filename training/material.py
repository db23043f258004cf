"""What a run trains on: our posts by company folds, and the corpora beside them."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.companies import companies_mentioned
from replyrank.data.errors import UsageError
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.splits import companies_of
from replyrank.data.splits.folds import company_folds, held_out_companies, training_rows
from replyrank.training.config import AnyConfig, CorrectionConfig
from replyrank.training.evaluate import length_slice
from replyrank.training.rows import IntArray, TrainingRows

_POSTS: Final = "posts_train"
_ADDED: Final = "posts_added"
_AUXILIARY: Final = "auxiliary"
_UNLABELLED: Final = "unlabelled"


@dataclass(frozen=True, slots=True)
class _Place:
    """What decides on which side of a fold a text stands."""

    text: str
    company: str | None


@dataclass(frozen=True)
class Material:
    """Training rows of one run."""

    #: posts labelled by our guideline
    posts: TrainingRows
    places: tuple[_Place, ...]
    #: fold of each post; -1 where folds leave companies out and a post has none
    folds: tuple[int, ...]
    #: whether the folds leave companies out; with too few of them they leave posts out
    by_company: bool
    #: rows of the first stage; none has to do with a company
    auxiliary: TrainingRows
    #: texts without labels, and whose they are
    unlabelled_places: tuple[_Place, ...]
    #: rows beside the posts in the second stage: added posts, and rows of other corpora
    companions: TrainingRows
    companion_places: tuple[_Place, ...]
    #: dimension, such as source, to its value for each post; None: in no slice
    slices: Mapping[str, tuple[str | None, ...]]
    #: rows that each corpus gave to each part, for the card
    counts: Mapping[str, Mapping[str, int]]

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Texts without labels."""
        return tuple(place.text for place in self.unlabelled_places)

    @property
    def companies(self) -> IntArray:
        """(n,) number of each post's company among all of them, -1 for none."""
        names = sorted({place.company for place in self.places if place.company is not None})
        numbers: dict[str | None, int] = {name: number for number, name in enumerate(names)}
        return np.array([numbers.get(place.company, -1) for place in self.places], dtype=np.int64)

    def fold_rows(self, fold: int) -> IntArray:
        """Positions of the posts of a fold."""
        return np.flatnonzero(np.array(self.folds) == fold)

    def fold_posts(self, fold: int) -> TrainingRows:
        """The posts that train the model measured on ``fold``: no company on both sides."""
        rows = training_rows(self.places, self.folds, fold, self._aside(fold))
        return self.posts.take(np.array(rows, dtype=np.int64))

    def fold_training(self, fold: int) -> TrainingRows:
        """All that trains the model measured on ``fold``: its posts, and what stands beside."""
        aside = self._aside(fold)
        guard = NearCopyGuard([self.posts.texts[row] for row in self.fold_rows(fold)])
        beside = [
            row
            for row, place in enumerate(self.companion_places)
            if not companies_of(place.company, place.text) & aside
            and guard.copied(place.text) is None
        ]
        kept = self.companions.take(np.array(beside, dtype=np.int64))
        return TrainingRows.concatenate([self.fold_posts(fold), kept])

    def fold_unlabelled(self, fold: int) -> tuple[str, ...]:
        """Texts that the model measured on ``fold`` may read without labels.

        They have nothing to do with its companies; none is a copy of a labelled post in the first
        place (``build.py``).
        """
        aside = self._aside(fold)
        pairs = zip(self.unlabelled_places, self._unlabelled_companies, strict=True)
        return tuple(place.text for place, companies in pairs if not companies & aside)

    def _aside(self, fold: int) -> frozenset[str]:
        """The companies of a fold; none where folds leave posts out, of companies on both sides."""
        if not self.by_company:
            return frozenset()
        return held_out_companies(self.places, self.folds, fold)

    @cached_property
    def _unlabelled_companies(self) -> tuple[frozenset[str], ...]:
        return tuple(companies_of(place.company, place.text) for place in self.unlabelled_places)

    def fingerprint(self) -> str:
        """SHA-256 of all that decides what trains where: rows, companies, folds."""
        digest = hashlib.sha256()
        for rows in (self.posts, self.companions, self.auxiliary):
            for line in rows.lines():
                digest.update(line)
        aside = [sorted(companies_of(place.company, place.text)) for place in self.companion_places]
        own = [sorted(companies_of(place.company, place.text)) for place in self.places]
        digest.update(json.dumps([self.folds, own, aside]).encode("ascii"))
        for place, companies in zip(
            self.unlabelled_places, self._unlabelled_companies, strict=True
        ):
            digest.update(json.dumps([place.text, sorted(companies)]).encode("ascii"))
        return digest.hexdigest()

    def all_training(self) -> TrainingRows:
        """What trains the model that ships."""
        return TrainingRows.concatenate([self.posts, self.companions])


def load_split(dataset: Path, name: str) -> TrainingRows:
    """The labelled rows of one split of a training set, such as ``test``."""
    # Slow to import, and nothing else here needs it.
    from datasets import load_from_disk  # noqa: PLC0415

    splits: Any = load_from_disk(str(dataset))
    return _rows(list(splits[name]))


def load_material(config: AnyConfig, dataset: Path) -> Material:
    """Take what a config asks for from a training set.

    Args:
        config: names the corpora of each stage.
        dataset: the folder that ``build_dataset`` wrote.

    Raises:
        UsageError: if it lacks posts, or rows of a corpus, that the config names.
    """
    # Slow to import, and nothing else here needs it.
    from datasets import load_from_disk  # noqa: PLC0415

    splits: Any = load_from_disk(str(dataset))
    posts, added = _posts(splits, config, dataset), _added(splits, config, dataset)
    others = _others(splits, added, config, dataset)
    drawn_only = {*config.auxiliary, *config.companions}
    added = [row for row in added if row["source"] not in drawn_only]
    first = [row for row in others if row["source"] in config.auxiliary and _is_general(row)]
    read = _unlabelled(splits, config, dataset)
    drawn = [
        row
        for source, most in config.companions.items()
        for row in _draw([row for row in others if row["source"] == source], most, config.seed)
    ]
    beside = [*added, *drawn]
    places = tuple(map(_place, posts))
    return Material(
        posts=_rows(posts),
        places=places,
        folds=_folds(places, config),
        by_company=_are_enough(places, config),
        auxiliary=_rows(first),
        unlabelled_places=tuple(map(_place, read)),
        companions=_rows(beside),
        companion_places=tuple(map(_place, beside)),
        slices=_slices(posts),
        counts={
            "posts": _by_source(posts),
            "added posts": _by_source(added),
            "read without labels": _by_source(read),
            "first stage": _by_source(first),
            "beside": _by_source(drawn),
        },
    )


def _is_general(row: Mapping[str, Any]) -> bool:
    """Whether a row has to do with no company, so that every fold may read it."""
    return not row["company"] and not companies_mentioned(row["text"])


def _slices(posts: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str | None, ...]]:
    return {
        "source": tuple(row["source"] for row in posts),
        "channel": tuple(row["channel"] or None for row in posts),
        "length": tuple(length_slice(row["text"]) for row in posts),
    }


def _by_source(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(str(row["source"]) for row in rows).items()))


def _posts(splits: Any, config: AnyConfig, dataset: Path) -> list[Mapping[str, Any]]:
    """Labelled posts, of which figures are taken; refuses a set without any."""
    posts = _of_sources(splits.get(_POSTS, ()), config)
    if not posts:
        sources = ", ".join(config.post_sources) or "any source"
        message = f"{dataset} holds no labelled posts of {sources}; build it from more corpora"
        raise UsageError(message)
    return posts


def _others(
    splits: Any,
    added: Sequence[Mapping[str, Any]],
    config: AnyConfig,
    dataset: Path,
) -> list[Mapping[str, Any]]:
    """Rows of the corpora of the first stage, and beside the posts; refuses a set that lacks one.

    Added posts count as a corpus where either names their source.
    """
    # A split without rows is not written.
    others: list[Mapping[str, Any]] = list(splits.get(_AUXILIARY, ()))
    named = {*config.auxiliary, *config.companions}
    others += [row for row in added if row["source"] in named]
    absent = named - {row["source"] for row in others}
    if absent:
        message = f"{dataset} has no rows of {', '.join(sorted(absent))}, which the config names; "
        message += "mend the config, or build the training set with them"
        raise UsageError(message)
    return others


def _added(splits: Any, config: AnyConfig, dataset: Path) -> list[Mapping[str, Any]]:
    if not config.added_posts:
        return []
    if _ADDED not in splits:
        message = f"{dataset} has no added posts, which the config asks for; build it anew"
        raise UsageError(message)
    return _of_sources(splits[_ADDED], config)


def _unlabelled(splits: Any, config: AnyConfig, dataset: Path) -> list[Mapping[str, Any]]:
    """Rows whose texts alone are read; refuses a set that lacks what is named."""
    wanted = {*config.unlabelled}
    rows = [row for row in splits.get(_UNLABELLED, ()) if row["source"] in wanted]
    if absent := wanted - {row["source"] for row in rows}:
        message = f"{dataset} has no unlabelled texts of {', '.join(sorted(absent))}, which the "
        message += "config names; mend the config, or build the training set with them"
        raise UsageError(message)
    return rows


def _of_sources(rows: Iterable[Mapping[str, Any]], config: AnyConfig) -> list[Mapping[str, Any]]:
    wanted = config.post_sources
    return [row for row in rows if not wanted or row["source"] in wanted]


def _folds(places: Sequence[_Place], config: AnyConfig) -> tuple[int, ...]:
    """Folds that leave companies out; of posts of too few companies, folds of posts."""
    if _are_enough(places, config):
        return tuple(company_folds(places, config.folds))
    drawn = np.random.default_rng(config.seed).permutation(len(places)) % config.folds
    return tuple(drawn.tolist())


def _are_enough(places: Sequence[_Place], config: AnyConfig) -> bool:
    """Whether there is a company for every fold; of a team's brands the posts are parted."""
    if isinstance(config, CorrectionConfig):
        return False
    return len({place.company for place in places} - {None}) >= config.folds


def _draw(rows: Sequence[Mapping[str, Any]], most: int, seed: int) -> list[Mapping[str, Any]]:
    """At most ``most`` of the rows, the same for the same seed."""
    chosen = np.random.default_rng(seed).permutation(len(rows))[:most]
    return [rows[row] for row in sorted(chosen)]


def _place(row: Mapping[str, Any]) -> _Place:
    return _Place(row["text"], row["company"] or None)


def _rows(rows: Sequence[Mapping[str, Any]]) -> TrainingRows:
    return TrainingRows(
        tuple(row["text"] for row in rows),
        np.array([row["intent"] for row in rows], dtype=np.int64),
        np.array([row["urgency"] for row in rows], dtype=np.int64),
        np.array([row["sentiment"] for row in rows], dtype=np.int64),
    )
