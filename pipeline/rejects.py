"""The report of rows that were left out, and of those that were read with doubt."""

from pathlib import Path
from types import TracebackType
from typing import Self

from replyrank.data.readers import BadRow, Problem
from replyrank.data.readers.arrow import to_json, to_utf8
from replyrank.data.readers.targets import Target


class Rejects:
    """Writes problems as JSON Lines: line, whether the row was kept, reason, raw excerpt.

    As a context manager it commits at the end or, on an error, leaves nothing behind. Without a
    problem there is no file, and a report of an earlier run is removed.

    Args:
        path: where; None drops the problems.
        force: whether a file that is there may be replaced.
        part: where it stands until it is complete, in place of a new name beside it.

    Raises:
        UsageError: if the report cannot be written.
    """

    def __init__(self, path: Path | None, *, force: bool = True, part: Path | None = None) -> None:
        self._path = path
        # Opened before the work: a place that cannot be written should not cost a run.
        self._target = None if path is None else Target(path, force=force, part=part)
        self._count = 0

    @property
    def written(self) -> str | None:
        """The path of the report, None where there is none."""
        return str(self._path) if self._target is not None and self._count else None

    def add(self, problem: Problem) -> None:
        """Write one problem."""
        if self._target is None:
            return
        self._count += 1
        facts: dict[str, object] = {
            "line": problem.line,
            "kept": not isinstance(problem, BadRow),
            "reason": problem.reason,
        }
        if isinstance(problem, BadRow):
            facts |= {"rows": problem.count, "raw": problem.raw}
        self._target.stream.write(to_utf8(to_json(facts) + "\n"))

    def flush(self) -> None:
        """Have what was added on the disk, though not yet in its place."""
        if self._target is not None:
            self._target.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._target is None or self._path is None:
            return
        if self._count:
            self._target.__exit__(kind, error, trace)
            return
        self._target.discard()
        if kind is None and self._path.is_file():
            self._path.unlink()
