"""Admission, and the thread that computes."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from replyrank.models.scores import ScoreBatch
from replyrank.serving.scoring.engine import (
    CHUNK,
    Batch,
    Engine,
    ExpiredError,
    Lane,
    NoModelError,
    joined,
    take,
)
from replyrank.serving.scoring.gate import Gate, Refusal
from replyrank.serving.scoring.models import Loaded, Models
from tests.fakes import FakeScorer


class SlowScorer(FakeScorer):
    """Waits until it is let go; may fail."""

    def __init__(self, name: str = "slow-1.0", *, fails: bool = False) -> None:
        super().__init__()
        self.name = name
        self.fails = fails
        self.go = threading.Event()
        self.begun = threading.Event()
        self.go.set()

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        self.begun.set()
        assert self.go.wait(10)
        if self.fails:
            message = "the runtime broke"
            raise RuntimeError(message)
        found = super().score_batch(texts)
        return ScoreBatch(found.need, found.p_sentiment, found.language, found.review, self.name)


def models(scorer: SlowScorer | None, spare: SlowScorer | None = None) -> Models:
    found = Models("none", 1)
    found.current = None if scorer is None else Loaded(scorer, "a")
    found.fallback = None if spare is None else Loaded(spare, "b")
    return found


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def gate(clock: Callable[[], float] = time.monotonic) -> Gate:
    return Gate(max_wait=1.0, max_tokens=100, clock=clock)


async def running(of: Models, batches: list[Batch] | None = None) -> Engine:
    engine = Engine(of, gate(), (lambda _: None) if batches is None else batches.append)
    engine.start()
    return engine


def test_a_full_gate_refuses_and_says_when_to_come_again() -> None:
    door = gate()
    door.rate = 100.0
    assert door.enter(90, 10) is None
    assert door.enter(20, 10) is Refusal.FULL
    assert door.enter(9, 10) is None
    door.leave(90)
    assert door.inside == 9
    assert door.retry_after == 1


def test_a_request_that_cannot_be_in_time_is_refused() -> None:
    door = gate()
    door.rate = 100.0
    assert door.enter(50, 10) is None
    assert door.enter(10, 0.3) is Refusal.DEADLINE


def test_an_empty_gate_takes_whatever_comes() -> None:
    door = gate()
    door.rate = 1.0
    assert door.enter(1_000_000, 0.001) is None


def test_the_gate_learns_how_fast_it_goes() -> None:
    clock = Clock()
    door = gate(clock)
    for _ in range(200):
        begun = clock.now
        clock.now += 0.01
        door.measured(1_000, begun)
    assert door.rate == pytest.approx(100_000, rel=0.01)
    door.measured(0, clock.now)
    assert door.rate == pytest.approx(100_000, rel=0.01)
    assert door.tokens(["x" * 4_000, "hi"]) == 112 + 12


def test_what_goes_on_between_batches_counts_and_idle_time_does_not() -> None:
    clock = Clock()
    door = gate(clock)
    for _ in range(200):
        # Computed while the batch before it was still being handed over.
        begun = clock.now - 0.005
        clock.now += 0.02
        door.measured(1_000, begun)
    assert door.rate == pytest.approx(50_000, rel=0.01)
    clock.now += 1_000
    door.measured(1_000, clock.now - 0.02)
    assert door.rate == pytest.approx(50_000, rel=0.01)


def test_a_full_line_that_never_empties_is_kept_short() -> None:
    clock = Clock()
    door = gate(clock)
    door.rate = 100.0
    assert door.enter(60, 10) is None
    clock.now += 0.9
    # A burst: it began less than a second ago.
    assert door.enter(30, 10) is None
    assert door.enter(30, 10) is Refusal.FULL
    assert door.bound == 1.0
    clock.now += 0.2
    door.leave(60)
    assert door.enter(1, 10) is Refusal.FULL
    assert door.bound == 0.25
    door.leave(30)
    assert door.enter(20, 10) is None
    assert door.enter(10, 10) is Refusal.FULL


def test_a_line_that_is_never_full_is_not_cut_short_however_long_it_lasts() -> None:
    clock = Clock()
    door = gate(clock)
    door.rate = 100.0
    assert door.enter(40, 10) is None
    for _ in range(20):
        clock.now += 0.2
        assert door.enter(40, 10) is None
        door.leave(40)
    assert door.bound == 1.0


def flooded(clock: Clock) -> Gate:
    """A gate in a flood, with nine tenths of the bound inside."""
    door = gate(clock)
    door.rate = 100.0
    assert door.enter(90, 10) is None
    clock.now += 0.9
    assert door.enter(20, 10) is Refusal.FULL
    clock.now += 0.2
    assert door.enter(20, 10) is Refusal.FULL
    return door


def test_a_short_line_that_empties_between_batches_stays_short_in_a_flood() -> None:
    clock = Clock()
    door = flooded(clock)
    door.leave(90)
    for _ in range(20):
        # One batch takes all there is; whoever comes meanwhile is refused.
        assert door.enter(20, 10) is None
        clock.now += 0.2
        assert door.enter(20, 10) is Refusal.FULL
        door.leave(20)
    clock.now += 2.1
    assert door.enter(60, 10) is None
    assert door.enter(30, 10) is None
    assert door.bound == 1.0


def test_a_flood_is_over_when_no_more_comes_than_can_be_done_though_it_never_pauses() -> None:
    clock = Clock()
    door = flooded(clock)
    door.leave(75)
    refused = 0
    for _ in range(20):
        clock.now += 0.2
        # Three quarters of what can be done, but more at once than a quarter of a second.
        taken = door.enter(15, 10) is None
        refused += not taken
        door.leave(15 if taken else 0)
    assert 0 < refused < 8
    assert door.bound == 1.0


def test_one_that_is_too_big_for_a_short_line_begins_no_flood() -> None:
    clock = Clock()
    door = gate(clock)
    door.rate = 100.0
    assert door.enter(20, 10) is None
    for _ in range(10):
        clock.now += 0.2
        assert door.enter(20, 10) is None
        door.leave(20)
        assert door.enter(90, 10) is Refusal.FULL
    assert door.bound == 1.0


def test_a_large_request_does_not_shut_small_ones_out() -> None:
    door = gate()
    door.rate = 1_000.0
    assert door.enter(100_000, 200, is_large=True) is None
    assert door.enter(200, 2) is None
    assert door.enter(200, 2) is None
    assert door.enter(200, 2) is Refusal.FULL
    assert door.enter(100_000, 2, is_large=True) is Refusal.DEADLINE
    door.leave(100_000, is_large=True)
    assert (door.small, door.large) == (400, 0)


def test_scores_come_back_to_whom_they_belong() -> None:
    async def go() -> None:
        engine = await running(models(SlowScorer()))
        texts = [[f"text {n} {k}" for k in range(n % 3 + 1)] for n in range(50)]
        found = await asyncio.gather(*(engine.submit(some, Lane.INTERACTIVE) for some in texts))
        alone = FakeScorer()
        for some, scores in zip(texts, found, strict=True):
            assert np.array_equal(scores.need, alone.score_batch(some).need)
        engine.stop()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("waiting", "scored"),
    [
        ([1] * (CHUNK + 5), [1, CHUNK, 5]),
        # Never more than a chunk, even if one more request would be begun with.
        ([CHUNK - 1, CHUNK, 1], [1, CHUNK - 1, CHUNK, 1]),
    ],
)
def test_a_lone_request_does_not_wait_and_those_that_do_are_scored_together(
    waiting: list[int], scored: list[int]
) -> None:
    async def go() -> None:
        scorer, batches = SlowScorer(), list[Batch]()
        engine = await running(models(scorer), batches)
        scorer.go.clear()
        first = engine.submit(["a"], Lane.INTERACTIVE)
        await asyncio.to_thread(scorer.begun.wait, 10)
        others = [engine.submit(["b"] * size, Lane.INTERACTIVE) for size in waiting]
        scorer.go.set()
        await asyncio.gather(first, *others)
        engine.stop()
        assert [batch.texts for batch in batches] == scored

    asyncio.run(go())


def test_a_large_request_lets_small_ones_pass_between_its_chunks() -> None:
    async def go() -> None:
        scorer = SlowScorer()
        engine = await running(models(scorer))
        scorer.go.clear()
        large = engine.submit([f"l{n}" for n in range(4 * CHUNK)], Lane.BULK)
        await asyncio.to_thread(scorer.begun.wait, 10)
        small = engine.submit(["s"], Lane.INTERACTIVE)
        scorer.go.set()
        await small
        scores = await large
        engine.stop()
        assert len(scores) == 4 * CHUNK
        sizes = [len(call) for call in scorer.seen]
        assert sizes[:3] == [CHUNK, 1, CHUNK]

    asyncio.run(go())


def test_what_nobody_waits_for_is_not_computed() -> None:
    async def go() -> None:
        scorer = SlowScorer()
        engine = await running(models(scorer))
        scorer.go.clear()
        first = engine.submit(["a"], Lane.INTERACTIVE)
        await asyncio.to_thread(scorer.begun.wait, 10)
        dropped = engine.submit(["gone"], Lane.INTERACTIVE)
        late = engine.submit(["late"], Lane.BULK, seconds=0.01)
        dropped.cancel()
        await asyncio.sleep(0.05)
        scorer.go.set()
        await first
        with pytest.raises(ExpiredError):
            await late
        await engine.submit(["b"], Lane.INTERACTIVE)
        engine.stop()
        assert scorer.seen == [["a"], ["b"]]

    asyncio.run(go())


def test_no_answer_mixes_two_models() -> None:
    async def go() -> None:
        of, old = models(SlowScorer("old-1.0")), SlowScorer("old-1.0")
        of.current = Loaded(old, "a")
        engine = await running(of)
        old.go.clear()
        large = engine.submit([f"l{n}" for n in range(3 * CHUNK)], Lane.BULK)
        await asyncio.to_thread(old.begun.wait, 10)
        of.current = Loaded(SlowScorer("new-1.0"), "c")
        small = engine.submit(["s"], Lane.INTERACTIVE)
        old.go.set()
        assert (await small).model == "new-1.0"
        assert (await large).model == "old-1.0"
        engine.stop()

    asyncio.run(go())


def test_the_fallback_answers_where_the_model_fails_and_says_so() -> None:
    async def go() -> None:
        engine = await running(models(SlowScorer(fails=True), SlowScorer("spare-1.0")))
        scores = await engine.submit(["a"], Lane.INTERACTIVE)
        assert scores.model == "spare-1.0"
        engine.stop()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("of", "error"),
    [(models(None), NoModelError), (models(SlowScorer(fails=True)), RuntimeError)],
)
@pytest.mark.parametrize("lane", list(Lane))
def test_a_failure_is_told_and_the_thread_goes_on(
    of: Models, error: type[Exception], lane: Lane
) -> None:
    async def go() -> None:
        engine = await running(of)
        with pytest.raises(error):
            await engine.submit(["a"], lane)
        kept, of.current = of.current, Loaded(SlowScorer(), "x")
        assert len(await engine.submit(["b"], lane)) == 1
        of.current = kept
        engine.stop()

    asyncio.run(go())


def test_stopping_leaves_no_thread() -> None:
    async def go() -> None:
        engine = await running(models(SlowScorer()))
        await engine.submit(["a"], Lane.INTERACTIVE)
        engine.stop()

    asyncio.run(go())
    time.sleep(0)
    assert not [thread for thread in threading.enumerate() if thread.name == "scoring"]


def test_parts_join_to_the_whole() -> None:
    scores = FakeScorer().score_batch(["a", "b", "c"])
    parts = [take(scores, 0, 1), take(scores, 1, 3)]
    assert np.array_equal(joined(parts).need, scores.need)
    assert joined(parts).language == scores.language
    assert take(scores, 0, 3) is scores
