"""What the runs of a case say: shares, ratios and their spread over the seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.pipeline.policy import FloatArray
from replyrank.pipeline.simulation.orders import OrderName
from replyrank.pipeline.simulation.study import Runs, Variant

_RESAMPLES: Final = 2_000
_TAIL: Final = 0.025
#: a ratio of late answers is told only where first come, first served is late this often
LEAST_LATE: Final = 0.10


@dataclass(frozen=True, slots=True)
class Range:
    """A figure with its 95 % interval over resampled seeds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """One order in one case."""

    order: OrderName
    #: shares, 0 to 1, of those that could have been answered in time
    urgent_late: Range
    critical_late: Range
    #: of the urgent ones, those that are not negative in tone
    calm_late: Range
    requests_late: Range
    #: minutes, means over the seeds
    urgent_wait: float
    urgent_wait_p95: float
    #: harm points, as a multiple of what the true labels allow; None where they were not run
    cost: Range | None
    #: harm points a message
    harm: float
    #: hours, of any message of any seed
    longest_wait: float


@dataclass(frozen=True, slots=True)
class Gain:
    """How many times fewer late answers replyrank gives; None where it cannot be said."""

    urgent_than_fifo: Range | None
    urgent_than_strict: Range | None
    requests_than_fifo: Range | None


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """All orders in one case."""

    scenario: str
    variant: Variant
    #: mean arrivals of a run
    messages: float
    orders: tuple[OrderSummary, ...]
    gain: Gain

    def of(self, order: OrderName) -> OrderSummary:
        """One order; raises ``KeyError`` where it was not run."""
        return {summary.order: summary for summary in self.orders}[order]


def summarise(runs: Runs) -> CaseSummary:
    """The figures of a case; the seeds are resampled together for all orders."""
    seeds = runs.values.shape[1]
    draws = np.random.default_rng(0).integers(0, seeds, (_RESAMPLES, seeds))
    # The first row is the runs as they are.
    drawn = np.concatenate([np.arange(seeds)[None], draws])
    return CaseSummary(
        scenario=runs.case.scenario,
        variant=runs.case.variant,
        messages=runs.messages,
        orders=tuple(_order(runs, name, drawn) for name in runs.case.orders),
        gain=_gain(runs, drawn),
    )


def agents_for_the_same(
    ours: CaseSummary,
    fifo: Sequence[CaseSummary],
    agents: int,
    figure: Callable[[OrderSummary], float],
) -> int | None:
    """How many agents first come, first served needs to do as well.

    Args:
        ours: a scenario as it is stated.
        fifo: the same scenario with more and more agents.
        agents: of the scenario file.
        figure: in which it is to do as well; less is better.

    Returns:
        The smallest number; None if the largest that was tried is not enough.
    """
    wanted = figure(ours.of(OrderName.OURS))
    enough = [
        case.variant.agents
        for case in fifo
        if case.scenario == ours.scenario and figure(case.of(OrderName.FIFO)) <= wanted
    ]
    return agents + min(enough) if enough else None


def _order(runs: Runs, name: OrderName, drawn: np.ndarray) -> OrderSummary:
    def share(what: str) -> Range:
        late, all_of_them = (_pooled(runs, name, f, drawn) for f in (f"{what}_late", what))
        return _range(np.where(all_of_them > 0, late / np.maximum(all_of_them, 1.0), np.nan))

    cost = None
    if OrderName.ORACLE in runs.case.orders:
        least = _pooled(runs, OrderName.ORACLE, "cost", drawn)
        cost = _range(_pooled(runs, name, "cost", drawn) / least)
    return OrderSummary(
        order=name,
        urgent_late=share("urgent"),
        critical_late=share("critical"),
        calm_late=share("calm"),
        requests_late=share("requests"),
        urgent_wait=float(runs.figure(name, "urgent_wait").mean()),
        urgent_wait_p95=float(runs.figure(name, "urgent_wait_p95").mean()),
        cost=cost,
        harm=float(runs.figure(name, "cost").mean()) / runs.messages,
        longest_wait=float(runs.figure(name, "longest_wait").max()),
    )


def _gain(runs: Runs, drawn: np.ndarray) -> Gain:
    return Gain(
        urgent_than_fifo=_fewer(runs, OrderName.FIFO, "urgent", drawn),
        urgent_than_strict=_fewer(runs, OrderName.STRICT, "urgent", drawn),
        requests_than_fifo=_fewer(runs, OrderName.FIFO, "requests", drawn),
    )


def _fewer(runs: Runs, rival: OrderName, what: str, drawn: np.ndarray) -> Range | None:
    if not {rival, OrderName.FIFO, OrderName.OURS} <= {*runs.case.orders}:
        return None
    fifo = runs.figure(OrderName.FIFO, f"{what}_late").sum()
    if fifo < LEAST_LATE * runs.figure(OrderName.FIFO, what).sum():
        return None
    ours = _pooled(runs, OrderName.OURS, f"{what}_late", drawn)
    if not ours[0]:
        return None
    return _range(_pooled(runs, rival, f"{what}_late", drawn) / np.maximum(ours, 1.0))


def _pooled(runs: Runs, name: OrderName, figure: str, drawn: np.ndarray) -> FloatArray:
    """(1 + resamples,) sums of a figure over the seeds of each draw."""
    sums: FloatArray = runs.figure(name, figure)[drawn].sum(axis=1)
    return sums


def _range(values: FloatArray) -> Range:
    # Resamples in which a figure is not defined do not count for it.
    defined = values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(defined, [_TAIL, 1 - _TAIL]) if len(defined) else (np.nan, np.nan)
    return Range(float(values[0]), float(low), float(high))
