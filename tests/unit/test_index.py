"""The index: its formula by hand, and what must hold whatever the numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.vocabulary import INTENTS, NEED_CELLS, URGENCY_LEVELS
from replyrank.pipeline.classes import POLICY_CLASSES, PolicyClass, policy_class
from replyrank.pipeline.index import (
    Ageless,
    Index,
    asking_probability,
    class_posterior,
    class_targets,
    due_minutes,
    growth_bound,
    index,
    sort_key,
)
from replyrank.pipeline.policy import FloatArray, Policy
from replyrank.pipeline.policy_file import load_policy

DEFAULT = load_policy()
QUIET_ROWS = [POLICY_CLASSES.index(PolicyClass(name)) for name in ("opinion", "praise", "chatter")]


def _same_handling() -> Policy:
    """The default, but every class takes as long: the posterior moves harm alone."""
    content = DEFAULT.model_dump(mode="json")
    for rule in content["classes"].values():
        rule["handling"] = 2.68
    return Policy.model_validate(content)


EVEN = _same_handling()


def _index(posterior: FloatArray, policy: Policy = DEFAULT, **given_values: Any) -> Index:
    n = len(posterior)
    values = {"channel_target": 60.0, "age": 0.0, "reach": 1.0, "repeat": 1.0} | given_values
    columns = {name: np.broadcast_to(np.array(value, float), n) for name, value in values.items()}
    return index(posterior, policy=policy, **columns)


def _normal(weights: list[float]) -> FloatArray:
    return np.array(weights) / sum(weights)


def _moved(posterior: FloatArray, source: int, goal: int, part: float) -> FloatArray:
    """Part of a class's probability moved to a more urgent one."""
    source, goal = max(source, goal), min(source, goal)
    moved = posterior.copy()
    moved[source] -= part * posterior[source]
    moved[goal] += part * posterior[source]
    return moved


posteriors = (
    st.lists(st.floats(0, 1), min_size=6, max_size=6).filter(lambda w: sum(w) > 1e-3).map(_normal)
)
ages = st.floats(0, 5000)
targets = st.sampled_from([15.0, 60.0, 120.0, 480.0, 1440.0])
factors = st.floats(1, 2.5)


def test_some_rows_asked_again_and_again_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    columns = {
        "channel_target": rng.choice([15.0, 60.0, 480.0], 50),
        "reach": rng.uniform(1, 2.5, 50),
        "repeat": rng.uniform(1, 1.5, 50),
    }
    posterior = rng.dirichlet(np.full(6, 0.5), 50)
    ageless = Ageless.of(posterior, policy=DEFAULT, **columns)
    for minutes in (0.0, 7.5, 90.0, 5_000.0):
        age = minutes * rng.uniform(0.5, 1, 50)
        rows = rng.permutation(50)[:20]
        whole = index(posterior, age=age, policy=DEFAULT, **columns)
        assert np.array_equal(ageless.value(rows, age[rows]), whole.value[rows])


def test_the_formula_by_hand() -> None:
    posterior = np.array([[0.0, 0.2, 0.2, 0.0, 0.0, 0.6]])
    result = _index(posterior, age=10, reach=1.2, repeat=1.5)
    handling = 0.2 * 6 + 0.2 * 5 + 0.6 * 0.6
    support = 2 ** (-1 * (60 - handling - 10) / 60)
    chatter = 2 ** (-3 * (960 - handling - 10) / 960)
    terms = [0, 0.2 * 20 * 1.2, 0.2 * 3 * 1.2 * support, 0, 0, 0.6 * 0.05 * chatter]
    assert result.handling[0] == pytest.approx(handling)
    assert result.terms[0].tolist() == pytest.approx(terms)
    assert result.harm[0] == pytest.approx(1.5 * sum(terms))
    assert result.value[0] == pytest.approx(1.5 * sum(terms) / handling)


def test_phi_doubles_every_third_of_the_target_and_is_flat_after_it() -> None:
    opinion = np.eye(6)[[POLICY_CLASSES.index(PolicyClass.OPINION)] * 5]
    work = _index(opinion[:1]).handling[0]
    ages = [0, 100 - work, 200 - work, 300 - work, 9000]
    result = _index(opinion, channel_target=300 / 4, age=ages)
    phi = result.phi[:, POLICY_CLASSES.index(PolicyClass.OPINION)]
    assert phi.tolist() == pytest.approx([2 ** (-3 * (300 - work) / 300), 0.25, 0.5, 1, 1])


def test_expected_handling_stays_within_its_bounds() -> None:
    pure = _index(np.eye(6)).handling
    low, high = 0.85 * 2.68, 1.25 * 2.68
    assert pure.tolist() == pytest.approx([high, high, high, low, low, low])


def test_every_cell_of_need_counts_for_the_class_of_its_labels() -> None:
    cells = class_posterior(np.eye(NEED_CELLS))
    for cell, row in enumerate(cells):
        intent, level = divmod(cell, len(URGENCY_LEVELS))
        expected = policy_class(INTENTS[intent], URGENCY_LEVELS[level])
        assert row.tolist() == [float(name is expected) for name in POLICY_CLASSES]


@given(st.lists(st.floats(0, 1), min_size=16, max_size=16).filter(lambda w: sum(w) > 1e-3))
def test_classes_are_sums_over_need(weights: list[float]) -> None:
    need = np.array([weights]) / sum(weights)
    classes = class_posterior(need)
    cells = need.reshape(4, 4)
    assert classes.sum() == pytest.approx(1)
    assert classes[0, :2].sum() == pytest.approx(cells[:, 2:].sum())
    assert asking_probability(classes)[0] == pytest.approx(cells[:, 2:].sum() + cells[0, :2].sum())


@given(posteriors, ages, targets, factors, factors)
def test_terms_and_repeat_make_the_index(
    posterior: FloatArray, age: float, target: float, reach: float, repeat: float
) -> None:
    result = _index(posterior[None], channel_target=target, age=age, reach=reach, repeat=repeat)
    assert result.harm[0] == pytest.approx(repeat * result.terms[0].sum())
    assert result.value[0] == pytest.approx(result.harm[0] / result.handling[0])
    assert ((result.phi > 0) & (result.phi <= 1)).all()


@given(
    posterior=posteriors,
    ends=st.tuples(st.integers(0, 5), st.integers(0, 1)),
    part=st.floats(0, 1),
    age=ages,
    reach=factors,
)
def test_more_chance_of_an_urgent_class_never_lowers_the_index_at_equal_handling(
    posterior: FloatArray, ends: tuple[int, int], part: float, age: float, reach: float
) -> None:
    both = np.stack([posterior, _moved(posterior, *ends, part)])
    before, after = _index(both, EVEN, age=age, reach=reach).value
    assert after >= before * (1 - 1e-12)


@given(posteriors, ages, st.floats(0, 3000), targets)
def test_age_never_lowers_the_index_and_raises_it_within_the_growth_bound(
    posterior: FloatArray, age: float, more: float, target: float
) -> None:
    both = np.stack([posterior, posterior])
    before, after = _index(both, channel_target=target, age=[age, age + more]).value
    assert after >= before * (1 - 1e-12)
    if more < 600:
        assert after <= before * growth_bound(target, more, DEFAULT) * (1 + 1e-9)


def test_growth_of_a_second_on_the_default_policy() -> None:
    assert growth_bound(60, 1 / 60, DEFAULT) - 1 <= 0.0006
    assert growth_bound(60, 5 / 60, DEFAULT) - 1 <= 0.003
    # A support question far from its target grows exactly so fast.
    support = np.eye(6)[[2, 2]]
    before, after = _index(support, age=[0, 10]).value
    assert after / before == pytest.approx(growth_bound(60, 10, DEFAULT))


@given(posteriors, ages, factors, factors, factors)
def test_reach_and_repeats_never_lower_the_index(
    posterior: FloatArray, age: float, reach: float, repeat: float, more: float
) -> None:
    grown = _index(
        np.stack([posterior] * 3),
        age=age,
        reach=[reach, reach * more, reach],
        repeat=[repeat, repeat, repeat * more],
    ).value
    assert grown[1] >= grown[0] * (1 - 1e-12)
    assert grown[2] >= grown[0] * (1 - 1e-12)


@given(
    quiet=st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda w: sum(w) > 1e-3),
    urgent=st.floats(0.5, 1),
    critical=st.floats(0, 1),
    rest=st.lists(st.floats(0.001, 1), min_size=4, max_size=4),
    target=targets,
)
def test_no_quiet_message_outranks_a_fresh_private_one_that_is_urgent_at_half(
    quiet: list[float], urgent: float, critical: float, rest: list[float], target: float
) -> None:
    loud = np.zeros(6)
    loud[QUIET_ROWS] = _normal(quiet)
    grave = np.array([urgent * critical, urgent * (1 - critical), *((1 - urgent) * _normal(rest))])
    full_repeat = 1 + DEFAULT.threads.repeat_bonus
    result = _index(
        np.stack([loud, grave]),
        channel_target=target,
        age=[1e6, 0],
        reach=[DEFAULT.reach.settings.a_lot.cap, 1],
        repeat=[full_repeat, 1],
    ).value
    assert result[0] < result[1]


def test_audience_counts_for_those_who_ask_only() -> None:
    pure = np.eye(6)
    grown = _index(pure, reach=1.5).value / _index(pure).value
    assert grown.tolist() == pytest.approx([1.5, 1.5, 1.5, 1, 1, 1])


@given(st.lists(posteriors, min_size=1, max_size=8), ages)
def test_an_index_does_not_depend_on_its_neighbours(rows: list[FloatArray], age: float) -> None:
    together = _index(np.stack(rows), age=age).value
    alone = [_index(row[None], age=age).value[0] for row in rows]
    assert together.tolist() == alone


def test_due_is_a_quantile_of_the_targets() -> None:
    posterior = np.array([[0.01, 0.05, 0.9, 0.02, 0.01, 0.01], [0.1, 0.2, 0.7, 0, 0, 0]])
    minutes = class_targets(np.array([60.0, 60.0]), DEFAULT)
    assert due_minutes(posterior, minutes, 0.25).tolist() == [60, 15]
    assert due_minutes(posterior, minutes, 0.05).tolist() == [15, 7.5]
    assert due_minutes(posterior, minutes, 1.0).tolist() == [960, 60]


@given(posteriors, st.integers(0, 5), st.integers(0, 1), st.floats(0, 1), st.floats(0.01, 0.99))
def test_more_chance_of_an_urgent_class_never_makes_it_due_later(
    posterior: FloatArray, source: int, goal: int, part: float, chance: float
) -> None:
    moved = _moved(posterior, source, goal, part)
    minutes = class_targets(np.array([60.0]), DEFAULT)
    before = due_minutes(posterior[None], minutes, chance + 1e-9)
    after = due_minutes(moved[None], minutes, chance)
    assert after[0] <= before[0]


@given(st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=2, max_size=2).map(sorted))
def test_sort_key_keeps_the_order_and_forgets_rounding(pair: list[float]) -> None:
    low, high = sort_key(np.array(pair))
    assert low <= high
    assert high == pytest.approx(pair[1], rel=1e-11)
    noise = sort_key(np.array([0.3, 0.1 + 0.2]))
    assert noise[0] == noise[1]
