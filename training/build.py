"""Build the training set from the raw corpora: what trains, what judges, what was dropped.

Five splits with the same columns:

posts_train  posts labelled by our guideline that may train; out of fold, figures are taken on them
posts_added  more posts labelled by it, which only ever train
gate         posts of the gate companies; only the gate reads them
test         the test posts; only ``evaluate`` reads them
auxiliary    posts of corpora with labels of their own, mapped to ours, the rest masked (-1)

No text of ``test`` or ``gate``, of the behaviour suites or of TweetEval's sentiment test has a
near-copy in ``posts_train`` or ``posts_added``; no labelled post, of any split, nor any of these
texts has one in ``auxiliary``.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from replyrank.data.corpora import CORPORA, MEASURED_ONLY, corpora_root
from replyrank.data.errors import UsageError
from replyrank.training.build_card import BuildSummary, card
from replyrank.training.build_rows import AUXILIARY, BuildConfig, Row, RowSelection

if TYPE_CHECKING:
    # It knows the encoders, and they load torch.
    from replyrank.training.config import RunConfig

#: raised whenever the code that chooses rows changes what it chooses
BUILD_VERSION: Final = 1

#: names what a set was built from
_INPUTS: Final = "inputs.sha256"


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
    summary = BuildSummary(
        folder=out,
        rows={name: len(rows) for name, rows in splits.items()},
        hashes={name: _content_hash(rows) for name, rows in splits.items()},
        dropped=dict(sorted(selection.dropped.items())),
    )
    report(
        f"writing {sum(summary.rows.values()):,} rows, {sum(summary.dropped.values()):,} left out"
    )
    papers = {"README.md": card(splits, summary, config), _INPUTS: f"{_inputs_hash(config)}\n"}
    _write(splits, out, papers)
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
    named = {*AUXILIARY, *run.auxiliary, *run.companions}
    config = BuildConfig(auxiliary=tuple(sorted(named)), optional=run.optional)
    if not folder.exists():
        build_dataset(root, folder, config, report=report)
    path = folder / _INPUTS
    found = path.read_text(encoding="utf-8").strip() if path.is_file() else "unknown ones"
    if found != _inputs_hash(config):
        message = f"{folder} was built from other labels, companies, written posts or corpora than "
        message += f"this version would take ({_INPUTS}: {found}); remove it, and it is built anew"
        raise UsageError(message)
    return folder


def _inputs_hash(config: BuildConfig) -> str:
    """SHA-256 of what in this package decides the rows; the corpora themselves never change."""
    digest = hashlib.sha256(f"{BUILD_VERSION} {config.model_dump_json()}".encode())
    package = resources.files("replyrank.data")
    for folder in ("", "behaviour", "corpora", "labels", "samples", "splits", "written"):
        files = {item.name: item for item in package.joinpath(folder).iterdir() if item.is_file()}
        for name in sorted(files):
            if name.endswith((".csv", ".jsonl", ".txt")):
                digest.update(f"{folder}/{name}\0".encode())
                digest.update(files[name].read_bytes())
    return digest.hexdigest()


def _check(config: BuildConfig, out: Path) -> None:
    named = {*config.auxiliary, *config.optional}
    if unknown := named - set(CORPORA):
        message = f"no corpus is called {', '.join(sorted(unknown))}; use {', '.join(CORPORA)}"
        raise UsageError(message)
    if measured := {*config.auxiliary} & MEASURED_ONLY:
        message = f"{', '.join(sorted(measured))} only measures; take it out of auxiliary"
        raise UsageError(message)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        message = f"{str(out)!r} is there already; name a new or empty folder"
        raise UsageError(message)


def _content_hash(rows: Sequence[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        line = json.dumps(asdict(row), ensure_ascii=True, sort_keys=True)
        digest.update(f"{line}\n".encode("ascii"))
    return digest.hexdigest()


def _write(splits: Mapping[str, Sequence[Row]], out: Path, papers: Mapping[str, str]) -> None:
    # Slow to import, and nothing else here needs it.
    from datasets import Dataset, DatasetDict, Features, Value  # noqa: PLC0415

    features = Features(
        {
            "source": Value("string"),
            "key": Value("string"),
            "text": Value("string"),
            "intent": Value("int64"),
            "urgency": Value("int64"),
            "sentiment": Value("int64"),
            "company": Value("string"),
            "channel": Value("string"),
        }
    )
    whole = DatasetDict(
        {
            name: Dataset.from_dict(
                {column: [getattr(row, column) for row in rows] for column in features},
                features=features,
            )
            for name, rows in splits.items()
            if rows
        }
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and moved there, so that it is there whole or not at all.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as unfinished:
        folder = Path(unfinished) / "dataset"
        with _without_bars():
            whole.save_to_disk(str(folder))
        for name, text in papers.items():
            (folder / name).write_text(text, encoding="utf-8")
        folder.replace(out)


@contextmanager
def _without_bars() -> Generator[None]:
    """No bars of the library's: ``report`` has told the step, and a pipe holds no bars."""
    import datasets  # noqa: PLC0415  as above

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
