"""What comes in at the same time is taken in by one transaction.

A commit waits for the disk, whether it holds one message or hundreds, and so do those behind it. So
while one transaction runs, what comes in meanwhile gathers, and goes into the next one together
(group commit: DeWitt et al. 1984, SIGMOD, sec. 5.2). A message that comes alone waits for nobody.
"""

import asyncio
import contextvars
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Changes, Received

#: messages of one transaction, and their letters, unless one who hands them in has more
_MOST: Final = 500
_MOST_LETTERS: Final = 200_000
#: what is wrong with the database, and not with a message: another try would only wait as long
_DOWN: Final = (OperationalError, InterfaceError, PoolTimeoutError)
#: seconds for which a failure tells of the next try
_LATELY: Final = 10.0

#: takes messages of one team in, in one transaction
Take = Callable[[Sequence[Inbound], str | None], Awaitable[Changes]]


@dataclass(frozen=True, slots=True, eq=False)
class _HandedIn:
    """Messages that somebody waits to hear of."""

    messages: Sequence[Inbound]
    team: str | None
    answer: "asyncio.Future[Sequence[Received]]"

    @property
    def letters(self) -> int:
        """Of all texts."""
        return sum(len(one.message.text) for one in self.messages)

    def fail(self, error: Exception) -> None:
        """Tell whoever still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Arrivals:
    """Hands messages on, those of one team that wait together as one; of the event loop alone.

    Args:
        take: is called again when it has returned, never while it runs.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._waiting = deque[_HandedIn]()
        self._working: asyncio.Task[None] | None = None
        self._failed_at = -math.inf

    @property
    def is_failing(self) -> bool:
        """Whether the database refused what came last, a few seconds ago."""
        return time.monotonic() - self._failed_at < _LATELY

    async def ingest(self, messages: Sequence[Inbound], team: str | None) -> Sequence[Received]:
        """Take messages in; when this returns they are on the disk.

        Returns:
            what became of each, in their order.
        """
        answer: asyncio.Future[Sequence[Received]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_HandedIn(messages, team, answer))
        if self._working is None:
            # It works for all, so not in the name of whoever came first.
            self._working = asyncio.create_task(self._work(), context=contextvars.Context())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._take_in(self._next())
        finally:
            self._working = None

    def _next(self) -> list[_HandedIn]:
        """Those who go together: all of the first one's team, as long as they are not too many."""
        together, others = [self._waiting.popleft()], deque[_HandedIn]()
        size, letters = len(together[0].messages), together[0].letters
        is_full = False
        for one in self._waiting:
            is_own = one.team == together[0].team
            size, letters = size + len(one.messages) * is_own, letters + one.letters * is_own
            # Nobody overtakes another of his team.
            is_full = is_full or size > _MOST or letters > _MOST_LETTERS
            (together if is_own and not is_full else others).append(one)
        self._waiting = others
        return together

    async def _take_in(self, together: Sequence[_HandedIn]) -> None:
        messages = [message for one in together for message in one.messages]
        try:
            changes = await self._take(messages, together[0].team)
        except _DOWN as error:
            self._failed_at = time.monotonic()
            for one in together:
                one.fail(error)
            return
        except Exception as error:  # whatever it is, those who wait are told
            if len(together) == 1:
                together[0].fail(error)
                return
            # What is wrong with one of them must not be a fault of the others.
            for one in together:
                await self._take_in([one])
            return
        self._failed_at = -math.inf
        received = iter(changes.received)
        for one in together:
            own = _first(received, len(one.messages))
            # Whoever waited may be gone: the messages are kept all the same.
            if not one.answer.done():
                one.answer.set_result(own)


def _first(received: Iterator[Received], count: int) -> Sequence[Received]:
    return list(islice(received, count))
