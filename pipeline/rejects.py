"""The report of rows that were left out, and of those that were read with doubt."""

from pathlib import Path
from types import TracebackType
from typing import Self

from replyrank.data.readers import BadRow, Problem
from replyrank.data.readers.arrow import to_json, to_utf8
from replyrank.data.readers.targets import Target


class Rejects:
    """Writes problems as JSON Lines: line, whether the row was kept, reason, raw excerpt.

    As a context manager it commits at the end or, on an error, leaves nothing behind. The file
    is made with the first problem; without any, a report of an earlier run is removed.

    Args:
        path: where; None drops the problems.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._target: Target | None = None

    @property
    def written(self) -> str | None:
        """The path of the report, None where there is none."""
        return None if self._target is None else str(self._path)

    def add(self, problem: Problem) -> None:
        """Write one problem.

        Raises:
            UsageError: if the report cannot be written.
        """
        if self._path is None:
            return
        if self._target is None:
            self._target = Target(self._path, force=True)
        facts: dict[str, object] = {
            "line": problem.line,
            "kept": not isinstance(problem, BadRow),
            "reason": problem.reason,
        }
        if isinstance(problem, BadRow):
            facts |= {"rows": problem.count, "raw": problem.raw}
        self._target.stream.write(to_utf8(to_json(facts) + "\n"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._target is not None:
            self._target.__exit__(kind, error, trace)
        elif kind is None and self._path is not None and self._path.is_file():
            self._path.unlink()
