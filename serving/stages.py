"""The stages that a message goes through, told to whoever traces them."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Final, Protocol


class Stage(StrEnum):
    """From the first door to the last."""

    INGEST = "ingest"
    SCORE = "score"
    RANK = "rank"
    CLAIM = "claim"
    REPLY = "reply"


class Telling(Protocol):
    """Takes what is to be told of a stage: by number alone, never a text."""

    def __call__(self, items: Iterable[int], model: str | None = None) -> None:
        """Tell.

        Args:
            items: the numbers of the items that went through it.
            model: that was asked.
        """


#: begins a stage; it ends with the context
Trace = Callable[[Stage], AbstractContextManager[Telling]]


def _nothing(items: Iterable[int], model: str | None = None) -> None:
    """What is told where nobody listens."""


_UNTRACED: Final[AbstractContextManager[Telling]] = nullcontext(_nothing)


def untraced(_: Stage) -> AbstractContextManager[Telling]:
    """Where nothing is traced."""
    return _UNTRACED
