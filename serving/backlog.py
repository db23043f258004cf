"""Scoring what was taken in: by the model at once, by the fallback first where many wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import structlog
from sqlalchemy.exc import DBAPIError

from replyrank.data.vocabulary import Review
from replyrank.models.scores import ScoreBatch
from replyrank.serving.metrics import Metrics
from replyrank.serving.queue.items import Said, Standing, Unscored
from replyrank.serving.queue.store import Store
from replyrank.serving.queue.weighing import Weighing
from replyrank.serving.scoring.engine import CHUNK, Engine, Lane, NoModelError
from replyrank.serving.scoring.models import Loaded, Models
from replyrank.serving.stages import Stage, Trace

_LOG: Final = structlog.get_logger("replyrank.backlog")
#: messages that are scored by the fallback together
_MANY: Final = 256
#: seconds that scoring leaves to those who hand very many messages in, after each batch
_POLITE: Final = 0.2
#: seconds after which the model has a turn even then
_TURN: Final = 1.0
_HOUR: Final = 3_600.0

#: runs a function of the database on a thread
Run = Callable[..., Awaitable[Any]]


class Backlog:
    """The messages that no model, or only a lesser one, has scored.

    Args:
        store: that has them.
        models: that are asked.
        engine: on which they compute.
        metrics: is told what they say.
        read: asks the database.
        write: changes it.
        weighing: how items are weighed now.
        on_change: is told of the items that changed.
        is_mine: whether this process is the one that scores.
        trace: is told of each batch.
    """

    def __init__(
        self,
        store: Store,
        models: Models,
        engine: Engine,
        metrics: Metrics,
        *,
        read: Run,
        write: Run,
        weighing: Callable[[], Weighing],
        on_change: Callable[[Sequence[Standing]], None],
        is_mine: Callable[[], bool],
        trace: Trace,
    ) -> None:
        self._store = store
        self._models = models
        self._engine = engine
        self._metrics = metrics
        self._read = read
        self._write = write
        self._weighing = weighing
        self._on_change = on_change
        self._is_mine = is_mine
        self._trace = trace
        self._fresh = asyncio.Event()
        self._came = 0
        self._is_behind = False
        self._last_ingest = 0.0
        self._last_turn = 0.0

    def came(self, count: int) -> None:
        """So many messages were taken in here."""
        self._last_ingest = time.monotonic()
        self.look(count)

    def look(self, count: int = 1) -> None:
        """There may be something to score."""
        self._came += count
        self._fresh.set()

    async def run(self) -> None:
        """Score what came in: by the model at once, by the fallback first where many wait."""
        await self._fresh.wait()
        self._fresh.clear()
        if not self._is_mine():
            return
        try:
            while await self._score_next():
                pass
        except DBAPIError:
            self._fresh.set()
            raise

    async def _score_next(self) -> bool:
        """One batch by the fallback where many are new, and one by the model; whether more wait."""
        fallback, current = self._models.fallback, self._models.current
        many, self._came = self._came > CHUNK, 0
        more = False
        if fallback is not None and (many or self._is_behind or current is None):
            new = partial(self._store.unscored, 0, _MANY, is_new=True)
            some = await self._read(new)
            if some:
                await self._score_some(some, fallback)
            more = len(some) == _MANY
        if fallback is not None and self._is_flooded and not self._is_due:
            # Taking in goes before scoring, and what the fallback says of many before what the
            # model says of a few.
            self._is_behind = True
            await asyncio.sleep(_POLITE)
            return True
        self._is_behind = False
        if current is None:
            # It is tried again when a model is there.
            return more
        some = await self._read(self._store.unscored, 0, CHUNK)
        if some:
            await self._score_some(some, current)
        self._is_behind, self._last_turn = len(some) == CHUNK, time.monotonic()
        if self._is_flooded:
            await asyncio.sleep(_POLITE)
        return more or self._is_behind or self._fresh.is_set()

    @property
    def _is_flooded(self) -> bool:
        """Whether very many are coming in just now."""
        return time.monotonic() - self._last_ingest < _POLITE and self._came > CHUNK

    @property
    def _is_due(self) -> bool:
        """Whether it is the model's turn, however many come in."""
        return time.monotonic() - self._last_turn >= _TURN

    async def _score_some(self, some: Sequence[Unscored], model: Loaded) -> None:
        """Score messages, and let their items stand where that puts them."""
        self._fresh.clear()
        with self._trace(Stage.SCORE) as tell:
            tell((one.item for one in some), model.name)
            said = await self._ask(some, model)
        changed = await self._write(self._store.write_said, said, self._weighing())
        self._on_change(changed)

    async def _ask(self, some: Sequence[Unscored], model: Loaded) -> list[Said]:
        """What a model says of messages; one at which it fails keeps what the fallback says.

        One at which both fail gets the priors, and a person should look.
        """
        texts = [one.text for one in some]
        try:
            scores = await self._engine.submit(texts, Lane.BULK, seconds=_HOUR, model=model)
        except NoModelError:
            raise
        except Exception as error:  # whatever a runtime raises at one text
            if len(some) == 1:
                _LOG.error("message_not_scored", seq=some[0].seq, error=type(error).__name__)
                return [_set_aside(some[0], model)]
            scores = None
        failed = scores is None or scores.model != model.name
        if failed and len(some) > 1:
            parts = [await self._ask([one], model) for one in some]
            return [one for part in parts for one in part]
        assert scores is not None  # noqa: S101  one message that failed was set aside
        self._metrics.scored(scores)
        # By the fallback alone where the model is asked later; not where the model failed.
        provisional = not failed and model is not self._models.current
        return [_said(one, scores, row, provisional) for row, one in enumerate(some)]


def _said(one: Unscored, scores: ScoreBatch, row: int, provisional: bool) -> Said:
    review = scores.review[row]
    return Said(
        seq=one.seq,
        need=scores.need[row].astype(np.float32),
        sentiment=scores.p_sentiment[row].astype(np.float32),
        language=scores.language[row],
        review=None if review is None else review.value,
        model=scores.model,
        provisional=provisional,
    )


def _set_aside(one: Unscored, best: Loaded) -> Said:
    """A message that no model can score: it ranks by the priors, and a person should look."""
    priors = best.scorer.config.priors
    return Said(
        seq=one.seq,
        need=np.asarray(priors.need, dtype=np.float32),
        sentiment=np.asarray(priors.sentiment, dtype=np.float32),
        language=None,
        review=Review.UNREADABLE.value,
        model=best.name,
        provisional=False,
    )
