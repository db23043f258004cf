"""A training set of a team's own labelled posts, beside those that were written for the project.

No public corpus is needed. Posts with all three labels are those that figures are taken on, out
of fold; posts with fewer only train. There is neither ``test`` nor ``gate``: what judges a model
in the end must be posts that were kept out of the file.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from replyrank.data.errors import UsageError
from replyrank.data.near_copies import NearCopyGuard, normalise
from replyrank.data.text_key import text_key
from replyrank.data.wording import counted
from replyrank.training.build_card import BuildSummary, card
from replyrank.training.build_rows import Row, written_measures, written_rows
from replyrank.training.dataset_folder import (
    INPUTS,
    content_hash,
    package_hash,
    require_inputs,
    write_dataset,
)
from replyrank.training.labelled import LabelledOptions, LabelledPosts, read_labelled
from replyrank.training.rows import MASKED

#: what such posts are called where a corpus has its name
OWN: Final = "own"


def own_dataset(
    path: Path,
    folder: Path,
    options: LabelledOptions | None = None,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Path:
    """The training set of a labelled file: the one in ``folder``, or a new one.

    Args:
        path: CSV, JSON Lines or Parquet with a text and at least one label; see
            ``read_labelled``. Its column of the brand, where there is one, makes the folds.
        folder: of the set.
        options: how the file is read.
        report: is told of each step as it begins.

    Raises:
        UsageError: if the file cannot be used, or the set in ``folder`` is of another one.
    """
    posts = read_labelled(path, options)
    inputs = package_hash(OWN, posts.sha256)
    if not folder.exists():
        splits, dropped = _splits(posts)
        if not splits["posts_train"]:
            message = (
                f"{path}: none of the {len(posts):,} labelled posts has all three labels; figures "
                "are taken on such posts: label some for intent, urgency and sentiment"
            )
            raise UsageError(message)
        kept = len(splits["posts_train"])
        lost = counted(len(posts.left_out), "row")
        report(f"{path}: {kept:,} posts with every label, {lost} left out")
        summary = BuildSummary(
            folder=folder,
            rows={name: len(rows) for name, rows in splits.items()},
            hashes={name: content_hash(rows) for name, rows in splits.items()},
            dropped=dict(sorted(dropped.items())),
        )
        facts = json.dumps({"file": path.name, "sha256": posts.sha256}, indent=2)
        papers = {"README.md": card(splits, summary, facts), INPUTS: f"{inputs}\n"}
        write_dataset(splits, folder, papers)
    require_inputs(folder, inputs)
    return folder


def _splits(posts: LabelledPosts) -> tuple[dict[str, list[Row]], Counter[tuple[str, str]]]:
    guard = NearCopyGuard(written_measures())
    dropped = Counter[tuple[str, str]]()
    splits: dict[str, list[Row]] = {"posts_train": [], "posts_added": []}
    seen: set[str] = set()
    for row in _rows(posts):
        if guard.copied(row.text) is not None:
            dropped[OWN, "near-copy of a measured text"] += 1
        elif normalise(row.text) in seen:
            dropped[OWN, "duplicate"] += 1
        else:
            seen.add(normalise(row.text))
            whole = MASKED not in (row.intent, row.urgency, row.sentiment)
            splits["posts_train" if whole else "posts_added"].append(row)
    beside = written_rows()
    kept = NearCopyGuard([row.text for row in splits["posts_train"]]).filter(
        row.text for row in beside
    )
    splits["posts_added"] += [beside[place] for place in kept]
    return splits, dropped


def _rows(posts: LabelledPosts) -> list[Row]:
    rows = posts.rows
    columns = (rows.texts, rows.intent, rows.urgency, rows.sentiment)
    return [
        Row(
            source=OWN,
            key=text_key(text),
            text=text,
            intent=int(intent),
            urgency=int(urgency),
            sentiment=int(sentiment),
            company=company or "",
            channel=channel or "",
        )
        for text, intent, urgency, sentiment, company, channel in zip(
            *columns, posts.companies, posts.channel, strict=True
        )
    ]
