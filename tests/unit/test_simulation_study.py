"""Runs of a replay, what they are summed up to, and how that is shown."""

import json
from dataclasses import replace
from functools import cache
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from replyrank.pipeline.simulation.orders import FALLBACK, OrderName
from replyrank.pipeline.simulation.outcome import FIGURES
from replyrank.pipeline.simulation.replay import (
    OWN_MIX,
    REFERENCE_MIX,
    Replay,
    possible_orders,
    replay,
)
from replyrank.pipeline.simulation.study import (
    AS_STATED,
    Case,
    Runs,
    Variant,
    main_cases,
    run_cases,
    sensitivity_cases,
)
from replyrank.pipeline.simulation.summary import OrderSummary, agents_for_the_same, summarise
from replyrank.serving import simulation_view as view
from replyrank.serving.simulation_plot import plot
from tests.simulation import POLICY, small_setting

ABOUT = [("trace", "days.csv"), ("model", "toy")]


@cache
def _replay() -> Replay:
    setting = small_setting()
    own = np.array([0.02, 0.1, 0.4, 0.2, 0.1, 0.18])
    mixes = {OWN_MIX: own, REFERENCE_MIX: setting.scenarios.reference_mix}
    return replay(setting, POLICY, mixes, full=True)


def _runs(late: dict[OrderName, list[float]], urgent: float = 100.0) -> Runs:
    """Runs of given numbers of late urgent messages a seed."""
    orders = tuple(late)
    values = np.zeros((len(orders), len(late[orders[0]]), len(FIGURES)))
    for row, counts in enumerate(late.values()):
        values[row, :, FIGURES.index("urgent")] = urgent
        values[row, :, FIGURES.index("requests")] = urgent
        values[row, :, FIGURES.index("urgent_late")] = counts
        values[row, :, FIGURES.index("cost")] = 10 + np.array(counts)
    return Runs(Case("busy", AS_STATED, orders), values, 100.0)


def test_the_same_arguments_give_the_same_numbers_in_any_number_of_processes() -> None:
    setting = small_setting()
    cases = main_cases(setting, (OrderName.FIFO, OrderName.OURS))
    told: list[tuple[int, int]] = []
    one = run_cases(setting, POLICY, cases, on_done=lambda done, total: told.append((done, total)))
    two = run_cases(setting, POLICY, cases, processes=2)
    assert [runs.values.tolist() for runs in one] == [runs.values.tolist() for runs in two]
    assert told == [(done, 6) for done in range(1, 7)]


def test_every_order_meets_the_same_arrivals() -> None:
    setting = small_setting()
    runs = run_cases(setting, POLICY, main_cases(setting, possible_orders(setting.population)))
    for case in runs:
        for name in ("urgent", "requests"):
            counts = [case.figure(order, name).tolist() for order in case.case.orders]
            assert all(count == counts[0] for count in counts)


def test_more_agents_leave_fewer_late_and_longer_targets_too() -> None:
    setting = small_setting()
    orders = (OrderName.FIFO,)
    late = [
        run_cases(setting, POLICY, [Case("busy", variant, orders)])[0]
        .figure(OrderName.FIFO, "urgent_late")
        .sum()
        for variant in (Variant(agents=2), Variant(targets=2.0), Variant())
    ]
    assert late[0] < late[1] < late[2]


def test_changes_come_one_at_a_time() -> None:
    variants = [case.variant for case in sensitivity_cases(small_setting())]
    assert variants == [
        Variant(agents=-1),
        Variant(agents=1),
        Variant(rostered=False),
        Variant(targets=0.5),
        Variant(targets=2.0),
        Variant(sharpness=2.5),
        Variant(sharpness=0.4),
    ]


def test_shares_and_ratios_pool_the_seeds() -> None:
    found = summarise(
        _runs(
            {
                OrderName.FIFO: [40.0, 60.0],
                OrderName.STRICT: [10.0, 20.0],
                OrderName.OURS: [2.0, 3.0],
                OrderName.ORACLE: [0.0, 0.0],
            }
        )
    )
    assert found.of(OrderName.FIFO).urgent_late.value == pytest.approx(0.5)
    assert found.of(OrderName.OURS).urgent_late.value == pytest.approx(0.025)
    assert found.gain.urgent_than_fifo is not None
    assert found.gain.urgent_than_fifo.value == pytest.approx(20)
    assert found.gain.urgent_than_strict is not None
    assert found.gain.urgent_than_strict.value == pytest.approx(6)
    assert found.gain.requests_than_fifo is None
    cost = found.of(OrderName.OURS).cost
    assert cost is not None
    assert cost.value == pytest.approx(25 / 20)
    assert cost.low <= cost.value <= cost.high
    late = found.of(OrderName.FIFO).urgent_late
    assert (late.low, late.high) == pytest.approx((0.4, 0.6))


def test_no_number_of_times_is_told_where_hardly_anything_is_late() -> None:
    few = {OrderName.FIFO: [9.0, 9.0], OrderName.STRICT: [5.0, 5.0], OrderName.OURS: [1.0, 1.0]}
    assert summarise(_runs(few)).gain.urgent_than_fifo is None
    none = few | {OrderName.FIFO: [50.0, 50.0], OrderName.OURS: [0.0, 0.0]}
    assert summarise(_runs(none)).gain.urgent_than_fifo is None


def test_a_share_of_nothing_is_not_a_number_and_shown_as_none() -> None:
    found = summarise(_runs({OrderName.FIFO: [0.0, 0.0], OrderName.OURS: [0.0, 0.0]}, urgent=0.0))
    assert np.isnan(found.of(OrderName.OURS).urgent_late.value)


def test_seeds_without_any_do_not_spoil_an_interval() -> None:
    runs = _runs({OrderName.FIFO: [0.0, 40.0, 60.0], OrderName.OURS: [0.0, 1.0, 2.0]})
    runs.values[:, 0, FIGURES.index("urgent")] = 0.0
    late = summarise(runs).of(OrderName.FIFO).urgent_late
    assert late.value == pytest.approx(0.5)
    assert (late.low, late.high) == pytest.approx((0.4, 0.6))


def test_agents_that_first_come_first_served_needs() -> None:
    ours = summarise(_runs({OrderName.FIFO: [50.0, 50.0], OrderName.OURS: [5.0, 5.0]}))
    more = [
        replace(summarise(_runs({OrderName.FIFO: [late, late]})), variant=Variant(agents=agents))
        for agents, late in ((1, 30.0), (2, 5.0), (3, 1.0))
    ]

    def late(order: OrderSummary) -> float:
        return order.urgent_late.value

    assert agents_for_the_same(ours, more, 8, late) == 10
    assert agents_for_the_same(ours, more[:1], 8, late) is None
    elsewhere = [replace(case, scenario="other") for case in more]
    assert agents_for_the_same(ours, elsewhere, 8, late) is None
    harmless = [replace(case, orders=(replace(case.orders[0], harm=0.0),)) for case in more]
    assert agents_for_the_same(ours, harmless, 8, lambda order: order.harm) == 9
    assert ours.of(OrderName.OURS).harm == pytest.approx(0.15)


def test_a_replay_runs_all_that_there_is() -> None:
    found = _replay()
    assert [report.name for report in found.mixes] == [OWN_MIX, REFERENCE_MIX]
    assert [case.scenario for case in found.mixes[1].cases] == ["busy", "trouble"]
    assert len(found.sensitivity) == 7
    assert {case.variant.agents for case in found.staffing} == {0, 1, 2}
    short = replay(
        small_setting(), POLICY, {OWN_MIX: found.mixes[0].shares}, full=False, processes=1
    )
    assert short.mixes[0].cases == found.mixes[0].cases
    assert short.sensitivity == ()


def test_orders_that_nothing_is_known_for_are_left_out() -> None:
    posts = small_setting().population
    without = replace(
        posts,
        posterior={k: v for k, v in posts.posterior.items() if k != FALLBACK},
        tiers=None,
        points=None,
    )
    absent = {OrderName.OURS_FALLBACK, OrderName.KEYWORDS, OrderName.RULE_COUNT}
    assert {*OrderName} - {*possible_orders(without)} == absent


def test_the_report_holds_every_figure_and_says_what_it_is_of() -> None:
    found = _replay()
    page = view.markdown(found, ABOUT)
    for heading in ("Busy", "Trouble", OWN_MIX, REFERENCE_MIX, "does not help", "One thing"):
        assert heading in page
    for order in OrderName:
        assert page.count(f"| {order.value} |") >= 4
    for words in ("-1 agents", "as many agents in every hour", "targets times 0.5", "too sure"):
        assert words in page
    whole = json.loads(view.as_json(found, ABOUT))
    value = found.mixes[0].cases[0].orders[0].urgent_late.value
    assert whole["mixes"][0]["cases"][0]["orders"][0]["urgent_late"]["value"] == value
    assert whole["about"] == dict(ABOUT)


def test_a_terminal_and_a_pipe_show_the_same_cells() -> None:
    found = _replay()
    console = Console(file=StringIO(), width=250, force_terminal=True)
    view.tables(found, console)
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    text = view.text(found)
    cells = [cell.strip() for line in text.splitlines() if "%" in line for cell in line.split("|")]
    assert len(cells) > 50
    assert all(cell in shown for cell in cells)


def test_json_has_no_word_that_is_no_json() -> None:
    found = _replay()
    case = summarise(_runs({OrderName.FIFO: [0.0, 0.0], OrderName.OURS: [0.0, 0.0]}, urgent=0.0))
    broken = replace(found, sensitivity=(case,))
    assert "NaN" not in view.as_json(broken, ABOUT)
    assert "nan" not in view.markdown(broken, ABOUT)
    mix = replace(found.mixes[0], cases=(case, *found.mixes[0].cases))
    assert "nan" not in plot(replace(found, mixes=(mix,)))


def test_the_picture_has_a_bar_as_long_as_its_figure() -> None:
    found = _replay()
    root = ElementTree.fromstring(plot(found))  # noqa: S314  our own text
    name = "{http://www.w3.org/2000/svg}"
    bars = list(root.iter(f"{name}rect"))[1:]
    lates = [order.urgent_late.value for case in found.mixes[0].cases for order in case.orders]
    assert len(bars) == len(lates)
    widths = np.array([float(bar.attrib["width"]) for bar in bars])
    long = np.array(lates) > 0.05
    scale = widths[long] / np.array(lates)[long]
    assert scale == pytest.approx(np.full(long.sum(), scale[0]), rel=0.01)
    words = [text.text for text in root.iter(f"{name}text")]
    assert words.count("replyrank") == 2
    ends = [float(text.attrib["x"]) for text in root.iter(f"{name}text")]
    assert max(ends) < 1060
