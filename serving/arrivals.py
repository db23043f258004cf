"""What comes in at the same time is taken in by one transaction.

A commit waits for the disk, whether it holds one message or hundreds, and so do those behind it. So
while one transaction runs, what comes in meanwhile gathers, and goes into the next one together
(group commit: DeWitt et al. 1984, SIGMOD, sec. 5.2). A message that comes alone waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Changes, Received

#: messages of one transaction, unless one who hands them in has more
_MOST: Final = 500

#: takes messages of one team in, in one transaction
Take = Callable[[Sequence[Inbound], str | None], Awaitable[Changes]]


@dataclass(frozen=True, slots=True, eq=False)
class _HandedIn:
    """Messages that somebody waits to hear of."""

    messages: Sequence[Inbound]
    team: str | None
    answer: "asyncio.Future[Sequence[Received]]"


class Arrivals:
    """Hands messages on, those of one team that wait together as one; of the event loop alone.

    Args:
        take: is called again when it has returned, never while it runs.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._waiting = deque[_HandedIn]()
        self._working: asyncio.Task[None] | None = None

    async def ingest(self, messages: Sequence[Inbound], team: str | None) -> Sequence[Received]:
        """Take messages in; when this returns they are on the disk.

        Returns:
            what became of each, in their order.
        """
        answer: asyncio.Future[Sequence[Received]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_HandedIn(messages, team, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._take_in(self._next())
        finally:
            self._working = None

    def _next(self) -> list[_HandedIn]:
        """Those who go together: they follow each other, and are of one team."""
        together = [self._waiting.popleft()]
        size = len(together[0].messages)
        while self._waiting and self._waiting[0].team == together[0].team:
            size += len(self._waiting[0].messages)
            if size > _MOST:
                break
            together.append(self._waiting.popleft())
        return together

    async def _take_in(self, together: Sequence[_HandedIn]) -> None:
        messages = [message for one in together for message in one.messages]
        try:
            changes = await self._take(messages, together[0].team)
        except Exception as error:  # whatever it is, those who wait are told
            if len(together) > 1:
                # What is wrong with one of them must not be a fault of the others.
                for one in together:
                    await self._take_in([one])
            elif not together[0].answer.done():
                together[0].answer.set_exception(error)
            return
        received = iter(changes.received)
        for one in together:
            own = _first(received, len(one.messages))
            # Whoever waited may be gone: the messages are kept all the same.
            if not one.answer.done():
                one.answer.set_result(own)


def _first(received: Iterator[Received], count: int) -> Sequence[Received]:
    return list(islice(received, count))
