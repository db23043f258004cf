"""Which model is asked of what came in, and when."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")
pytest.importorskip("prometheus_client", reason="the service counts (extra serve)")

from replyrank.models.scores import ScoreBatch
from replyrank.serving import backlog as backlog_module
from replyrank.serving.backlog import Backlog
from replyrank.serving.metrics import Metrics
from replyrank.serving.queue.items import Said, Standing, Unscored
from replyrank.serving.queue.store import Store
from replyrank.serving.queue.weighing import Weighing
from replyrank.serving.scoring.engine import CHUNK, Engine
from replyrank.serving.scoring.models import Loaded, Models
from replyrank.serving.stages import untraced
from tests.fakes import FakeScorer


class Named(FakeScorer):
    """A scorer that goes by a name of its own."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    @property
    def config(self) -> Any:
        return super().config.model_copy(update={"name": self._name})

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        found = super().score_batch(texts)
        return ScoreBatch(found.need, found.p_sentiment, found.language, found.review, self._name)


class Waiting:
    """Messages that wait, and the doubles of what a backlog is made of."""

    def __init__(self, *, fallback: bool = True) -> None:
        self.new: dict[int, Unscored] = {}
        self.provisional: dict[int, Unscored] = {}
        self.asked: list[str] = []
        self.models = Models("none", 1)
        self.models.current = Loaded(Named("large-1.0"), "a")
        self.models.fallback = Loaded(Named("small-1.0"), "b") if fallback else None
        #: is called after each batch
        self.after: Callable[[], None] = lambda: None
        self.backlog = Backlog(
            cast("Store", self),
            self.models,
            cast("Engine", self),
            cast("Metrics", self),
            read=self.run,
            write=self.run,
            weighing=lambda: cast("Weighing", None),
            on_change=lambda _: self.after(),
            is_mine=lambda: True,
            trace=untraced,
        )

    def come(self, count: int) -> None:
        """So many come in."""
        for number in range(count):
            seq = len(self.new) + len(self.provisional) + number + 10_000 * len(self.asked)
            self.new[seq] = Unscored(seq, seq, f"text {seq}")
        self.backlog.came(count)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        await asyncio.sleep(0)
        return function(*arguments)

    def unscored(self, after: int, limit: int, *, is_new: bool = False) -> list[Unscored]:
        of = self.new if is_new else self.new | self.provisional
        return [one for seq, one in sorted(of.items()) if seq > after or not after][:limit]

    def write_said(self, said: Sequence[Said], _: Weighing) -> list[Standing]:
        for one in said:
            waiting = self.new.pop(one.seq, None) or self.provisional.pop(one.seq)
            if one.provisional:
                self.provisional[one.seq] = waiting
        return []

    def submit(
        self, texts: Sequence[str], _: object, *, seconds: float, model: Loaded
    ) -> "asyncio.Future[ScoreBatch]":
        assert seconds > 0
        self.asked.append(model.name)
        future: asyncio.Future[ScoreBatch] = asyncio.get_running_loop().create_future()
        future.set_result(model.scorer.score_batch(texts))
        return future

    def scored(self, _: ScoreBatch) -> None:
        """What metrics are told."""


def test_few_are_scored_by_the_model_alone() -> None:
    waiting = Waiting()
    waiting.come(3)
    asyncio.run(waiting.backlog.run())
    assert waiting.asked == ["large-1.0"]
    assert not waiting.new
    assert not waiting.provisional


def test_of_many_the_fallback_says_something_first() -> None:
    waiting = Waiting()
    waiting.come(CHUNK * 3)
    asyncio.run(waiting.backlog.run())
    assert waiting.asked == ["small-1.0", *["large-1.0"] * 3]
    assert not waiting.provisional


def _flood(waiting: Waiting, batches: int) -> None:
    """While so many batches are scored, as many messages come in again each time."""

    def more() -> None:
        if len(waiting.asked) < batches:
            waiting.come(CHUNK * 2)

    waiting.after = more
    waiting.come(CHUNK * 2)
    asyncio.run(waiting.backlog.run())


def test_in_a_flood_the_model_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "_POLITE", 0.05)
    waiting = Waiting()
    waiting.come(1)
    asyncio.run(waiting.backlog.run())  # its turn was just now
    _flood(waiting, batches := 8)
    assert waiting.asked[1:batches] == ["small-1.0"] * (batches - 1)
    # In the end nothing is left to it.
    assert waiting.asked[-1] == "large-1.0"
    assert not waiting.new
    assert not waiting.provisional


def test_the_model_has_its_turn_however_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "_POLITE", 0.05)
    monkeypatch.setattr(backlog_module, "_TURN", 0.0)
    waiting = Waiting()
    _flood(waiting, 8)
    assert waiting.asked[:8:2] == ["small-1.0"] * 4
    assert waiting.asked[1:8:2] == ["large-1.0"] * 4


def test_without_a_fallback_the_model_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "_POLITE", 0.05)
    waiting = Waiting(fallback=False)
    _flood(waiting, 8)
    assert {*waiting.asked} == {"large-1.0"}
    assert not waiting.new
