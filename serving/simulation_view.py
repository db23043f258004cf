"""A replay as tables: for a terminal, as Markdown and as JSON."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.markdown import table as markdown_table
from replyrank.pipeline.simulation.orders import OrderName
from replyrank.pipeline.simulation.replay import MixReport, Replay
from replyrank.pipeline.simulation.study import Variant
from replyrank.pipeline.simulation.summary import (
    LEAST_LATE,
    CaseSummary,
    OrderSummary,
    Range,
    agents_for_the_same,
)

_COLUMNS: Final = (
    "order",
    "urgent late",
    "critical late",
    "urgent but calm, late",
    "requests late",
    "urgent wait, mean / p95",
    "cost",
    "longest wait",
)

_READING: Final = """\
*Late* is the share of messages answered after the target of their true class, of those that
somebody could have answered in time; urgent is level high or critical, calm is not negative in
tone, requests are the urgent and all other support requests. *Cost* is harm by the scenario file's
own rule, as a multiple of what the true labels would allow. Brackets hold 95 % intervals over the
seeds; waits are means over them, the longest wait is that of any message."""

#: characters of the longest bar on a terminal, and of the names before the bars
_BAR: Final = 40
_NAME: Final = max(len(name.value) for name in OrderName)

_LIMITS: Final = """\
Ranking moves waiting from the urgent to the rest; it answers nobody faster than the agents can.
Where they are hardly ever behind, every order is fine. Where they are behind for hours, somebody
waits, and what a model does not see as urgent waits with the quiet ones: the gap to the true
labels is the model's, and only a better model closes it. What the urgent gain, the rest pays for:
the table above tells how few agents more, who answer in turn, do no more harm to all together.
Angriest first does well as far as the urgent are angry: those who stay calm it leaves behind.
Agents here never tire, leave or change
shifts, nobody gives up waiting, and what is written twice arrives twice."""


def markdown(replay: Replay, about: Sequence[tuple[str, str]]) -> str:
    """The report.

    Args:
        replay: what was found.
        about: facts of the run by name.
    """
    blocks = ["# Replay of a queue", markdown_table(("fact", "value"), about), _READING]
    for report in replay.mixes:
        blocks += [f"## With {report.name}", _shares(report)]
        for case in report.cases:
            title = f"### {case.scenario.capitalize()}, {case.messages:,.0f} messages a run"
            blocks += [title, markdown_table(_COLUMNS, map(_cells, case.orders))]
    blocks += ["## What ranking changes", markdown_table(_GAIN_COLUMNS, _gains(replay))]
    blocks.append(f"A number of times is told where first come, first served is late in "
                  f"{LEAST_LATE:.0%} or more.")  # fmt: skip
    if replay.sensitivity:
        rows = [row for case in replay.sensitivity for row in _varied(case)]
        blocks += ["## One thing changed", markdown_table(_VARIED_COLUMNS, rows)]
    blocks += ["## Where ranking does not help", _LIMITS]
    return "\n\n".join(blocks) + "\n"


def as_json(replay: Replay, about: Sequence[tuple[str, str]]) -> str:
    """All figures, unrounded."""
    whole: dict[str, Any] = {
        "about": dict(about),
        "mixes": [
            {
                "name": report.name,
                "shares": dict(zip(POLICY_CLASSES, report.shares.tolist(), strict=True)),
                "cases": [asdict(case) for case in report.cases],
            }
            for report in replay.mixes
        ],
        "staffing": [asdict(case) for case in replay.staffing],
        "sensitivity": [asdict(case) for case in replay.sensitivity],
    }
    # JSON has no word for a share of nothing.
    known = json.loads(json.dumps(whole), parse_constant=lambda _: None)
    return json.dumps(known, indent=2) + "\n"


def tables(replay: Replay, console: Console) -> None:
    """The scenarios in the first mix, and what ranking changes, for a terminal."""
    for case in replay.mixes[0].cases:
        _print(f"{case.scenario}, {case.messages:,.0f} messages a run", _COLUMNS,
               list(map(_cells, case.orders)), console)  # fmt: skip
    _print("What ranking changes", _GAIN_COLUMNS, _gains(replay), console)
    for line in _bars(replay):
        ours = line.strip().startswith(f"{OrderName.OURS.value} ")
        console.print(line, style="bold" if ours else None, highlight=False)


def text(replay: Replay) -> str:
    """The same as ``tables``, for a pipe."""
    blocks = []
    for case in replay.mixes[0].cases:
        title = f"{case.scenario}, {case.messages:,.0f} messages a run"
        blocks += [title, markdown_table(_COLUMNS, map(_cells, case.orders))]
    blocks += ["What ranking changes", markdown_table(_GAIN_COLUMNS, _gains(replay))]
    blocks.append("\n".join(_bars(replay)))
    return "\n\n".join(blocks) + "\n"


def _bars(replay: Replay) -> Iterator[str]:
    """The picture of a replay for those who did not ask for a file: a bar for each order."""
    cases = replay.mixes[0].cases
    # One scale for all scenarios, so that they can be compared; what has no urgent message is nan.
    late = [order.urgent_late.value for case in cases for order in case.orders]
    most = max((share for share in late if not math.isnan(share)), default=0.0)
    yield "Of 100 urgent messages, how many are answered too late"
    for case in cases:
        yield ""
        yield f"  {case.scenario}"
        for order in case.orders:
            share = order.urgent_late.value
            known = not math.isnan(share)
            bar = "#" * round(_BAR * share / max(most, 0.01)) if known else ""
            number = f"{100 * share:.1f}" if known else "no urgent messages"
            yield f"    {order.order.value:<{_NAME}} {bar}{' ' if bar else ''}{number}"


_GAIN_COLUMNS: Final = (
    "scenario",
    "fewer urgent late than first come",
    "than by predicted class",
    "fewer requests late than first come",
    "cost, times the true labels'",
    "agents that first come needs for as few",
    "agents it needs to cost no more in all",
)

_VARIED_COLUMNS: Final = ("scenario", "change", "order", "urgent late", "requests late", "cost")


def _gains(replay: Replay) -> list[tuple[str, ...]]:
    agents = replay.setting.scenarios.agents
    rows: list[tuple[str, ...]] = []
    for case in replay.mixes[0].cases:
        most = max((fifo.variant.agents for fifo in replay.staffing), default=0) + agents
        figures: tuple[Callable[[OrderSummary], float], ...] = (
            lambda order: order.urgent_late.value,
            lambda order: order.harm,
        )
        needed = [agents_for_the_same(case, replay.staffing, agents, one) for one in figures]
        rows.append(
            (
                case.scenario,
                _times(case.gain.urgent_than_fifo),
                _times(case.gain.urgent_than_strict),
                _times(case.gain.requests_than_fifo),
                _times(case.of(OrderName.OURS).cost),
                *(_agents(n, agents, most) for n in needed),
            )
        )
    return rows


def _agents(needed: int | None, there: int, most: int) -> str:
    if needed is None:
        return f"more than {most}"
    return f"the {there} there are" if needed == there else f"{needed} in place of {there}"


def _varied(case: CaseSummary) -> list[tuple[str, ...]]:
    return [
        (
            case.scenario,
            described(case.variant),
            order.order.value,
            _percent(order.urgent_late),
            _percent(order.requests_late),
            _times(order.cost),
        )
        for order in case.orders
    ]


def described(variant: Variant) -> str:
    """What is other than stated, in words."""
    if variant.agents:
        return f"{variant.agents:+d} agents"
    if not variant.rostered:
        return "as many agents in every hour"
    if variant.targets != 1:
        return f"targets times {variant.targets:g}"
    if variant.sharpness != 1:
        surer = "too sure" if variant.sharpness > 1 else "not sure enough"
        return f"a model that is {surer} (power {variant.sharpness:g})"
    return "as stated"


def _cells(summary: OrderSummary) -> tuple[str, ...]:
    return (
        summary.order.value,
        _percent(summary.urgent_late),
        _percent(summary.critical_late),
        _percent(summary.calm_late),
        _percent(summary.requests_late),
        f"{summary.urgent_wait:,.1f} / {summary.urgent_wait_p95:,.0f} min",
        _times(summary.cost),
        f"{summary.longest_wait:.1f} h",
    )


def _shares(report: MixReport) -> str:
    parts = [
        f"{name} {share:.1%}" for name, share in zip(POLICY_CLASSES, report.shares, strict=True)
    ]
    return f"Shares of the classes: {', '.join(parts)}."


def _percent(share: Range) -> str:
    if math.isnan(share.value):
        return "-"
    return f"{share.value:.1%} ({100 * share.low:.1f}-{100 * share.high:.1f})"


def _times(ratio: Range | None) -> str:
    return "-" if ratio is None else f"{ratio.value:.1f}x ({ratio.low:.1f}-{ratio.high:.1f})"


def _print(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], console: Console
) -> None:
    view = Table(title=title, title_justify="left")
    for column in columns:
        view.add_column(column)
    for row in rows:
        view.add_row(*row, style="bold" if row[0] == OrderName.OURS.value else None)
    console.print(view)
