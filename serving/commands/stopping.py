"""Ctrl-C and SIGTERM: a run that is stopped says what it keeps."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import typer

from replyrank.pipeline.parts import kept_words

#: what a shell makes of a process that a signal ended
_SIGNALLED: Final = 128


class _StoppedError(BaseException):
    """A signal asks the run to end; no code on the way takes it for an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopping(target: str) -> Generator[None]:
    """Turn a signal into an orderly end: what is open is closed, and the user told.

    Raises:
        typer.Exit: with 128 and the signal's number, as shells count.
    """
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _StoppedError as stopped:
        words = kept_words(target)
        typer.echo(f"replyrank: stopped{f'; {words}' if words else ''}", err=True)
        raise typer.Exit(_SIGNALLED + stopped.number) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise _StoppedError(number)
