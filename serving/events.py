"""Changes as they happen, for those who watch: each waits for the next one by itself."""

import asyncio
from typing import Final

_LONGEST: Final = 1.0


class Hub:
    """Wakes whoever watches the events; the events themselves are read from the database.

    So a watcher that is slow holds nothing in memory, and one that lost its connection goes on from
    the last event it has seen. Changes by other processes are found by looking once a second.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closed = False

    def wake(self) -> None:
        """Something changed."""
        task = asyncio.get_running_loop().create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Until something changed, or a second has passed."""
        async with self._changed:
            try:
                async with asyncio.timeout(_LONGEST):
                    await self._changed.wait()
            except TimeoutError:
                return

    def close(self) -> None:
        """Let those who watch go."""
        self.is_closed = True

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
