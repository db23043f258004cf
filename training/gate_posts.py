"""The posts on which a challenger meets the champion: of companies that neither has seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.corpora import corpora_root
from replyrank.data.errors import UsageError
from replyrank.training.build_rows import BuildConfig, Row, RowSelection
from replyrank.training.evaluate import length_slice
from replyrank.training.labelled import LABEL_COLUMNS, LabelledPosts, read_labelled
from replyrank.training.rows import MASKED, IntArray, TrainingRows

_GATE: Final = "gate"


@dataclass(frozen=True)
class GatePosts:
    """n labelled posts."""

    name: str
    rows: TrainingRows
    #: n companies, None where not known
    companies: tuple[str | None, ...]
    #: dimension -> value of each post
    slices: Mapping[str, tuple[str | None, ...]]
    #: what a user should know of them
    notices: tuple[str, ...] = ()

    def take(self, kept: IntArray, notice: str) -> "GatePosts":
        """The posts at some positions, and why not the others."""
        return GatePosts(
            self.name,
            self.rows.take(kept),
            tuple(self.companies[row] for row in kept),
            {name: tuple(values[row] for row in kept) for name, values in self.slices.items()},
            (*self.notices, notice),
        )

    def __len__(self) -> int:
        """Number of posts."""
        return len(self.rows)


def load_gate_posts(posts: Path | None, dataset: Path | None, corpora: Path | None) -> GatePosts:
    """The posts that decide: a labelled file, else those of a training set, else of the corpora.

    Raises:
        UsageError: if what is named cannot be used.
    """
    if posts is not None:
        return gate_posts_of_file(posts.name, read_labelled(posts))
    if dataset is not None:
        return gate_posts_of_dataset(dataset)
    return gate_posts_of_corpora(corpora)


def gate_posts_of_corpora(root: Path | None) -> GatePosts:
    """The frozen gate set: its labels are shipped, its texts come from the public corpora.

    Raises:
        UsageError: if the corpora are not there.
    """
    rows = RowSelection(corpora_root(root), BuildConfig(auxiliary=())).labelled()[_GATE]
    return _of_rows("the frozen gate set", rows)


def gate_posts_of_dataset(folder: Path) -> GatePosts:
    """The gate set of a training set that was built.

    Raises:
        UsageError: if it has none.
    """
    # Slow to import, and nothing else here needs it.
    from datasets import load_from_disk  # noqa: PLC0415

    try:
        splits: Any = load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        message = f"{folder} is no training set: {error}; name one that `data build` made"
        raise UsageError(message) from error
    if _GATE not in splits:
        message = f"{folder} has no gate set; name one that was built of the public corpora, "
        raise UsageError(message + "or labelled posts of your own with --posts")
    fields = Row.__dataclass_fields__
    rows = [Row(**{name: row[name] for name in fields}) for row in splits[_GATE]]
    return _of_rows(f"the gate set of {folder}", rows)


def gate_posts_of_file(name: str, posts: LabelledPosts) -> GatePosts:
    """Labelled posts of a team; that no model trained on them is the team's to know."""
    given = {"source": posts.source, "channel": posts.channel}
    known: dict[str, tuple[str | None, ...]] = {k: v for k, v in given.items() if any(v)}
    lengths = tuple(length_slice(text) for text in posts.rows.texts)
    notices = tuple(f"{name}, line {row.line}: left out: {row.reason}" for row in posts.left_out)
    notices += _partly_labelled(name, posts.rows)
    return GatePosts(name, posts.rows, posts.companies, {**known, "length": lengths}, notices)


def _partly_labelled(name: str, rows: TrainingRows) -> tuple[str, ...]:
    """How many posts each label's figures are taken on, where that is not all of them."""
    counts = {label: int((getattr(rows, label) != MASKED).sum()) for label in LABEL_COLUMNS}
    if all(count == len(rows) for count in counts.values()):
        return ()
    told = ", ".join(f"{label} {count:,}" for label, count in counts.items())
    return (
        f"{name}: {len(rows):,} posts, by label: {told}; each figure is taken on the posts that "
        "have its label",
    )


def _of_rows(name: str, rows: Sequence[Row]) -> GatePosts:
    columns = {
        label: np.array([getattr(row, label) for row in rows], dtype=np.int64)
        for label in ("intent", "urgency", "sentiment")
    }
    return GatePosts(
        name,
        TrainingRows(tuple(row.text for row in rows), **columns),
        tuple(row.company or None for row in rows),
        {
            "source": tuple(row.source for row in rows),
            "channel": tuple(row.channel or None for row in rows),
            "length": tuple(length_slice(row.text) for row in rows),
        },
    )
