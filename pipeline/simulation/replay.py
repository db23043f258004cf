"""A whole replay: the orders side by side in every scenario, and what changes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from replyrank.pipeline.policy import FloatArray, Policy
from replyrank.pipeline.simulation.orders import FALLBACK, OrderName
from replyrank.pipeline.simulation.population import Population
from replyrank.pipeline.simulation.study import (
    Case,
    main_cases,
    run_cases,
    sensitivity_cases,
    staffing_cases,
)
from replyrank.pipeline.simulation.summary import CaseSummary, summarise
from replyrank.pipeline.simulation.world import Setting

#: what the shares of the classes may come from
OWN_MIX: Final = "the trace's own mix"
REFERENCE_MIX: Final = "the reference mix"


@dataclass(frozen=True)
class MixReport:
    """Every scenario with classes in certain shares."""

    name: str
    #: (6,)
    shares: FloatArray
    cases: tuple[CaseSummary, ...]


@dataclass(frozen=True)
class Replay:
    """All that was found."""

    setting: Setting
    #: one for each mix; the first is the one that the rest is about
    mixes: tuple[MixReport, ...]
    #: first come, first served with more agents
    staffing: tuple[CaseSummary, ...]
    sensitivity: tuple[CaseSummary, ...]


def replay(
    setting: Setting,
    policy: Policy,
    mixes: Mapping[str, FloatArray],
    *,
    full: bool,
    processes: int = 1,
    on_done: Callable[[int, int], None] = lambda _done, _all: None,
) -> Replay:
    """Run all there is to run; the same arguments give the same figures.

    Args:
        setting: what worlds are drawn from; its mix gives way to those of ``mixes``.
        policy: of the index.
        mixes: shares of the classes by name; not ``full`` takes only the first.
        full: every mix, and what is sensitive to what.
        processes: how many work at the same time.
        on_done: called with how many of how many runs are done.
    """
    orders = possible_orders(setting.population)
    wanted = dict(list(mixes.items())[: None if full else 1])
    settings = [replace(setting, mix=shares) for shares in wanted.values()]
    stated, staffing = main_cases(setting, orders), staffing_cases(setting)
    varied = sensitivity_cases(setting) if full else []
    seeds = setting.scenarios.seeds
    total = seeds * (len(stated) * len(wanted) + len(staffing) + len(varied))
    done = 0

    def summaries(of: Setting, cases: list[Case]) -> tuple[CaseSummary, ...]:
        nonlocal done
        before = done

        def tell(count: int, _all: int) -> None:
            on_done(before + count, total)

        runs = run_cases(of, policy, cases, processes=processes, on_done=tell)
        done = before + len(cases) * seeds
        return tuple(map(summarise, runs))

    reports = tuple(
        MixReport(name, of.mix, summaries(of, stated))
        for name, of in zip(wanted, settings, strict=True)
    )
    return Replay(
        setting=settings[0],
        mixes=reports,
        staffing=summaries(settings[0], staffing),
        sensitivity=summaries(settings[0], varied),
    )


def possible_orders(population: Population) -> tuple[OrderName, ...]:
    """The orders that the population allows, in the order in which they are told."""
    absent: set[OrderName] = set()
    if FALLBACK not in population.posterior:
        absent.add(OrderName.OURS_FALLBACK)
    if population.tiers is None:
        absent |= {OrderName.KEYWORDS, OrderName.RULE_COUNT}
    return tuple(name for name in OrderName if name not in absent)
