"""All scenarios, orders and seeds, side by side: every order meets the same worlds."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, replace
from typing import Final

import numpy as np

from replyrank.pipeline.policy import FloatArray, Policy
from replyrank.pipeline.simulation.engine import serve
from replyrank.pipeline.simulation.orders import OrderName, Orders
from replyrank.pipeline.simulation.outcome import FIGURES, outcome
from replyrank.pipeline.simulation.world import Setting, draw_world

#: agents up to so many times as many are tried for first come, first served
_MOST_AGENTS: Final = 2
#: the orders that a sensitivity shows
_VARIED: Final = (OrderName.FIFO, OrderName.STRICT, OrderName.OURS, OrderName.ORACLE)


@dataclass(frozen=True, slots=True)
class Variant:
    """What is other than in the scenario file."""

    #: more agents, or fewer
    agents: int = 0
    #: whether they are rostered by the usual rhythm of the day
    rostered: bool = True
    #: factor of every target
    targets: float = 1.0
    #: power of the models' probabilities
    sharpness: float = 1.0


AS_STATED: Final = Variant()


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario in a variant, and the orders that meet it."""

    scenario: str
    variant: Variant
    orders: tuple[OrderName, ...]


@dataclass(frozen=True)
class Runs:
    """The outcomes of one case."""

    case: Case
    #: (orders, seeds, figures), figures in the order of ``FIGURES``
    values: FloatArray
    #: mean number of arrivals
    messages: float

    def figure(self, order: OrderName, name: str) -> FloatArray:
        """(seeds,) one figure of one order."""
        row: FloatArray = self.values[self.case.orders.index(order), :, FIGURES.index(name)]
        return row


def main_cases(setting: Setting, orders: Sequence[OrderName]) -> list[Case]:
    """Every scenario as it is stated."""
    return [Case(s.name, AS_STATED, tuple(orders)) for s in setting.scenarios.scenarios]


def sensitivity_cases(setting: Setting) -> list[Case]:
    """One change at a time."""
    asked = setting.scenarios.sensitivity
    variants = [
        *(Variant(agents=change) for change in asked.agents),
        *(Variant(rostered=rostered) for rostered in asked.rosters),
        *(Variant(targets=factor) for factor in asked.targets),
        *(Variant(sharpness=power) for power in asked.sharpness),
    ]
    return [Case(name, variant, _VARIED) for name in asked.scenarios for variant in variants]


def staffing_cases(setting: Setting) -> list[Case]:
    """First come, first served by as many agents and more and more."""
    agents = setting.scenarios.agents
    return [
        Case(scenario.name, Variant(agents=more), (OrderName.FIFO,))
        for scenario in setting.scenarios.scenarios
        for more in range((_MOST_AGENTS - 1) * agents + 1)
    ]


def run_cases(
    setting: Setting,
    policy: Policy,
    cases: Sequence[Case],
    *,
    processes: int = 1,
    on_done: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Runs]:
    """Run every case with every seed; the same arguments give the same numbers.

    Args:
        setting: what worlds are drawn from.
        policy: of the index.
        cases: what is run.
        processes: how many work at the same time.
        on_done: called with how many of how many runs are done.
    """
    seeds = setting.scenarios.seeds
    jobs = [(case, seed) for case in cases for seed in range(seeds)]
    results: list[tuple[FloatArray, int]] = []
    for result in _all_done(setting, policy, jobs, processes):
        results.append(result)
        on_done(len(results), len(jobs))
    found = []
    for place, case in enumerate(cases):
        of_case = results[place * seeds : (place + 1) * seeds]
        values = np.stack([values for values, _ in of_case], axis=1)
        found.append(Runs(case, values, float(np.mean([count for _, count in of_case]))))
    return found


def _all_done(
    setting: Setting, policy: Policy, jobs: Sequence[tuple[Case, int]], processes: int
) -> Iterator[tuple[FloatArray, int]]:
    if processes == 1:
        yield from (run_once(setting, policy, case, seed) for case, seed in jobs)
        return
    # A fork would take the threads' locks of a model that is loaded with it.
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), _begin, (setting, policy)
    ) as pool:
        yield from pool.map(_run, jobs)


def run_once(setting: Setting, policy: Policy, case: Case, seed: int) -> tuple[FloatArray, int]:
    """The outcomes (orders, figures) of one seed, and the number of arrivals."""
    scenarios, variant = setting.scenarios, case.variant
    scenario = scenarios.named(case.scenario)
    world = draw_world(setting, scenario, seed, rostered=variant.rostered)
    world = world.with_targets(variant.targets)
    orders = Orders(world, setting.population, policy, variant.sharpness)
    agents = scenarios.agents + variant.agents
    rows = []
    for name in case.orders:
        begin = serve(world.work, agents, orders.make(name))
        rows.append(astuple(outcome(world, begin, scenarios)))
    return np.array(rows), len(world)


#: what a process works on, set when it begins
_shared: list[tuple[Setting, Policy]] = []


def _begin(setting: Setting, policy: Policy) -> None:
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    # The texts have done their part, the mix is known.
    _shared.append((replace(setting, trace=replace(setting.trace, texts=())), policy))


def _end_with_the_parent() -> None:
    """Leave when the process that gives out the work is gone, killed or not.

    A pool's process would wait for its next job for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(job: tuple[Case, int]) -> tuple[FloatArray, int]:
    setting, policy = _shared[-1]
    return run_once(setting, policy, *job)
