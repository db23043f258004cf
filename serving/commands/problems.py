"""Telling of rows that could not be read, and of what else the reader noticed."""

import sys
from typing import Final

import typer

from replyrank.data.readers import BadRow, Problem
from replyrank.serving.errors import IncompleteInputError
from replyrank.serving.ranking_view import excerpt

_SHOWN: Final = 20
_WIDTH: Final = 300


class ProblemPrinter:
    """Prints the first problems to stderr, each with its line, and counts them all."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        #: rows that are lost
        self.rejected = 0
        #: whether the input was read to its end
        self.complete = True

    def __call__(self, problem: Problem) -> None:
        """Take note of one problem."""
        self.count += 1
        if isinstance(problem, BadRow):
            self.rejected += problem.count
            self.complete = self.complete and not problem.is_end
        if self.count <= _SHOWN:
            # By the name of the stream: a progress bar stands aside for what goes there.
            sys.stderr.write(f"{excerpt(described(problem), _WIDTH)}\n")

    def close(self) -> None:
        """Say how many were not printed."""
        if self.count > _SHOWN:
            typer.echo(f"and {self.count - _SHOWN:,} more like these", err=True)

    def require_whole(self, source: str) -> None:
        """Call when what could be read is done.

        Raises:
            IncompleteInputError: if the input broke off.
        """
        if not self.complete:
            message = (
                f"{source} breaks off: what stands before that is done, what follows is lost; "
            )
            raise IncompleteInputError(message + "get a whole copy of the file and run again")


def described(problem: Problem) -> str:
    """One problem on one line."""
    where = "" if problem.line is None else f"{problem.unit} {problem.line}: "
    return f"{where}{'left out: ' if isinstance(problem, BadRow) else ''}{problem.reason}"
