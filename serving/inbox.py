"""The inbox: store, order and scoring as one, for the doors to call.

Database work runs on threads of its own, scoring on another; the event loop only passes things on.
A message is on the disk before it is acknowledged, and only then stands in the order: by what the
priors say at once, by the fallback where many came together, by the model when it is its turn.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from replyrank.models.cpus import usable_threads
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.policy_file import load_policy
from replyrank.serving.arrivals import Arrivals
from replyrank.serving.backlog import Backlog
from replyrank.serving.events import Hub
from replyrank.serving.metrics import Metrics
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Changes, Finished, Item, Lease, Received, Standing
from replyrank.serving.queue.mirror import Filter
from replyrank.serving.queue.people import Labelling, correct
from replyrank.serving.queue.ranker import Place, Ranker
from replyrank.serving.queue.schema import EventKind, State
from replyrank.serving.queue.shown import Shown
from replyrank.serving.queue.store import Store
from replyrank.serving.queue.weighing import Weighing, prior_of
from replyrank.serving.scoring.engine import CHUNK, Engine, Lane
from replyrank.serving.scoring.gate import Gate
from replyrank.serving.scoring.models import Models
from replyrank.serving.settings import Settings
from replyrank.serving.stages import Stage, Trace, untraced

Result = TypeVar("Result")

_LOG: Final = structlog.get_logger("replyrank.inbox")
#: items that one transaction weighs anew
_MANY: Final = 256
_POLL: Final = 1_000
#: items of which a claim takes the first that is free
_AT_ONCE: Final = 64
_MINUTE: Final = 60.0
_DAY_MS: Final = 86_400_000
#: events after which there is something to score
_NEW: Final = frozenset(
    {EventKind.CREATED, EventKind.FOLLOW_UP, EventKind.WENT_PUBLIC, EventKind.COPY}
)
#: another try where the database did not answer
_PAUSE: Final = 1.0


class Inbox:
    """One process's share in the queue.

    Args:
        settings: of the service.
        metrics: is told what happens.

    Raises:
        SettingsError: if the policy cannot be used.
        StoreError: if the database cannot.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.policy = load_policy(settings.policy)
        self.database = Database(settings.database)
        self.store = Store(self.database, self.policy)
        self.models = Models(settings.model, usable_threads(settings.threads))
        self.gate = Gate(settings.max_wait, max_tokens=256)
        self.engine = Engine(self.models, self.gate, metrics.computed)
        self.ranker = Ranker(self.policy, prior_of(self.policy, None))
        self.hub = Hub()
        self._shown = Shown()
        #: is told of each stage; set it before the start
        self.trace: Trace = untraced
        metrics.follow(lambda: self.gate.inside)
        self.is_draining = False
        self._writes = ThreadPoolExecutor(self.database.writers, "store")
        self._reads = ThreadPoolExecutor(2, "reads")
        self._tasks: list[asyncio.Task[None]] = []
        self._backlog = Backlog(
            self.store,
            self.models,
            self.engine,
            metrics,
            read=partial(self._run, self._reads),
            write=partial(self._run, self._writes),
            weighing=lambda: self.weighing,
            on_change=self._changed,
            is_mine=lambda: self._leads is not None,
            trace=lambda stage: self.trace(stage),  # noqa: PLW0108  it may be set later
        )
        self._arrivals = Arrivals(self._take_in)
        self._seen_event = 0
        self._leads: Connection | None = None

    @property
    def weighing(self) -> Weighing:
        """By the priors of the model in use."""
        best = self.models.best()
        priors = None if best is None else best.scorer.config.priors.need
        return Weighing(self.policy, priors)

    async def start(self) -> None:
        """Open everything; when this returns the inbox is ready."""
        await self._run(self._writes, self.database.migrate)
        await asyncio.to_thread(self.models.load)
        if self.models.problem is not None:
            _LOG.error("model_not_loaded", problem=self.models.problem)
            self.metrics.swap_failed()
        self.metrics.model(self.models.best())
        self._leads = await self._run(self._writes, self.database.lead)
        await self._weigh_outdated()
        # First the place to read on from, then the items: a change in between is met twice.
        self._seen_event = await self._run(self._reads, self.store.last_event)
        standings = await self._run(self._reads, self.store.standings)
        self.ranker.update(standings, _now())
        self.engine.start()
        self._backlog.look()
        for job in (self._tick, self._backlog.run, self._watch, self._keep_house):
            self._tasks.append(asyncio.create_task(self._forever(job)))

    async def stop(self) -> None:
        """Close everything; what was acknowledged is on the disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.hub.close()
        self.engine.stop()
        if self._leads is not None:
            # Closing would give it back to the pool, and the lock with it.
            await self._run(self._writes, self._leads.invalidate)
        self._writes.shutdown()
        self._reads.shutdown()
        self.database.close()

    def now(self) -> datetime:
        """The time by which the order is computed."""
        return _now()

    async def check_ready(self) -> str | None:
        """Why no request should be sent here; None if they should."""
        if self.is_draining:
            return "draining"
        if any(task.done() for task in self._tasks):
            return "a part of the service ended; start it again"
        if self.models.best() is None:
            return "no model could be loaded; GET /v1/statistics says why"
        try:
            await self._run(self._writes, self.store.check_writable)
            fails = self._arrivals.is_failing
        except DBAPIError:
            fails = True
        return "the database does not take anything now" if fails else None

    def score(self, texts: Sequence[str], seconds: float) -> "asyncio.Future[ScoreBatch]":
        """Scores of texts that are not kept; cancel the future to drop them."""
        lane = Lane.INTERACTIVE if len(texts) <= CHUNK else Lane.BULK
        return self.engine.submit(texts, lane, seconds=seconds)

    async def ingest(self, messages: Sequence[Inbound], team: str | None) -> Sequence[Received]:
        """Take messages in; when this returns they are on the disk and in the order.

        Returns:
            what became of each, in their order.
        """
        with self.trace(Stage.INGEST) as tell:
            received = await self._arrivals.ingest(messages, team)
            tell(one.item for one in received if one.item is not None)
        return received

    async def queue(
        self, wanted: Filter, limit: int, offset: int, agent: str | None
    ) -> tuple[list[tuple[Place, Item]], int, datetime]:
        """A page of the order with its items, how many there are in all, and when that was."""
        now = _now()
        places, total = self.ranker.top(limit, now, wanted, offset=offset, agent=agent)
        found = self._shown.known(places)
        unknown = [one.item for one in places if one.item not in found]
        if unknown:
            self._shown.forget(unknown)
            read = await self._run(self._reads, self.store.items, unknown)
            self._shown.keep(read)
            found |= {one.id: one for one in read}
        return [(one, found[one.item]) for one in places if one.item in found], total, now

    async def claim(
        self, agent: str, wanted: Filter, lease: float, item: int | None = None
    ) -> tuple[Lease, Item] | None:
        """Lease the item to answer next, or one that is named; None if there is none."""
        with self.trace(Stage.CLAIM) as tell:
            found = await self._claim(agent, wanted, lease, item)
            if found is not None:
                tell((found[1].id,))
        return found

    async def _claim(
        self, agent: str, wanted: Filter, lease: float, item: int | None
    ) -> tuple[Lease, Item] | None:
        named, lease_ms = [] if item is None else [item], round(lease * 1_000)
        while candidates := named or self.ranker.next(_now(), wanted, agent=agent):
            some = candidates[:_AT_ONCE]
            found = await self._run(self._writes, self.store.claim, agent, some, lease_ms)
            if found is not None:
                self.ranker.hold(found[1].id, found[1].version)
                self.hub.wake()
                return found
            # Others took them meanwhile: what this process believes of them is old.
            await self._refresh(frozenset(some))
            if named:
                break
        return None

    async def renew(
        self, item: int, generation: int, lease: float, team: str | None
    ) -> Lease | None:
        """Hold an item for longer; None if the lease is lost."""
        found = await self._run(
            self._writes, self.store.renew, item, generation, round(lease * 1_000), team
        )
        self.hub.wake()
        return found

    async def release(self, item: int, generation: int, team: str | None) -> bool:
        """Give an item back; False if the lease is lost."""
        is_done = await self._run(self._writes, self.store.release, item, generation, team)
        await self._refresh({item})
        return is_done

    async def finish(
        self, item: int, generation: int, outcome: State, team: str | None
    ) -> Finished | None:
        """Answer or close an item; None if the lease is lost."""
        with self.trace(Stage.REPLY) as tell:
            done = await self._run(
                self._writes, self.store.finish, item, generation, outcome, self.weighing, team
            )
            tell((item,))
        if done is not None:
            self.ranker.update([], _now(), gone=[item])
            self._shown.forget([item])
            self.hub.wake()
            if done.left_over is not None:
                await self._refresh({done.left_over})
            if outcome is State.ANSWERED:
                self.metrics.answered(done, self.policy)
        return done

    async def correct(self, labelling: Labelling) -> int | None:
        """Keep a person's labels; the item, or None if there is no such message."""
        item = await self._run(self._writes, correct, self.database, labelling, self.weighing)
        if item is not None:
            await self._refresh({item})
        return item

    async def read(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Ask the database on a reading thread."""
        return await self._run(self._reads, function, *arguments)

    async def _run(
        self, where: Executor, function: Callable[..., Result], *arguments: Any
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(where, function, *arguments)

    async def _refresh(self, items: frozenset[int] | set[int]) -> None:
        """Read the standing of items anew, and tell those who watch."""
        standings = await self._run(self._reads, self.store.standings, items)
        gone = items - {one.id for one in standings}
        self.ranker.update(standings, _now(), gone=gone)
        self._shown.forget(items)
        self.hub.wake()

    async def _take_in(self, messages: Sequence[Inbound], team: str | None) -> Changes:
        """One transaction, and what follows from it."""
        changes = await self._run(self._writes, self.store.ingest, messages, team)
        for one, received in zip(messages, changes.received, strict=True):
            self.metrics.ingested(one.channel, received.receipt)
        if changes.standings:
            self._changed(changes.standings)
            self._backlog.came(len(changes.unscored))
        return changes

    def _changed(self, standings: Sequence[Standing]) -> None:
        """Items stand otherwise now."""
        with self.trace(Stage.RANK) as tell:
            self.ranker.update(standings, _now())
            tell(one.id for one in standings)
        self._shown.forget(one.id for one in standings)
        self.hub.wake()

    async def _forever(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do a job again and again; what it fails at is logged, and it goes on."""
        while True:
            try:
                await job()
            except Exception as error:  # whatever it is: a job that ends is never begun again
                _LOG.warning("job_failed", job=job.__name__, error=type(error).__name__)
                await asyncio.sleep(_PAUSE)

    async def _tick(self) -> None:
        await asyncio.sleep(self.settings.tick)
        start = time.perf_counter()
        await self._run(self._reads, self.ranker.tick, _now())
        seconds = time.perf_counter() - start
        self.metrics.ticked(seconds, await self._run(self._reads, self.ranker.waiting, _now()))
        await self._keep_leading()
        if self._leads is not None:
            expired = await self._run(self._writes, self.store.return_expired)
            if expired:
                self.metrics.leases_expired(len(expired))
                await self._refresh(set(expired))
        await self._follow_others()

    async def _keep_leading(self) -> None:
        """Whether this process still does the common work, or can begin to."""
        if self._leads is not None:
            try:
                await self._run(self._writes, self.database.check, self._leads)
            except DBAPIError:
                # The lock went with the connection.
                await self._run(self._writes, self._leads.invalidate)
                self._leads = None
        if self._leads is None:
            self._leads = await self._run(self._writes, self.database.lead)
            if self._leads is not None:
                self._backlog.look()

    async def _follow_others(self) -> None:
        """Take in what other processes changed: on SQLite only commands do."""
        alone = self.database.is_sqlite
        while True:
            events = await self._run(self._reads, self.store.events, self._seen_event, _POLL)
            if events:
                self._seen_event = events[-1].seq
            changed = {one.item for one in events if not alone or one.kind is EventKind.FORGOTTEN}
            if changed:
                await self._refresh(changed)
            if not alone and any(one.kind in _NEW for one in events):
                # They may have come in elsewhere, and this process may be the one that scores.
                self._backlog.look()
            if len(events) < _POLL:
                return

    async def _watch(self) -> None:
        """Swap the model when the champion pointer names another."""
        await asyncio.sleep(self.settings.watch)
        problem = self.models.problem
        if await asyncio.to_thread(self.models.refresh):
            _LOG.info("model_swapped", model=getattr(self.models.best(), "name", None))
            self.metrics.model(self.models.best())
            self._backlog.look()
        elif self.models.problem not in (None, problem):
            _LOG.error("model_not_swapped", problem=self.models.problem)
            self.metrics.swap_failed()

    async def _keep_house(self) -> None:
        """Count what must add up, and remove what is old."""
        self.metrics.counted(await self._run(self._reads, self.store.counts))
        days = self.settings.retention_days
        if not self.database.is_sqlite:
            await self._read_all_anew()
        if self._leads is not None and days:
            before = await self._run(self._reads, self.store.now) - days * _DAY_MS
            # One short transaction after the other: messages come in between.
            while removed := await self._run(self._writes, self.store.prune_some, before):
                _LOG.info("pruned", items=removed)
        await asyncio.sleep(_MINUTE)

    async def _read_all_anew(self) -> None:
        """Put right whatever the mirror of the queue may have missed of other processes."""
        # What comes in while it is read is not in the reading, and stays.
        before = self.ranker.ids()
        standings = await self._run(self._reads, self.store.standings)
        self.ranker.update(standings, _now())
        self.ranker.drop(before - {one.id for one in standings})

    async def _weigh_outdated(self) -> None:
        """Weigh open items anew that were weighed by another policy."""
        if self._leads is None:
            return
        after = 0
        while ids := await self._run(self._writes, self.store.outdated, after, _MANY):
            await self._run(self._writes, self.store.weigh_again, ids, self.weighing)
            after = ids[-1]


def _now() -> datetime:
    return datetime.now(UTC)
