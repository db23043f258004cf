"""The folder of a training set: a ``datasets.DatasetDict``, and what it was built from."""

import hashlib
import json
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Final

from replyrank.data.errors import UsageError
from replyrank.training.build_rows import Row

#: raised whenever the code that chooses rows changes what it chooses
BUILD_VERSION: Final = 1

#: names what a set was built from
INPUTS: Final = "inputs.sha256"


def package_hash(*facts: str) -> str:
    """SHA-256 of what in this package decides the rows of a set, and of further facts."""
    digest = hashlib.sha256(" ".join([str(BUILD_VERSION), *facts]).encode())
    package = resources.files("replyrank.data")
    for folder in ("", "behaviour", "corpora", "labels", "samples", "splits", "written"):
        files = {item.name: item for item in package.joinpath(folder).iterdir() if item.is_file()}
        for name in sorted(files):
            if name.endswith((".csv", ".jsonl", ".txt")):
                digest.update(f"{folder}/{name}\0".encode())
                digest.update(files[name].read_bytes())
    return digest.hexdigest()


def require_inputs(folder: Path, wanted: str) -> None:
    """Refuse a training set that was built from something else.

    Raises:
        UsageError: if its ``inputs.sha256`` is not ``wanted``.
    """
    path = folder / INPUTS
    found = path.read_text(encoding="utf-8").strip() if path.is_file() else "unknown ones"
    if found != wanted:
        message = f"{folder} was built from other labels, companies, written posts or corpora than "
        message += f"this run would take ({INPUTS}: {found}); remove it, and it is built anew"
        raise UsageError(message)


def check_free(out: Path) -> None:
    """Refuse to write over anything.

    Raises:
        UsageError: if ``out`` is there and is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        message = f"{str(out)!r} is there already; name a new or empty folder"
        raise UsageError(message)


def content_hash(rows: Sequence[Row]) -> str:
    """SHA-256 of rows as JSON lines."""
    digest = hashlib.sha256()
    for row in rows:
        line = json.dumps(asdict(row), ensure_ascii=True, sort_keys=True)
        digest.update(f"{line}\n".encode("ascii"))
    return digest.hexdigest()


def write_dataset(
    splits: Mapping[str, Sequence[Row]], out: Path, papers: Mapping[str, str]
) -> None:
    """Write a ``datasets.DatasetDict``, whole or not at all.

    A split without rows is not written: its reader could not load it.

    Args:
        splits: rows by the name of their split.
        out: the folder to make.
        papers: texts to lay beside, by the names of their files.

    Raises:
        UsageError: if ``out`` is there and is not empty.
    """
    check_free(out)
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
