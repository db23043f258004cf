"""A short replay of the sample trace, by which models are compared."""

from collections.abc import Sequence
from typing import Final

from replyrank.data.readers import ReadOptions
from replyrank.data.samples.load import sample_path
from replyrank.models.held_out import HeldOut
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.simulation.orders import MODEL, OrderName
from replyrank.pipeline.simulation.population import make_population
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.pipeline.simulation.scenarios import load_scenarios
from replyrank.pipeline.simulation.study import Runs, main_cases, run_cases
from replyrank.pipeline.simulation.trace import read_trace
from replyrank.pipeline.simulation.world import Setting

#: enough to compare two models that meet the same worlds; what is published takes more
_SEEDS: Final = 3


def replay_sample(posts: HeldOut, orders: Sequence[OrderName]) -> list[Runs]:
    """Every scenario on the sample trace, its messages standing for posts in the reference mix.

    Args:
        posts: give the labels, and what the model says.
        orders: what is compared.

    Raises:
        SimulationError: if the posts are too few.
    """
    policy = load_policy()
    scenarios = load_scenarios().model_copy(update={"seeds": _SEEDS})
    population = make_population({MODEL: posts}, load_rules())
    with sample_path("trace.csv") as sample:
        trace = read_trace(sample, ReadOptions(), scenarios, policy)
    setting = Setting(scenarios, trace, population, scenarios.reference_mix)
    return run_cases(setting, policy, main_cases(setting, orders))
