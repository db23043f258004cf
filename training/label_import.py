"""Taking a team's labels into its set: read, checked, merged, written as a whole or not at all."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from replyrank.data.errors import UsageError
from replyrank.data.labels import read_labels
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.readers import BadRow, Record, open_source
from replyrank.data.splits import Split, gate_keys
from replyrank.data.splits.sketches import judged
from replyrank.training.build_rows import written_measures
from replyrank.training.errors import ImportRefusedError
from replyrank.training.label_files import Incoming, Item, LabelFileOptions, read_label_file
from replyrank.training.label_set import (
    Apart,
    LeftOut,
    Merged,
    load_label_set,
    merge,
    write_label_set,
)

_SHOWN: Final = 8


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """How labels are taken in."""

    files: LabelFileOptions
    #: labelled posts that judge models: no label of a near-copy is taken
    apart: Path | None = None
    #: share of a file's rows that may be faulty: above it nothing is taken
    most_left_out: float = 0.1


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    merged: Merged
    rows: int
    #: of the labels that there are now
    version: str

    @property
    def sentence(self) -> str:
        """What was done, in one line."""
        merged = self.merged
        parts = [
            f"{len(merged.labels.labels):,} labels",
            f"{merged.new:,} new, {merged.changed:,} changed, {merged.unchanged:,} as before",
        ]
        gone = {
            "deleted": merged.deleted,
            "gone for a later label of the same text": merged.replaced,
            "gone for they judge models now": merged.now_apart,
            "deletions of messages that are not here": merged.unmatched,
        }
        parts += [f"{count:,} {what}" for what, count in gone.items() if count]
        lost = sum(one.row.count for one in merged.left_out)
        parts.append(f"{lost:,} of {self.rows:,} rows left out")
        return "; ".join(parts)


def import_labels(files: Sequence[Path], out: Path, options: ImportOptions) -> Imported:
    """Take the labels of files into the set ``out``, which need not be there.

    Raises:
        UsageError: if a file cannot be used, or ``out`` is no set of labels.
        ImportRefusedError: if more rows are faulty than ``options`` allow; the set stays as it
            was.
    """
    before = load_label_set(out)
    items = [item for file in files for item in _items(file, out, options.files)]
    merged = merge(before, items, apart(options.apart, options.files))
    rows = Counter[str]()
    for file, item in items:
        rows[file] += item.count if isinstance(item, BadRow) else isinstance(item, Incoming)
    _require_whole(merged.left_out)
    _require_most(rows, merged.left_out, options.most_left_out)
    write_label_set(merged.labels, out)
    return Imported(merged, rows.total(), merged.labels.version)


def apart(posts: Path | None, options: LabelFileOptions) -> Apart:
    """The texts on which models are judged: ours, and those of a file, whatever its labels say.

    Near-copies of them are found as well, of public posts by sketches, since their texts are not
    known here.

    Raises:
        UsageError: if the file cannot be read.
    """
    tests = {row.key for row in read_labels() if row.split == Split.TEST}
    gate = {key for _, key in gate_keys()}
    return Apart(
        frozenset(tests | gate),
        judged(),
        NearCopyGuard([*written_measures(), *_texts(posts, options)]),
    )


def _texts(posts: Path | None, options: LabelFileOptions) -> list[str]:
    if posts is None:
        return []
    reading = replace(options.table.reading, format=None)
    with open_source(posts, reading) as source:
        found = [item.text for item in source.records() if isinstance(item, Record)]
    return [text for text in found if isinstance(text, str)]


def _items(file: Path, out: Path, options: LabelFileOptions) -> Iterator[tuple[str, Item]]:
    if file.exists() and out.exists() and file.samefile(out):
        message = f"{file} is the set itself; name the files that have new labels"
        raise UsageError(message)
    for item in read_label_file(file, options):
        yield str(file), item


def _require_whole(left_out: Sequence[LeftOut]) -> None:
    for one in left_out:
        if one.row.is_end:
            message = (
                f"{one.file} breaks off at line {one.row.line:,}, so nothing was taken; get a "
            )
            raise ImportRefusedError(message + "whole copy of it")


def _require_most(rows: Counter[str], left_out: Sequence[LeftOut], most: float) -> None:
    for file, count in rows.items():
        faults = [one for one in left_out if one.file == file and one.is_fault]
        reasons = Counter[str]()
        for one in faults:
            reasons[one.row.reason] += one.row.count
        if reasons.total() > most * count:
            listed = "; ".join(f"{n:,} x {reason}" for reason, n in reasons.most_common(_SHOWN))
            message = (
                f"{reasons.total():,} of the {count:,} rows of {file} cannot be used, more than "
                f"{most:.0%} (--most-left-out), so nothing was taken: {listed}"
            )
            raise ImportRefusedError(message)
