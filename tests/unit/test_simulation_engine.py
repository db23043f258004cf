"""The engine agrees with queueing theory, and with another simulator."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.pipeline.simulation.engine import ClockedOrder, FixedOrder, Workload, serve

FloatArray = np.ndarray


def _poisson(rate: float, mean: float, n: int, seed: int) -> Workload:
    random = np.random.default_rng(seed)
    return Workload(np.cumsum(random.exponential(1 / rate, n)), random.exponential(mean, n))


def _erlang_c(agents: int, offered: float) -> float:
    """Probability that an arrival waits in M/M/c (Erlang 1917)."""
    terms = [offered**k / math.factorial(k) for k in range(agents)]
    last = offered**agents / math.factorial(agents) * agents / (agents - offered)
    return last / (sum(terms) + last)


def test_waits_are_those_of_erlang_c() -> None:
    agents, load = 8, 0.8
    work = _poisson(rate=agents * load, mean=1.0, n=400_000, seed=1)
    wait = serve(work, agents, FixedOrder(np.arange(len(work), dtype=float))) - work.arrival
    expected = _erlang_c(agents, agents * load)
    assert (wait > 1e-9).mean() == pytest.approx(expected, abs=0.02)
    mean = expected / (agents - agents * load)
    assert wait.mean() == pytest.approx(mean, rel=0.06)


def test_waits_of_two_classes_are_those_of_cobham() -> None:
    """Non-preemptive M/M/1 with two classes (Cobham 1954)."""
    rates, mean = np.array([0.3, 0.5]), 1.0
    work = _poisson(rate=rates.sum(), mean=mean, n=400_000, seed=2)
    second = np.random.default_rng(3).random(len(work)) < rates[1] / rates.sum()
    begin = serve(work, 1, FixedOrder(second.astype(float)))
    wait = begin - work.arrival
    residual = rates.sum() * mean**2
    sigma = np.cumsum(rates * mean)
    expected = [residual / (1 - sigma[0]), residual / ((1 - sigma[0]) * (1 - sigma[1]))]
    assert wait[~second].mean() == pytest.approx(expected[0], rel=0.04)
    assert wait[second].mean() == pytest.approx(expected[1], rel=0.06)


def test_begins_are_those_of_simpy() -> None:
    simpy = pytest.importorskip("simpy", reason="an oracle of the tests (extra dev)")
    random = np.random.default_rng(4)
    work = Workload(np.cumsum(random.exponential(0.4, 500)), random.lognormal(0.8, 0.6, 500))
    key = random.integers(0, 4, 500).astype(float)
    begin = np.zeros(500)
    world = simpy.Environment()
    desk = simpy.PriorityResource(world, capacity=5)

    def message(row: int) -> Iterator[Any]:
        yield world.timeout(work.arrival[row])
        with desk.request(priority=(key[row], row)) as turn:
            yield turn
            begin[row] = world.now
            yield world.timeout(work.handling[row])

    for row in range(500):
        world.process(message(row))
    world.run()
    assert np.abs(begin - serve(work, 5, FixedOrder(key))).max() < 1e-9


minutes = st.floats(0, 50)
cases = st.lists(st.tuples(minutes, minutes, st.floats(0, 5)), min_size=1, max_size=30)


@given(cases, st.integers(1, 4))
def test_nobody_idles_while_a_message_waits_and_all_are_handled(
    case: list[tuple[float, float, float]], agents: int
) -> None:
    arrival = np.sort([gap for gap, _, _ in case])
    handling = np.array([time for _, time, _ in case])
    value = np.array([worth for *_, worth in case])
    work = Workload(arrival, handling)

    def now_worth(rows: np.ndarray, now: float) -> FloatArray:
        worth: FloatArray = value[rows] + 0.1 * (now - arrival[rows])
        return worth

    for order in (FixedOrder(-value), ClockedOrder(now_worth)):
        begin = serve(work, agents, order)
        assert (begin >= arrival - 1e-9).all()
        for row, start in enumerate(begin):
            busy = ((begin < start) & (begin + handling > start)).sum()
            assert busy + 1 <= agents or handling[row] == 0 or (begin == start).sum() > 1
            if start > arrival[row] + 1e-9:
                # It waited, so somebody became free at the very moment it began.
                assert np.isclose(begin + handling, start).any()


def test_a_clocked_order_takes_the_largest_value_of_the_moment() -> None:
    slope = np.array([0.0, 1.0, 0.1])
    order = ClockedOrder(lambda rows, now: 5.0 * (rows == 0) + slope[rows] * now)
    for row in range(3):
        order.add(row)
    assert [order.take(1.0), order.take(10.0), order.take(10.0)] == [0, 1, 2]


def test_every_so_many_takes_the_oldest_that_has_lost_patience_is_next() -> None:
    order = ClockedOrder(
        lambda rows, _now: rows.astype(float), oldest=2, patience=lambda _row, now: now > 5
    )
    for row in range(600):
        order.add(row)
    taken = [order.take(minute) for minute in (1.0, 2.0, 6.0, 7.0, 8.0, 9.0)]
    assert taken == [599, 598, 597, 0, 596, 1]
    assert len(order) == 594


@pytest.mark.parametrize(
    ("arrival", "handling"), [([1.0, 0.0], [1.0, 1.0]), ([0.0], [-1.0]), ([0.0], [1.0, 2.0])]
)
def test_an_impossible_workload_is_refused(arrival: list[float], handling: list[float]) -> None:
    with pytest.raises(ValueError, match=r"differ|must not fall"):
        Workload(np.array(arrival), np.array(handling))
