"""Plots of a report as SVG: reliability, confusion, precision over recall.

Made with matplotlib's own objects, not pyplot, so that no global state is touched. The
same report gives the same bytes with the same matplotlib.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from replyrank.training.evaluation_report import (
    NOT_DEFINED,
    BinaryReport,
    EvaluationReport,
    HeadReport,
    Reliability,
    Report,
)

if TYPE_CHECKING:
    # matplotlib is in the extra train and slow to import: only a plot loads it.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK: Final = "#222222"
_FAINT: Final = "#9a9a9a"
_GRID: Final = "#e4e4e4"
_MODEL: Final = "#1f5a93"
# Baselines stay behind the model: greys and one muted hue, told apart by dashes too.
_BASELINES: Final = (("#b06a3b", "-"), ("#777777", "--"), ("#a5a5a5", "-."), ("#c0c0c0", ":"))
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "replyrank",
    "svg.fonttype": "none",
    "font.size": 11.0,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.titlesize": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
}
_Z: Final = 1.959963984540054  # the 97.5 % point of the normal distribution
_EVENTS: Final = {
    "urgency_high": "urgent posts (high or critical)",
    "critical": "critical posts",
    "support_request": "support requests",
}


def write_plots(report: Report, folder: Path) -> tuple[Path, ...]:
    """Draw every plot that the report has the figures for; returns the files."""
    from matplotlib import rc_context  # noqa: PLC0415 - see above

    folder.mkdir(parents=True, exist_ok=True)
    model = report.model
    written: list[Path] = []
    with rc_context(_STYLE):
        for name, head in model.heads.items():
            written.append(_save(_reliability_of_head(name, head), folder, f"reliability-{name}"))
            written.append(_save(_confusion(name, head), folder, f"confusion-{name}"))
        if model.binary:
            figure = _reliability_of_events(model)
            written.append(_save(figure, folder, "reliability-events"))
        for name, event in model.binary.items():
            if event.curve is not None:
                figure = _precision_recall(name, event, report)
                written.append(_save(figure, folder, f"precision-recall-{name}"))
    return tuple(written)


def wilson(hits: float, rows: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    share, z2 = hits / rows, _Z**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z / (1 + z2 / rows) * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    return float(middle - half), float(middle + half)


def _number(value: float | None, digits: int) -> str:
    return NOT_DEFINED if value is None else f"{value:.{digits}f}"


def _new(width: float, height: float, title: str, subtitle: str) -> "Figure":
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    below_titles = (0, 0, 1, 1 - 0.62 / height)
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=below_titles))
    figure.text(0.12 / width, 1 - 0.12 / height, title, fontsize=13, weight="bold", va="top")
    figure.text(0.12 / width, 1 - 0.39 / height, subtitle, fontsize=10.5, va="top", color="#555555")
    return figure


def _save(figure: "Figure", folder: Path, name: str) -> Path:
    path = folder / f"{name}.svg"
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "replyrank"})
    return path


# --- reliability -----------------------------------------------------------------------


def _reliability_of_head(name: str, head: HeadReport) -> "Figure":
    error, chance = head.figures["ece"].value, head.figures["ece_by_chance"]
    title = f"{name.capitalize()}: class-wise calibration error {_number(error, 3)}"
    expected = f"{_number(chance.low, 3)} to {_number(chance.high, 3)}"
    subtitle = f"{head.n:,} posts; {expected} is what true probabilities would show by chance"
    panels = [(a.name, a.reliability, a.support) for a in head.classes]
    return _reliability_panels(title, subtitle, panels)


def _reliability_of_events(model: EvaluationReport) -> "Figure":
    errors = [
        f"{_EVENTS[name]} {_number(event.figures['ece'].value, 3)}"
        for name, event in model.binary.items()
    ]
    names = {"urgency_high": "high or critical"}
    panels = [
        (names.get(name, name), event.reliability, event.positives)
        for name, event in model.binary.items()
    ]
    return _reliability_panels(
        "Calibration error of the events that decide the queue", "; ".join(errors), panels
    )


def _reliability_panels(
    title: str, subtitle: str, panels: Sequence[tuple[str, Reliability, int]]
) -> "Figure":
    figure = _new(max(2.75 * len(panels), 6.2), 4.5, title, subtitle)
    axes = figure.subplots(2, len(panels), squeeze=False, height_ratios=[5, 1], sharex=True)
    for k, (name, bins, positives) in enumerate(panels):
        _reliability(axes[0, k], bins)
        axes[0, k].set_title(f"{name} ({positives:,})", loc="left")
        _masses(axes[1, k], bins)
        if k:
            axes[0, k].tick_params(labelleft=False)
    axes[0, 0].set_ylabel("share that is true")
    axes[1, 0].set_ylabel("posts", rotation=0, ha="right", va="center")
    figure.supxlabel("probability given", fontsize=11)
    return figure


def _reliability(axes: "Axes", bins: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, zorder=1)
    ranges = [wilson(a * rows, rows) for a, rows in zip(bins.share, bins.rows, strict=True)]
    low, high = zip(*ranges, strict=True)
    axes.vlines(bins.mean_p, low, high, color=_MODEL, linewidth=1.2, alpha=0.45, zorder=2)
    axes.plot(bins.mean_p, bins.share, "o", color=_MODEL, markersize=5, zorder=3)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_aspect("equal", adjustable="box")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _masses(axes: "Axes", bins: Reliability) -> None:
    axes.vlines(bins.mean_p, 0, bins.rows, color=_MODEL, linewidth=2)
    top = max(bins.rows, default=1)
    axes.set(ylim=(0, top * 1.15), yticks=(0, top), xlim=(-0.02, 1.02))


# --- confusion -------------------------------------------------------------------------


def _confusion(name: str, head: HeadReport) -> "Figure":
    counts = np.array(head.confusion, dtype=np.float64)
    names = [a.name for a in head.classes]
    size = len(names)
    figure = _new(1.25 * size + 2.4, 0.85 * size + 1.9, *_confusion_words(name, head))
    axes = figure.subplots()
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(rows == 0, 1, rows)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for i in range(size):
        for j in range(size):
            text = f"{counts[i, j]:,.0f}\n{shares[i, j]:.0%}"
            axes.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                color="white" if shares[i, j] > 0.6 else _INK,  # noqa: PLR2004
                weight="bold" if i == j else "normal",
            )
    axes.set_xticks(range(size), names)
    axes.set_yticks(range(size), [f"{a.name} ({a.support:,})" for a in head.classes])
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def _confusion_words(name: str, head: HeadReport) -> tuple[str, str]:
    """What the matrix shows: the share that is right, and the commonest mistake."""
    counts = np.array(head.confusion)
    names = [a.name for a in head.classes]
    right = np.trace(counts) / counts.sum()
    title = f"{name.capitalize()}: {right:.0%} of {head.n:,} posts right"
    wrong = counts - np.diag(np.diag(counts))
    i, j = np.unravel_index(int(wrong.argmax()), wrong.shape)
    if not wrong[i, j]:
        return title, "no mistakes"
    return title, f"commonest mistake: {names[i]} taken for {names[j]}, {wrong[i, j]:,} posts"


# --- precision over recall -------------------------------------------------------------


def _precision_recall(name: str, event: BinaryReport, report: Report) -> "Figure":
    found = event.figures["average_precision"]
    title = f"Finding {_EVENTS[name]}: average precision {_number(found.value, 2)}"
    subtitle = f"{event.positives:,} among {found.n:,} posts; average precision beside each name"
    figure = _new(7.2, 4.6, title, subtitle)
    axes = figure.subplots()
    styles = ((_MODEL, "-"), *_BASELINES)
    models = [model for model in (report.model, *report.baselines) if name in model.binary]
    for k, model in enumerate(models):
        colour, dashes = styles[min(k, len(styles) - 1)]
        _curve(axes, model.binary[name], colour, dashes, front=k == 0)
        # Named at the side, in the colour of the line: where lines end they would collide.
        value = _number(model.binary[name].figures["average_precision"].value, 2)
        axes.annotate(
            f"{model.name} {value}",
            (1, 1),
            xytext=(8, -14 - 17 * k),
            textcoords="offset points",
            color=colour,
            weight="bold" if k == 0 else "normal",
            annotation_clip=False,
        )
    _threshold(axes, event)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure


def _curve(axes: "Axes", event: BinaryReport, colour: str, dashes: str, *, front: bool) -> None:
    """Draw one line: each precision holds back to the recall of the threshold above it."""
    if event.curve is None:
        return
    axes.step(
        (*event.curve.recall, 0.0),
        (*event.curve.precision, event.curve.precision[-1]),
        where="post",
        color=colour,
        linestyle=dashes,
        linewidth=2.2 if front else 1.5,
        zorder=3 if front else 2,
    )


def _threshold(axes: "Axes", event: BinaryReport) -> None:
    if event.threshold is None:
        return
    at = [event.figures[f"{key}_at_threshold"].value for key in ("recall", "precision")]
    if at[0] is None or at[1] is None:
        return
    axes.plot(at[0], at[1], "o", color=_MODEL, markersize=8, zorder=4)
    axes.annotate(
        f"at the threshold {event.threshold:.2f}:\nrecall {at[0]:.2f}, precision {at[1]:.2f}",
        (at[0], at[1]),
        xytext=(-10, -12),
        textcoords="offset points",
        ha="right",
        va="top",
        color=_MODEL,
    )
