"""Batches of equal length in tokens: each goes to the graph as soon as it is full.

The graph works while texts that come later are still being cleaned and tokenised, and no batch
ever needs padding.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS

IntArray = npt.NDArray[np.signedinteger[Any]]
FloatArray = npt.NDArray[np.float32]

#: full batches that may wait for each thread: whoever fills them waits when there are more
_MOST_WAITING: Final = 32


class Logits(NamedTuple):
    """What a model says before calibration."""

    #: (n, 16)
    need: FloatArray
    #: (n, 3)
    sentiment: FloatArray


class EqualLengthBatches:
    """Takes rows of token ids as they come and gives the logits of all, in that order.

    Args:
        run: (rows, length) token ids to their logits; called from ``threads`` threads.
        rows: the most rows of one batch.
        tokens: the most tokens of one batch; a longer row goes alone.
        threads: batches that run at the same time; with one they run in the caller's thread.
        id_type: of the token ids.
    """

    def __init__(
        self,
        run: Callable[[IntArray], Logits],
        *,
        rows: int,
        tokens: int,
        threads: int,
        id_type: type[np.signedinteger[Any]],
    ) -> None:
        self._run = run
        self._rows = rows
        self._tokens = tokens
        self._threads = threads
        self._id_type = id_type
        self._pool: ThreadPoolExecutor | None = None
        #: length in tokens -> rows of that length that no batch has yet, by their number
        self._groups = defaultdict[int, dict[int, Sequence[int]]](dict)
        self._running = deque[tuple[list[int], Future[Logits]]]()
        self._done: list[tuple[list[int], Logits]] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, ids: Sequence[Sequence[int]]) -> None:
        """Take the next rows; what is full is run."""
        for sequence in ids:
            group = self._groups[len(sequence)]
            group[self._count] = sequence
            self._count += 1
            if len(group) >= min(self._rows, self._tokens // max(len(sequence), 1)):
                self._send(self._groups.pop(len(sequence)), alone=False)

    def finish(self) -> Logits:
        """Run what is left, and give the logits of all rows, in the order in which they came."""
        alone = len(self._groups) == 1 and not self._running
        # The longest first: the threads then end at about the same time.
        for _, group in sorted(self._groups.items(), reverse=True):
            self._send(group, alone=alone)
        self._groups.clear()
        while self._running:
            self._take()
        need = np.empty((self._count, NEED_CELLS), dtype=np.float32)
        sentiment = np.empty((self._count, len(SENTIMENT_LABELS)), dtype=np.float32)
        for rows, logits in self._done:
            need[rows], sentiment[rows] = logits
        return Logits(need, sentiment)

    def _send(self, group: dict[int, Sequence[int]], *, alone: bool) -> None:
        rows, ids = list(group), np.array(list(group.values()), dtype=self._id_type)
        if alone or self._threads == 1:
            self._done.append((rows, self._run(ids)))
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="batches")
        while len(self._running) >= _MOST_WAITING * self._threads:
            self._take()
        self._running.append((rows, self._pool.submit(self._run, ids)))

    def _take(self) -> None:
        # Asking for the result is what raises an error of a thread here.
        rows, future = self._running.popleft()
        self._done.append((rows, future.result()))
