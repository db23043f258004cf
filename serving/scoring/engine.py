"""The thread that computes: requests wait here in the order of their coming, and no longer.

A lone request is scored the moment the thread is free: nothing waits for a batch to fill. What
waits meanwhile is scored together. Large requests and the backlog of the queue are cut into chunks
and take turns with the small ones, so that one of them never keeps a single message waiting for
long. What nobody waits for any more is dropped before it is computed.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np

from replyrank.models.scores import ScoreBatch
from replyrank.serving.scoring.gate import Gate
from replyrank.serving.scoring.models import Loaded, Models

#: texts that go through a model at once
CHUNK: Final = 32


class Lane(Enum):
    """Who goes first."""

    INTERACTIVE = 0
    BULK = 1


class NoModelError(RuntimeError):
    """No model is loaded."""


class ExpiredError(RuntimeError):
    """The time in which an answer was wanted is over."""


@dataclass(slots=True, eq=False)
class Job:
    """Texts that somebody waits for."""

    texts: Sequence[str]
    lane: Lane
    future: "asyncio.Future[ScoreBatch]"
    #: by the monotonic clock
    deadline: float
    model: Loaded | None
    done: list[ScoreBatch] = field(default_factory=list)
    at: int = 0

    @property
    def is_dead(self) -> bool:
        """Whether nobody waits any more."""
        return self.future.done()


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that was computed, for the metrics."""

    texts: int
    tokens: int
    #: by the monotonic clock
    begun: float
    seconds: float
    model: str


class Engine:
    """Runs jobs on one thread.

    Args:
        models: what answers.
        gate: is told how fast it goes.
        on_batch: is told of each batch, on the event loop.
    """

    def __init__(
        self, models: Models, gate: Gate, on_batch: Callable[[Batch], None] = lambda _: None
    ) -> None:
        self._models = models
        self._gate = gate
        self._on_batch = on_batch
        self._lanes: tuple[deque[Job], deque[Job]] = (deque(), deque())
        self._wake = threading.Condition()
        self._stopped = False
        self._bulk_turn = False
        #: the one that was computed last; of the thread alone
        self._batch = Batch(0, 0, 0.0, 0.0, "")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="scoring", daemon=True)

    def start(self) -> None:
        """Begin; call on the event loop that will wait for the results."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """End after the batch that runs."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join()

    def submit(
        self,
        texts: Sequence[str],
        lane: Lane,
        *,
        seconds: float = 60.0,
        model: Loaded | None = None,
    ) -> "asyncio.Future[ScoreBatch]":
        """Queue texts; the result comes as a future of the event loop. Cancel it to drop them.

        Args:
            texts: at least one.
            lane: whose turn it is.
            seconds: until nobody wants an answer any more.
            model: that is to answer; None: the best there is. Of a large request alone.
        """
        future: asyncio.Future[ScoreBatch] = asyncio.get_running_loop().create_future()
        job = Job(texts, lane, future, time.monotonic() + seconds, model)
        with self._wake:
            self._lanes[lane.value].append(job)
            self._wake.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._stopped or any(self._lanes)):
                    self._wake.wait()
                if self._stopped:
                    return
                jobs = self._take()
            if jobs:
                self._score(jobs)

    def _take(self) -> list[Job]:
        """The jobs of the next batch: small ones together, or the next chunk of a large one."""
        small, large = self._lanes
        self._drop_dead(small)
        self._drop_dead(large)
        # One chunk of a large job after each batch of small ones: neither starves.
        if large and (self._bulk_turn or not small):
            self._bulk_turn = False
            return [large[0]]
        self._bulk_turn = True
        jobs: list[Job] = []
        texts = 0
        while small and (not jobs or texts + len(small[0].texts) <= CHUNK):
            job = small.popleft()
            if not self._is_dead(job):
                jobs.append(job)
                texts += len(job.texts)
        return jobs

    def _drop_dead(self, lane: deque[Job]) -> None:
        while lane and self._is_dead(lane[0]):
            lane.popleft()

    def _is_dead(self, job: Job) -> bool:
        if job.is_dead:
            return True
        if time.monotonic() > job.deadline:
            self._tell(job.future, ExpiredError())
            return True
        return False

    def _score(self, jobs: list[Job]) -> None:
        # A large job keeps the model that it began with: no answer mixes two.
        model = jobs[0].model or self._models.best()
        if model is None:
            for job in jobs:
                self._finish(job, NoModelError())
            return
        if jobs[0].lane is Lane.BULK:
            (job,) = jobs
            job.model = model
            texts = list(job.texts[job.at : job.at + CHUNK])
        else:
            texts = [text for job in jobs for text in job.texts]
        try:
            scores = self._answer(model, texts, jobs[0] if jobs[0].lane is Lane.BULK else None)
        except Exception as error:  # whatever a runtime raises: the thread must go on
            for job in jobs:
                self._finish(job, error)
            return
        if jobs[0].lane is Lane.BULK:
            self._advance(jobs[0], scores)
            return
        at, settled = 0, list[tuple[asyncio.Future[ScoreBatch], ScoreBatch]]()
        for job in jobs:
            settled.append((job.future, take(scores, at, at + len(job.texts))))
            at += len(job.texts)
        # One call for all: each would wake the loop, which then waits for this thread.
        self._call(self._deliver, settled, self._batch)

    def _answer(self, model: Loaded, texts: list[str], begun: Job | None) -> ScoreBatch:
        """What a model says; where it fails, what the fallback says.

        Args:
            model: that is asked.
            texts: a batch.
            begun: the large job that they are a chunk of.
        """
        start = time.monotonic()
        try:
            scores = model.scorer.score_batch(texts)
        except Exception:
            spare = self._models.fallback
            if spare is None or spare is model:
                raise
            if begun is not None and begun.at:
                # What was done of it by the other model does not count: it begins again.
                begun.at, begun.done, begun.model = 0, [], spare
                texts = list(begun.texts[:CHUNK])
            elif begun is not None:
                begun.model = spare
            model, scores = spare, spare.scorer.score_batch(texts)
        self._batch = Batch(
            len(texts), self._gate.tokens(texts), start, time.monotonic() - start, model.name
        )
        return scores

    def _advance(self, job: Job, scores: ScoreBatch) -> None:
        job.done.append(scores)
        job.at += len(scores)
        self._call(self._deliver, [], self._batch)
        if job.at >= len(job.texts):
            self._finish(job, joined(job.done))

    def _finish(self, job: Job, result: "ScoreBatch | Exception") -> None:
        with self._wake:
            lane = self._lanes[job.lane.value]
            if lane and lane[0] is job:
                lane.popleft()
        self._tell(job.future, result)

    def _deliver(
        self, settled: "list[tuple[asyncio.Future[ScoreBatch], ScoreBatch]]", batch: Batch
    ) -> None:
        """On the event loop: first what is waited for, then what is counted."""
        for future, scores in settled:
            _settle(future, scores)
        self._gate.measured(batch.tokens, batch.begun)
        self._on_batch(batch)

    def _tell(self, future: "asyncio.Future[ScoreBatch]", result: "ScoreBatch | Exception") -> None:
        self._call(_settle, future, result)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)


def _settle(future: "asyncio.Future[ScoreBatch]", result: "ScoreBatch | Exception") -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def take(scores: ScoreBatch, start: int, stop: int) -> ScoreBatch:
    """Some rows of a batch."""
    if start == 0 and stop == len(scores):
        return scores
    return ScoreBatch(
        need=scores.need[start:stop],
        p_sentiment=scores.p_sentiment[start:stop],
        language=scores.language[start:stop],
        review=scores.review[start:stop],
        model=scores.model,
        sentiment_shares=scores.sentiment_shares,
    )


def joined(parts: Sequence[ScoreBatch]) -> ScoreBatch:
    """Batches of one model as one."""
    if len(parts) == 1:
        return parts[0]
    return ScoreBatch(
        need=np.concatenate([part.need for part in parts]),
        p_sentiment=np.concatenate([part.p_sentiment for part in parts]),
        language=tuple(code for part in parts for code in part.language),
        review=tuple(reason for part in parts for reason in part.review),
        model=parts[0].model,
        sentiment_shares=parts[0].sentiment_shares,
    )
