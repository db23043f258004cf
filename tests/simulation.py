"""A small replay for tests: invented arrivals, posts and a model that is often right."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from replyrank.data.messages import Message
from replyrank.models.held_out import HeldOut
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.simulation.orders import FALLBACK, MODEL
from replyrank.pipeline.simulation.population import Population, make_population
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.pipeline.simulation.scenarios import Scenario, Scenarios, Segment, load_scenarios
from replyrank.pipeline.simulation.trace import Trace, make_trace
from replyrank.pipeline.simulation.world import Setting

POLICY = load_policy()


def held_out(n: int = 600, *, accuracy: float = 0.8, seed: int = 0, key: int = 0) -> HeldOut:
    """n posts of 12 companies, all cells of need among them, and a calibrated model of them."""
    random = np.random.default_rng(seed)
    cell = np.arange(n) % 16
    # Each row says its own cell with the chance that it is right, and some other where it is not.
    said = np.where(random.random(n) < accuracy, cell, random.integers(0, 16, n))
    need = np.full((n, 16), (1 - accuracy) / 16)
    need[np.arange(n), said] += accuracy
    rules = load_rules()
    return HeldOut(
        key=np.arange(key, key + n, dtype=np.uint64),
        company=np.arange(n) // 16 % 12,
        intent=cell // 4,
        urgency=cell % 4,
        sentiment=np.arange(n) % 3,
        need=need,
        p_sentiment=random.dirichlet([1.0] * 3, n),
        rule_hits=random.random((n, len(rules.rules))) < 0.1,
        rules=rules.fingerprint,
    )


def population(n: int = 600, accuracy: float = 0.8) -> Population:
    """A model and a worse one of the same posts."""
    models = {MODEL: held_out(n, accuracy=accuracy), FALLBACK: held_out(n, accuracy=0.5)}
    return make_population(models, load_rules())


def small_scenarios(**changes: Any) -> Scenarios:
    """Two agents, a short overload and an incident, few seeds."""
    shipped = load_scenarios()
    parts = (
        Scenario(name="busy", segments=(Segment(hours=4, load=1.2),)),
        Scenario(name="trouble", segments=(Segment(hours=2, load=1.3, incident=True),)),
    )
    fields: dict[str, Any] = {
        "agents": 2,
        "seeds": 3,
        "scenarios": parts,
        "sensitivity": shipped.sensitivity.model_copy(
            update={"scenarios": ("busy",), "agents": (-1, 1)}
        ),
    }
    return Scenarios.model_validate(shipped.model_copy(update=fields | changes).model_dump())


def steady_trace(n: int = 400, *, minutes: float = 3.0, **message: Any) -> Trace:
    """n messages at random times over days in which noon is busier than midnight."""
    random = np.random.default_rng(1)
    times = np.cumsum(random.exponential(minutes, 3 * n))
    hour = times / 60 % 24
    kept = times[random.random(3 * n) < 0.55 - 0.45 * np.cos(hour / 24 * 2 * np.pi)][:n]
    return trace_at(kept, **message)


def trace_at(minutes: np.ndarray, **message: Any) -> Trace:
    """Messages at these minutes from a midnight on."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    messages = [
        Message(text="a post", created_at=start + timedelta(minutes=float(at)), **message)
        for at in minutes
    ]
    texts = [message.text for message in messages]
    return make_trace("days.csv", messages, texts, load_scenarios(), POLICY)


def small_setting(**changes: Any) -> Setting:
    """All of it."""
    scenarios = small_scenarios(**changes)
    return Setting(scenarios, steady_trace(), population(), scenarios.reference_mix)
