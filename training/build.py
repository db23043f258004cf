"""Build the training set from the raw corpora: what trains, what judges, what was dropped.

Six splits with the same columns:

posts_train  posts labelled by our guideline that may train; out of fold, figures are taken on them
posts_added  more posts labelled by it, which only ever train
gate         posts of the gate companies; only the gate reads them
test         the test posts; only ``evaluate`` reads them
auxiliary    posts of corpora with labels of their own, mapped to ours, the rest masked (-1)
unlabelled   posts of corpora that are read without any label

No text of ``test`` or ``gate``, of the behaviour suites or of TweetEval's sentiment test has a
near-copy in ``posts_train`` or ``posts_added``; no labelled post, of any split, nor any of these
texts has one in ``auxiliary`` or ``unlabelled``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from replyrank.data.corpora import CORPORA, MEASURED_ONLY, corpora_root
from replyrank.data.errors import UsageError
from replyrank.data.written import WRITTEN
from replyrank.training.build_card import BuildSummary, card
from replyrank.training.build_rows import AUXILIARY, BuildConfig, Row, RowSelection
from replyrank.training.dataset_folder import (
    INPUTS,
    check_free,
    content_hash,
    package_hash,
    require_inputs,
    write_dataset,
)

if TYPE_CHECKING:
    # It knows the encoders, and they load torch.
    from replyrank.training.config import RunConfig


def build_dataset(
    root: str | Path | None,
    out: Path,
    config: BuildConfig | None = None,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> BuildSummary:
    """Write the training set as a ``datasets.DatasetDict`` with a card, ``README.md``.

    A split without rows is counted but not written: its reader could not load it.

    The same corpora and config give the same rows, and hashes, in the same order.

    Args:
        root: see ``corpora_root``.
        out: the folder to make; it appears only when all of it is written.
        config: what goes in.
        report: is told of each step as it begins.

    Raises:
        UsageError: if ``out`` is there and is not empty, a corpus is missing, or the config
            names a corpus that there is not or that only measures.
    """
    config = config or BuildConfig()
    _check(config, out)
    report("joining our labels with the texts of the corpora")
    selection = RowSelection(corpora_root(root), config)
    splits: dict[str, list[Row]] = selection.labelled()
    report(f"reading {len(config.auxiliary)} auxiliary corpora")
    splits["auxiliary"] = selection.auxiliary()
    if config.unlabelled:
        report(f"reading {len(config.unlabelled)} corpora without their labels")
    splits["unlabelled"] = selection.unlabelled()
    summary = BuildSummary(
        folder=out,
        rows={name: len(rows) for name, rows in splits.items()},
        hashes={name: content_hash(rows) for name, rows in splits.items()},
        dropped=dict(sorted(selection.dropped.items())),
    )
    report(
        f"writing {sum(summary.rows.values()):,} rows, {sum(summary.dropped.values()):,} left out"
    )
    facts = config.model_dump_json(indent=2)
    papers = {"README.md": card(splits, summary, facts), INPUTS: f"{_inputs(config)}\n"}
    write_dataset(splits, out, papers)
    return summary


def dataset_for(
    run: "RunConfig",
    root: str | Path | None,
    folder: Path,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Path:
    """The training set of a run: the one in ``folder``, or a new one where there is none.

    Args:
        run: may name corpora, or mappings, beyond those of every training set.
        root: see ``corpora_root``.
        folder: of the set.
        report: is told of each step as it begins.

    Raises:
        UsageError: if the set that is there was built from other labels, companies or corpora
            than a new one would be, or none can be built.
    """
    # Written posts are in every set, and no corpus.
    named = {*AUXILIARY, *run.auxiliary, *run.companions} - {WRITTEN}
    config = BuildConfig(
        auxiliary=tuple(sorted(named)), unlabelled=run.unlabelled, optional=run.optional
    )
    if not folder.exists():
        corpora = len(config.auxiliary) + len(config.unlabelled)
        report(f"the training set comes first: {corpora} corpora, minutes; then the plan")
        build_dataset(root, folder, config, report=report)
    require_inputs(folder, _inputs(config))
    return folder


def _inputs(config: BuildConfig) -> str:
    # The corpora themselves never change.
    return package_hash(config.model_dump_json())


def _check(config: BuildConfig, out: Path) -> None:
    named = {*config.auxiliary, *config.unlabelled, *config.optional}
    if unknown := named - set(CORPORA):
        message = f"no corpus is called {', '.join(sorted(unknown))}; use {', '.join(CORPORA)}"
        raise UsageError(message)
    if measured := {*config.auxiliary, *config.unlabelled} & MEASURED_ONLY:
        message = f"{', '.join(sorted(measured))} only measures; take it out of the config"
        raise UsageError(message)
    check_free(out)
