"""Worlds, orders and outcomes of a replay."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from replyrank.pipeline.classes import POLICY_CLASSES, PolicyClass
from replyrank.pipeline.errors import SettingsError, SimulationError
from replyrank.pipeline.simulation.engine import Workload, serve
from replyrank.pipeline.simulation.orders import FALLBACK, MODEL, OrderName, Orders
from replyrank.pipeline.simulation.outcome import accumulated_cost, outcome
from replyrank.pipeline.simulation.population import Draw, Population, make_population
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.pipeline.simulation.scenarios import Scenarios, load_scenarios
from replyrank.pipeline.simulation.world import World, draw_world
from tests.simulation import POLICY, held_out, population, small_scenarios, small_setting

SCENARIOS = load_scenarios()


def _class(name: PolicyClass) -> int:
    return POLICY_CLASSES.index(name)


def _world(true: list[PolicyClass], post: list[int] | None = None, gap: float = 0.0) -> World:
    n = len(true)
    return World(
        work=Workload(gap * np.arange(n, dtype=np.float64), np.ones(n)),
        true=np.array([_class(name) for name in true]),
        post=np.arange(n) if post is None else np.array(post),
        channel_target=np.full(n, 60.0),
        reach=np.ones(n),
        calm=np.arange(n) % 2 == 0,
    )


# Scenarios


def test_arrivals_make_the_load() -> None:
    setting = small_setting()
    for scenario in setting.scenarios.scenarios:
        segment = scenario.segments[0]
        loads = []
        for seed in range(20):
            world = draw_world(setting, scenario, seed)
            loads.append(world.work.handling.sum() / (2 * segment.hours * 60))
        assert np.mean(loads) == pytest.approx(segment.load, rel=0.08)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("agents: 0", "agents is 0"),
        ("classes: {critical: {share: 0.5}}", "the shares of the classes sum to 1.4900"),
        ("incident: {mix: {praise: 1}}", "the shares of a mix sum to"),
        ("sensitivity: {scenarios: [nowhere]}", "sensitivity names nowhere; the scenarios are"),
        ("sensitivity: {agents: [-8]}", "takes 8 of 8 agents away; leave one"),
        ("agent: 3", "did you mean agents"),
        ("scenarios: [{name: a, segments: [{hours: 1, load: 0}]}]", "load is 0"),
    ],
)
def test_a_scenario_file_that_cannot_be_is_refused(
    change: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(change, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_scenarios(path)
    assert reason in str(caught.value)


def test_two_scenarios_of_one_name_are_refused() -> None:
    values = SCENARIOS.model_dump()
    values["scenarios"] = [values["scenarios"][0]] * 2
    with pytest.raises(ValidationError, match="two scenarios have one name"):
        Scenarios.model_validate(values)


# Worlds


def test_a_seed_gives_one_world_and_another_seed_another() -> None:
    setting = small_setting()
    scenario = setting.scenarios.scenarios[0]
    one, same, other = (draw_world(setting, scenario, seed) for seed in (1, 1, 2))
    assert one.work.arrival.tolist() == same.work.arrival.tolist()
    assert one.post.tolist() == same.post.tolist()
    assert one.post.tolist() != other.post.tolist()


def test_posts_have_the_classes_that_were_drawn_in_the_shares_of_the_mix() -> None:
    setting = small_setting()
    worlds = [draw_world(setting, setting.scenarios.scenarios[0], seed) for seed in range(30)]
    for world in worlds:
        assert (setting.population.true[world.post] == world.true).all()
    true = np.concatenate([world.true for world in worlds])
    assert np.bincount(true, minlength=6) / len(true) == pytest.approx(setting.mix, abs=0.02)


def test_an_incident_is_of_its_own_mix_and_of_one_company() -> None:
    scenarios = small_scenarios()
    sure = scenarios.model_copy(
        update={"incident": scenarios.incident.model_copy(update={"share": 1.0})}
    )
    setting = replace(small_setting(), scenarios=sure)
    true, companies = [], []
    for seed in range(12):
        world = draw_world(setting, sure.named("trouble"), seed)
        true += world.true.tolist()
        companies.append(set(setting.population.company[world.post].tolist()))
    assert np.bincount(true, minlength=6) / len(true) == pytest.approx(
        sure.incident.mix.shares, abs=0.03
    )
    assert {len(those) for those in companies} == {1}
    assert len(set.union(*companies)) > 3


def test_longer_targets_change_nothing_else() -> None:
    setting = small_setting()
    world = draw_world(setting, setting.scenarios.scenarios[0], 0)
    longer = world.with_targets(2)
    assert (longer.channel_target == 2 * world.channel_target).all()
    assert longer.work is world.work


# Posts


def test_posts_are_joined_by_their_keys() -> None:
    one, other = held_out(400), held_out(400, accuracy=0.3, seed=5, key=100)
    joined = make_population({MODEL: one, FALLBACK: other}, load_rules())
    assert len(joined) == 300
    assert joined.posterior[MODEL][:, 0] == pytest.approx(one.need[100:, 3::4].sum(axis=1))
    assert joined.posterior[FALLBACK][:, 0] == pytest.approx(other.need[:300, 3::4].sum(axis=1))


def test_models_of_other_posts_are_refused() -> None:
    with pytest.raises(SimulationError, match="0 held-out posts are shared by model, fallback"):
        make_population({MODEL: held_out(50), FALLBACK: held_out(50, key=1000)}, load_rules())


def test_posts_that_other_rules_were_matched_with_have_no_tiers() -> None:
    found = make_population({MODEL: replace(held_out(), rules="others")}, load_rules())
    assert found.tiers is None
    assert found.points is None


def test_companies_are_drawn_so_that_seeds_differ_in_them() -> None:
    posts = population()
    wanted = np.zeros(5_000, dtype=np.int64)
    seen = [
        set(posts.company[Draw(posts, np.random.default_rng(seed)).posts(wanted)].tolist())
        for seed in range(8)
    ]
    assert all(len(those) < posts.companies for those in seen)
    assert len({frozenset(those) for those in seen}) > 4


def test_posts_of_no_company_are_groups_of_their_own() -> None:
    alone = replace(held_out(64), company=np.full(64, -1))
    assert make_population({MODEL: alone}, load_rules()).companies == 64


# Orders


def _order_of(name: OrderName, world: World, posts: Population) -> list[int]:
    """Rows as one agent takes them who finds them all waiting."""
    return _taken(Orders(world, posts, POLICY), name, world)


def test_orders_by_hand() -> None:
    posts = population(n=96, accuracy=1 - 1e-9)
    rng = np.random.default_rng(0)
    rows = rng.permutation(96)[:40].tolist()
    world = replace(_world([PolicyClass.CHATTER] * 40, rows), true=posts.true[np.array(rows)])
    assert _order_of(OrderName.FIFO, world, posts) == list(range(40))
    assert _order_of(OrderName.LIFO, world, posts) == list(range(40))[::-1]
    gloom = posts.gloom[world.post]
    assert _order_of(OrderName.SENTIMENT, world, posts) == np.argsort(-gloom).tolist()
    strict = _order_of(OrderName.STRICT, world, posts)
    assert strict == np.argsort(world.true, kind="stable").tolist()
    assert posts.tiers is not None
    assert posts.points is not None
    tiers = posts.tiers[world.post]
    assert _order_of(OrderName.KEYWORDS, world, posts) == np.argsort(tiers, kind="stable").tolist()
    points = posts.points[world.post]
    assert (
        _order_of(OrderName.RULE_COUNT, world, posts) == np.argsort(-points, kind="stable").tolist()
    )
    deadline = _order_of(OrderName.EDF, world, posts)
    assert deadline == np.argsort(world.true, kind="stable").tolist()


def test_true_labels_take_the_urgent_first_and_a_sure_model_does_the_same() -> None:
    posts = population(n=960, accuracy=1 - 1e-9)
    world = replace(_world([PolicyClass.CHATTER] * 60, list(range(60))), true=posts.true[:60])
    urgent = (world.true <= 1).sum()
    for name in (OrderName.ORACLE, OrderName.OURS):
        first = _order_of(name, world, posts)[:urgent]
        assert (world.true[first] <= 1).all()


def test_a_worse_model_orders_worse() -> None:
    setting = small_setting()
    world = draw_world(setting, setting.scenarios.scenarios[0], 0)
    cost = {}
    for name in (OrderName.ORACLE, OrderName.OURS, OrderName.OURS_FALLBACK, OrderName.FIFO):
        order = Orders(world, setting.population, POLICY).make(name)
        cost[name] = outcome(world, serve(world.work, 2, order), SCENARIOS).cost
    assert list(cost.values()) == sorted(cost.values())


def test_sharper_probabilities_keep_the_likeliest_class() -> None:
    posts = population()
    world = _world([PolicyClass.CHATTER] * 50)
    plain, sharp = (Orders(world, posts, POLICY, power) for power in (1.0, 3.0))
    assert _taken(plain, OrderName.STRICT, world) == _taken(sharp, OrderName.STRICT, world)


def _taken(orders: Orders, name: OrderName, world: World) -> list[int]:
    rows: list[int] = np.argsort(serve(world.work, 1, orders.make(name))).tolist()
    return rows


# Outcomes


def test_an_outcome_by_hand() -> None:
    """One agent, one minute each; targets 7.5 and 15 minutes for urgent ones, 60 for support."""
    names = [PolicyClass.CRITICAL, PolicyClass.HIGH, PolicyClass.SUPPORT, PolicyClass.CHATTER]
    world = _world(names)
    found = outcome(world, np.array([7.0, 13.0, 59.5, 600.0]), SCENARIOS)
    assert (found.urgent, found.urgent_late) == (2, 1)
    assert (found.critical, found.critical_late) == (1, 1)
    assert (found.requests, found.requests_late) == (3, 2)
    # The first is calm, the second is not.
    assert (found.calm, found.calm_late) == (1, 1)
    assert found.urgent_wait == pytest.approx(10)
    assert found.longest_wait == pytest.approx(10)
    expected = sum(
        weight * target * float(accumulated_cost(np.array([after / target]), SCENARIOS)[0])
        for weight, target, after in (
            (30, 7.5, 8), (10, 15, 14), (3, 60, 60.5), (0.05, 960, 601),
        )
    )  # fmt: skip
    assert found.cost == pytest.approx(expected)


def test_what_nobody_could_answer_in_time_is_not_late() -> None:
    world = _world([PolicyClass.CRITICAL, PolicyClass.CRITICAL])
    long = replace(world, work=Workload(world.work.arrival, np.array([7.6, 1.0])))
    found = outcome(long, np.array([0.0, 7.6]), SCENARIOS)
    assert (found.critical, found.critical_late) == (1, 1)


def test_cost_is_the_integral_of_what_a_minute_costs() -> None:
    ratios = np.array([0.0, 0.5, 1.0, 3.0, 6.0])
    for ratio, cost in zip(ratios, accumulated_cost(ratios, SCENARIOS), strict=True):
        at = np.linspace(0, ratio, 200_001)
        a_minute = np.minimum(0.3 + 0.7 * at, 3)
        assert cost == pytest.approx(np.trapezoid(a_minute, at), abs=1e-6)


def test_a_cost_that_does_not_grow_is_linear() -> None:
    flat = SCENARIOS.model_copy(
        update={"cost": SCENARIOS.cost.model_copy(update={"on_arrival": 1.0})}
    )
    assert accumulated_cost(np.array([2.5]), flat).tolist() == [2.5]
