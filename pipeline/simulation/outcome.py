"""What an order did to the people who waited: late answers, waits and cost."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from replyrank.pipeline.classes import ASKING_CLASSES, POLICY_CLASSES, URGENT_CLASSES, PolicyClass
from replyrank.pipeline.policy import BoolArray, FloatArray
from replyrank.pipeline.simulation.scenarios import Scenarios
from replyrank.pipeline.simulation.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """Sums over one run; a late answer that nobody could have given in time does not count."""

    #: messages of levels high and critical, and how many of them were answered late
    urgent: float
    urgent_late: float
    critical: float
    critical_late: float
    #: urgent ones that are not negative in tone
    calm: float
    calm_late: float
    #: all that ask for something: critical, high and support
    requests: float
    requests_late: float
    #: mean and 95th percentile of minutes that urgent messages waited
    urgent_wait: float
    urgent_wait_p95: float
    #: harm points
    cost: float
    #: the longest wait of any message, in hours
    longest_wait: float


#: names of the figures of an outcome, in their order
FIGURES: Final = tuple(field.name for field in fields(Outcome))


def outcome(world: World, begin: FloatArray, scenarios: Scenarios) -> Outcome:
    """Judge one run by the true classes.

    Args:
        world: the arrivals.
        begin: (n,) minutes at which handling began.
        scenarios: targets, weights and cost.
    """
    arrival, handling = world.work.arrival, world.work.handling
    table = scenarios.classes
    channel = world.channel_target * table.column("target")[world.true]
    target = np.minimum(channel, table.target_caps[world.true])
    wait, response = begin - arrival, begin + handling - arrival
    avoidable, late = handling <= target, response > target
    urgent = _is_of(world, URGENT_CLASSES)
    critical = _is_of(world, (PolicyClass.CRITICAL,))
    asking = _is_of(world, ASKING_CLASSES)
    waits = wait[urgent] if urgent.any() else np.zeros(1)
    weight = table.column("weight")[world.true] * np.where(asking, world.reach, 1.0)
    cost = weight * target * accumulated_cost(response / target, scenarios)
    return Outcome(
        urgent=float((urgent & avoidable).sum()),
        urgent_late=float((urgent & avoidable & late).sum()),
        critical=float((critical & avoidable).sum()),
        critical_late=float((critical & avoidable & late).sum()),
        calm=float((urgent & world.calm & avoidable).sum()),
        calm_late=float((urgent & world.calm & avoidable & late).sum()),
        requests=float((asking & avoidable).sum()),
        requests_late=float((asking & avoidable & late).sum()),
        urgent_wait=float(waits.mean()),
        urgent_wait_p95=float(np.quantile(waits, 0.95)),
        cost=float(cost.sum()),
        longest_wait=float(wait.max()) / 60,
    )


def accumulated_cost(ratio: FloatArray, scenarios: Scenarios) -> FloatArray:
    """Cost of an answer after ``ratio`` targets, for weight 1 and target 1.

    The integral of min(a + (1 - a) u, m) from 0 to ratio, where a is the cost of the first
    minute, 1 that at the target and m the most.
    """
    first, most = scenarios.cost.on_arrival, scenarios.cost.at_most
    if first == 1:
        return ratio
    bend = (most - first) / (1 - first)
    rising = np.minimum(ratio, bend)
    flat = np.maximum(ratio - bend, 0.0)
    total: FloatArray = first * rising + (1 - first) / 2 * rising**2 + most * flat
    return total


def _is_of(world: World, names: tuple[PolicyClass, ...]) -> BoolArray:
    return np.isin(world.true, [POLICY_CLASSES.index(name) for name in names])
