"""Policies side by side on replayed traffic: what the shipped one's numbers were chosen by.

Every policy is the shipped one with some numbers changed. The worlds are those of
``replyrank simulate`` on two of the traces of ``tests.benchmarks.replay``, with seeds that it does
not report.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.corpora import corpora_root
from replyrank.data.readers import ReadOptions
from replyrank.models import load_scorer
from replyrank.models.cpus import available_cpus
from replyrank.models.find import find_artefact
from replyrank.models.held_out import load_held_out
from replyrank.pipeline.markdown import table
from replyrank.pipeline.policy import FloatArray, Policy
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.simulation.mix import trace_mix
from replyrank.pipeline.simulation.orders import MODEL, OrderName
from replyrank.pipeline.simulation.outcome import FIGURES
from replyrank.pipeline.simulation.population import make_population
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.pipeline.simulation.scenarios import load_scenarios
from replyrank.pipeline.simulation.study import AS_STATED, Case, run_once
from replyrank.pipeline.simulation.trace import read_trace
from replyrank.pipeline.simulation.world import Setting
from tests.benchmarks.replay import TRACES, write_trace
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.policies"
_TRACES: Final = ("uk_mobile", "airlines")
_SCENARIOS: Final = ("load 0.9", "load 1.1 for 8 h", "incident")
_SEEDS: Final = range(100, 104)

Changes = dict[str, dict[str, float]]


def _clip(low: float, high: float) -> Changes:
    return {"handling_clip": {"low": low, "high": high}}


def _weights(high: float, critical: float, doublings: float) -> Changes:
    """Weights of the two urgent classes, and how often the harm of support doubles."""
    return {
        "high": {"weight": high},
        "critical": {"weight": critical},
        "support": {"doublings": doublings},
    }


#: what is other than in the shipped policy
_POLICIES: Final[Mapping[str, Changes]] = {
    "shipped": {},
    "weights 10 and 30, support 3 doublings, handling 0.5 to 2": _clip(0.5, 2)
    | _weights(10, 30, 3),
    "the same, handling 1 to 1": _clip(1, 1) | _weights(10, 30, 3),
    "handling 0.5 to 2": _clip(0.5, 2),
    "handling 0.75 to 1.5": _clip(0.75, 1.5),
    "handling 1 to 1": _clip(1, 1),
    "weights 20 and 60": _weights(20, 60, 1),
    "weights 40 and 200": _weights(40, 200, 1),
    "support 3 doublings": _weights(20, 100, 3),
}


def _changed(policy: Policy, changes: Changes) -> Policy:
    content: dict[str, Any] = policy.model_dump(mode="json")
    for name, values in changes.items():
        part = content["classes"][name] if name in content["classes"] else content[name]
        part.update(values)
    return Policy.model_validate(content)


def _totals(setting: Setting, policy: Policy, scenario: str, order: OrderName) -> FloatArray:
    """(figures,) sums over the seeds."""
    case = Case(scenario, AS_STATED, (order,))
    runs = [run_once(setting, policy, case, seed)[0][0] for seed in _SEEDS]
    totals: FloatArray = np.sum(runs, axis=0)
    return totals


def _figures(totals: FloatArray, least: float) -> dict[str, float]:
    of = dict(zip(FIGURES, totals.tolist(), strict=True))
    late = {name: of[f"{name}_late"] / of[name] for name in ("urgent", "critical", "requests")}
    return late | {"cost": of["cost"] / least}


def _setting(name: str, policy: Policy) -> Setting:
    artefact, scenarios = find_artefact(), load_scenarios()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"{name}.csv"
        write_trace(TRACES[name](corpora_root(None)), path)
        trace = read_trace(str(path), ReadOptions(), scenarios, policy)
    mix = trace_mix(trace.texts, load_scorer(threads=available_cpus()))
    assert mix is not None
    population = make_population({MODEL: load_held_out(artefact)}, load_rules())
    return Setting(scenarios, trace, population, mix)


def _cells(figures: Mapping[str, float]) -> tuple[str, ...]:
    shares = (f"{figures[name]:.1%}" for name in ("urgent", "critical", "requests"))
    return (*shares, f"{figures['cost']:.2f}x")


def main() -> None:
    """Replay every policy on every trace and scenario."""
    policy = load_policy()
    blocks, facts = [], {}
    for name in _TRACES:
        setting = _setting(name, policy)
        for scenario in _SCENARIOS:
            print(f"{name}, {scenario}", file=sys.stderr)
            # One measure for all of them: what true labels allow with the shipped numbers.
            least = _totals(setting, policy, scenario, OrderName.ORACLE)[FIGURES.index("cost")]
            found = {
                what: _figures(
                    _totals(setting, _changed(policy, changes), scenario, OrderName.OURS), least
                )
                for what, changes in _POLICIES.items()
            }
            facts[f"{name}, {scenario}"] = found
            head = ("policy", "urgent late", "critical late", "requests late", "cost")
            rows = [(what, *_cells(figures)) for what, figures in found.items()]
            blocks.append(f"## {name}, {scenario}\n\n{table(head, rows)}")
    about = f"Seeds {_SEEDS.start} to {_SEEDS.stop - 1}; the cost is a multiple of what true "
    about += "labels allow with the shipped numbers."
    write("policies", {"found": facts}, "\n\n".join([about, *blocks]), _COMMAND)


if __name__ == "__main__":
    main()
