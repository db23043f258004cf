"""Scores kept while a file is scored, so that a run that was stopped goes on.

Scoring is what takes long; reading and writing are quick. So what is kept is the scores, window
by window, and the run that goes on reads the input from its beginning, takes the scores of the
windows that were done, and writes the output from its beginning. Whatever happened in between,
the output, the report and the counts are those of one run.

    OUT.parts/
        run.json          which model gives the scores; marks the folder as ours
        lock              held by the run that is at work
        000000.parquet    scores of the first window, with a hash of its texts
        000001.parquet    …
        output, rejects   what is written so far
        finished.json     written when all is: what the run did, and which file is its output
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from replyrank.data.errors import UsageError
from replyrank.data.readers import Added, score_types
from replyrank.data.readers.targets import Target, appears_whole, cannot_be_written
from replyrank.models.config import ModelConfig
from replyrank.pipeline.errors import PartsError

_SUFFIX: Final = ".parts"
_RUN: Final = "run.json"
_LOCK: Final = "lock"
_PARTIAL: Final = "partial"
_OUTPUT: Final = "output"
_REPORT: Final = "rejects"
_FINISHED: Final = "finished.json"
_OURS: Final = frozenset({_RUN, _LOCK, _PARTIAL, _OUTPUT, _REPORT, _FINISHED})
_PART: Final = re.compile(r"\d{6,}\.parquet")
_TEXTS: Final = b"texts"


def parts_folder(target: str | Path) -> Path:
    """Where the parts of a run that writes ``target`` stand until it is done.

    Raises:
        UsageError: if ``target`` names no file or folder.
    """
    path = Path(target)
    # Beside what a link leads to: a rename does not cross file systems.
    if path.is_symlink() or path.name in ("", ".."):
        path = path.resolve()
    if not path.name:
        message = f"{str(target)!r} names no file; give one to write"
        raise UsageError(message)
    return path.with_name(path.name + _SUFFIX)


def kept_words(target: str | Path) -> str | None:
    """What to tell a user whose run stopped; None where nothing is kept."""
    folder = parts_folder(target)
    rows = _rows_kept(folder)
    if not rows or (folder / _FINISHED).exists():
        return None
    return f"the scores of {rows:,} rows are kept in {folder}; the same command goes on from there"


def left_words(target: str | Path) -> str:
    """What to tell a user whose run failed: what is kept of it, and how it goes on."""
    folder = parts_folder(target)
    if (folder / _FINISHED).exists():
        return f"all scores are kept in {folder}; the same command does what is left"
    return kept_words(target) or "no scores are kept; give the same command again"


def open_parts(target: str | Path, config: ModelConfig) -> AbstractContextManager["Parts | None"]:
    """The parts of a run that writes a file or folder; None for stdout, a pipe or a device.

    Raises:
        PartsError: see ``Parts``.
        UsageError: see ``Parts``.
    """
    return Parts(target, config) if appears_whole(target) else nullcontext()


class Parts:
    """The parts of one run. As a context manager it removes them when the run is done.

    After an error they stay, if there are any.

    Args:
        target: what the run writes.
        config: of the model that gives the scores.

    Raises:
        PartsError: if another run is at work on the same target, another model began it, or a
            folder of that name is not ours.
        UsageError: if the folder cannot be written.
    """

    def __init__(self, target: str | Path, config: ModelConfig) -> None:
        self._target = Path(target)
        self.folder = parts_folder(target)
        self._schema = pa.schema(list(score_types().items()))
        self._lock = FileLock(self.folder / _LOCK)
        try:
            self.folder.mkdir(exist_ok=True)
            self._refuse_strangers()
            self._lock.acquire(timeout=0)
        except Timeout:
            message = f"another run is writing {str(target)!r}; wait for it, or give another name"
            raise PartsError(message) from None
        except OSError as error:
            raise cannot_be_written(target, error) from error
        try:
            self._claim(config)
        except BaseException:
            self._leave()
            raise

    @property
    def output(self) -> Path:
        """Where the output grows: a run that was killed leaves it, the next one begins it anew."""
        return self.folder / _OUTPUT

    @property
    def report(self) -> Path:
        """Where the report of rows left out grows."""
        return self.folder / _REPORT

    def find(self, number: int, texts: Sequence[object]) -> Added | None:
        """The scores of a window, if they are kept; a part that is damaged counts as none.

        Args:
            number: of the window, from 0.
            texts: of its n rows.

        Returns:
            ``SCORE_COLUMNS``, each with n values.

        Raises:
            PartsError: if other texts stood there when they were scored.
        """
        path = self._path(number)
        try:
            part = pq.read_table(path, page_checksum_verification=True)
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError):
            part = None
        if part is None or not part.schema.equals(self._schema):
            path.unlink(missing_ok=True)
            return None
        if (part.schema.metadata or {}).get(_TEXTS) != _digest(texts):
            message = (
                f"{self.folder} keeps scores of an input whose rows were others, from row "
                f"{self._rows_before(number) + 1:,} on; give that input, or remove the folder to "
                "begin anew"
            )
            raise PartsError(message)
        return {name: part.column(name).to_pylist() for name in self._schema.names}

    def keep(self, number: int, texts: Sequence[object], columns: Added) -> None:
        """Keep the scores of a window; when this returns they are on the disk.

        Raises:
            OSError: if there is no room.
        """
        arrays = [pa.array(columns[field.name], field.type) for field in self._schema]
        schema = self._schema.with_metadata({_TEXTS: _digest(texts)})
        sink = pa.BufferOutputStream()
        pq.write_table(
            pa.Table.from_arrays(arrays, schema=schema),
            sink,
            compression="zstd",
            write_page_checksum=True,
        )
        self._write(self._path(number), sink.getvalue().to_pybytes())

    def finish(self, summary: Mapping[str, object]) -> None:
        """Note what the run did, when all that is left is to move the output to its place."""
        facts = {"output": self.output.stat().st_ino, "summary": summary}
        self._write(self.folder / _FINISHED, json.dumps(facts).encode())

    def finished(self) -> dict[str, Any] | None:
        """What a run did that was killed behind its end: its output stands in its place.

        None if it had not come so far.
        """
        try:
            facts = json.loads((self.folder / _FINISHED).read_text(encoding="utf-8"))
            moved = facts["output"] == self._target.stat().st_ino
        except (OSError, ValueError, KeyError):
            return None
        return cast("dict[str, Any]", facts["summary"]) if moved else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(is_done=kind is None)

    def _leave(self, *, is_done: bool = False) -> None:
        """Let go of the folder; it is removed when the run is done or nothing is kept in it."""
        if not is_done and any(self._parts()):
            self._lock.release()
            return
        for path in self.folder.iterdir():
            if path.name in _OURS - {_LOCK} or _PART.fullmatch(path.name):
                _remove(path)
        # Another run that comes now finds the lock held, or makes a new one in a folder that then
        # cannot be removed. Where a file in use cannot be unlinked, it is done afterwards.
        with suppress(OSError):
            (self.folder / _LOCK).unlink()
        self._lock.release()
        with suppress(OSError):
            (self.folder / _LOCK).unlink(missing_ok=True)
            self.folder.rmdir()

    def _refuse_strangers(self) -> None:
        """Leave a folder alone that a user made."""
        names = {path.name for path in self.folder.iterdir()} - {_LOCK, _PARTIAL}
        if names and _RUN not in names:
            message = (
                f"{str(self.folder)!r} is there and was not made by a run; rename it, or give "
                "another name to write"
            )
            raise PartsError(message)

    def _claim(self, config: ModelConfig) -> None:
        """Note whose scores these are, or refuse what another model or version began."""
        facts = {
            "model": config.name,
            "config": hashlib.sha256(config.model_dump_json().encode()).hexdigest(),
            "replyrank": version("replyrank"),
        }
        path = self.folder / _RUN
        try:
            begun = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            begun = None
        except ValueError:
            begun = {}
        if begun == facts:
            return
        if begun is not None and (kept := _rows_kept(self.folder)):
            message = (
                f"{str(self._target)!r} was begun by model {begun.get('model')}, replyrank "
                f"{begun.get('replyrank')} ({kept:,} rows are done), and this is {facts['model']}, "
                f"replyrank {facts['replyrank']}; go on with that one, or remove {self.folder} to "
                "begin anew"
            )
            raise PartsError(message)
        self._write(path, json.dumps(facts).encode())

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file whole or not at all; it is on the disk when this returns."""
        with Target(path, force=True, part=self.folder / _PARTIAL) as target:
            target.stream.write(content)

    def _parts(self) -> Iterator[Path]:
        return (path for path in self.folder.iterdir() if _PART.fullmatch(path.name))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"

    def _rows_before(self, number: int) -> int:
        return sum(_rows(self._path(before)) for before in range(number))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _rows_kept(folder: Path) -> int:
    return sum(_rows(path) for path in folder.glob("*.parquet"))


def _rows(part: Path) -> int:
    try:
        facts: Any = pq.read_metadata(part)
    except (pa.ArrowException, OSError):
        return 0
    return int(facts.num_rows)


def _digest(texts: Sequence[object]) -> bytes:
    """SHA-256 of texts in their order; what is no text counts by its ``repr``."""
    digest = hashlib.sha256()
    for text in texts:
        written = text if isinstance(text, str) else repr(text)
        data = written.encode("utf-8", "surrogatepass")
        digest.update(b"%d %d\n" % (isinstance(text, str), len(data)))
        digest.update(data)
    return digest.hexdigest().encode("ascii")
