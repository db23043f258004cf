"""Ctrl-C and SIGTERM: a run that is stopped says what it keeps."""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import typer

from replyrank.pipeline.parts import kept_words

#: what a shell makes of a process that a signal ended
_SIGNALLED: Final = 128
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class _StoppedError(BaseException):
    """A signal asks the run to end; no code on the way takes it for an error of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopping(target: str) -> Generator[None]:
    """Turn a signal into an orderly end: what is open is closed, and the user told.

    The process ends with 128 and the signal's number, as shells count; a second signal ends it at
    once. Signals that the process was started to ignore stay ignored.
    """
    before: dict[int, Any] = {}
    try:
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, _stop)
        yield
    except _StoppedError as stopped:
        words = kept_words(target)
        typer.echo(f"replyrank: stopped{f'; {words}' if words else ''}", err=True)
        sys.stdout.flush()
        # A thread may wait for a pipe that has nothing to read, and must not keep the process.
        os._exit(_SIGNALLED + stopped.number)
    finally:
        for given, handler in before.items():
            signal.signal(given, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    for one in _SIGNALS:
        signal.signal(one, _leave)
    raise _StoppedError(number)


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(_SIGNALLED + number)
