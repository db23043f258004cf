"""The picture of a replay, as SVG: how many of 100 urgent messages each order leaves too late."""

import math
from collections.abc import Iterator
from html import escape
from typing import Final

from replyrank.pipeline.simulation.orders import OrderName
from replyrank.pipeline.simulation.replay import Replay
from replyrank.pipeline.simulation.summary import CaseSummary, OrderSummary

_WIDTH: Final = 1060
_MARGIN: Final = 30
_COLUMNS: Final = 2
_LABEL: Final = 190
_BAR: Final = 18
_STEP: Final = 27
_HEAD: Final = 96
_PANEL_HEAD: Final = 34
_PANEL_GAP: Final = 30
_FOOT: Final = 34

_INK: Final = "#1f2933"
_FAINT: Final = "#7b8794"
_COLOURS: Final = {
    OrderName.OURS: "#0b7a5c",
    OrderName.OURS_FALLBACK: "#6cb8a0",
    OrderName.ORACLE: "#c9b458",
}
_OTHER: Final = "#b8c0c9"


def plot(replay: Replay) -> str:
    """One panel for each scenario, one bar for each order; whiskers are 95 % intervals."""
    cases = replay.mixes[0].cases
    rows = max(len(case.orders) for case in cases)
    panel = _PANEL_HEAD + rows * _STEP + _PANEL_GAP
    height = _HEAD + math.ceil(len(cases) / _COLUMNS) * panel + _FOOT
    width = (_WIDTH - 2 * _MARGIN) / _COLUMNS
    agents = replay.setting.scenarios.agents
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'width="{_WIDTH}" height="{height:.0f}" font-family="system-ui, sans-serif">',
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        _text(_MARGIN, 38, "Of 100 urgent messages, how many are answered too late", 22, bold=True),
        _text(_MARGIN, 64, f"{agents} agents, the same messages at the same times; only the order "
              "in which they are taken differs", 14, _FAINT),
    ]  # fmt: skip
    # One scale for all panels, so that they can be compared.
    ends = [order.urgent_late.high for case in cases for order in case.orders]
    most = max((end for end in ends if not math.isnan(end)), default=0.0)
    for place, case in enumerate(cases):
        left = _MARGIN + place % _COLUMNS * width
        top = _HEAD + place // _COLUMNS * panel
        parts += _panel(case, left, top, width, max(most, 0.01))
    parts.append(
        _text(_MARGIN, height - 14, f"Arrivals of {replay.setting.trace.name}; thin lines: 95 % "
              "intervals over the seeds", 12, _FAINT)
    )  # fmt: skip
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _panel(case: CaseSummary, left: float, top: float, width: float, most: float) -> Iterator[str]:
    yield _text(left, top + 16, case.scenario.capitalize(), 16, bold=True)
    start = left + _LABEL
    room = width - _LABEL - 70
    for row, order in enumerate(case.orders):
        yield from _bar(order, start, top + _PANEL_HEAD + row * _STEP, room / most)


def _bar(order: OrderSummary, start: float, top: float, scale: float) -> Iterator[str]:
    middle = top + _BAR / 2
    late = order.urgent_late
    ours = order.order is OrderName.OURS
    yield _text(start - 10, middle + 4, order.order.value, 13, anchor="end", bold=ours)
    if math.isnan(late.value):
        yield _text(start, middle + 4, "no urgent messages", 12, _FAINT)
        return
    colour = _COLOURS.get(order.order, _OTHER)
    yield (
        f'<rect x="{start:.1f}" y="{top:.1f}" width="{max(late.value * scale, 1):.1f}" '
        f'height="{_BAR}" fill="{colour}"/>'
    )
    yield (
        f'<line x1="{start + late.low * scale:.1f}" x2="{start + late.high * scale:.1f}" '
        f'y1="{middle:.1f}" y2="{middle:.1f}" stroke="{_INK}" stroke-width="1"/>'
    )
    end = start + max(late.value, late.high) * scale + 8
    yield _text(end, middle + 4, f"{100 * late.value:.1f}", 13, bold=ours)


def _text(
    x: float,
    y: float,
    words: str,
    size: int,
    colour: str = _INK,
    *,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}"{weight}>{escape(words)}</text>'
    )
