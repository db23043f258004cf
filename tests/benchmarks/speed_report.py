"""The tables and the plot of what ``speed`` measured."""

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from replyrank.models.artefact import CARD
from replyrank.models.find import DEFAULT, FALLBACK, FAST, find_artefact
from replyrank.pipeline.markdown import table
from tests.benchmarks.reporting import REPORTS, read, spread

PIPELINE: Final = "default pipeline"
#: the same network by another's default settings, and unquantised, as the report ``exports`` has it
_DYNAMIC: Final = "quantize_dynamic"
_FULL: Final = "fp32"
LIMIT: Final = "int8 limit"
OURS: Final = (DEFAULT, FAST, FALLBACK)
#: whose quality each contender has, by its name in the report ``recipes``; the pipelines run a
#: plain fine-tune as it is
_QUALITY: Final = {
    PIPELINE: "plain",
    "batched pipeline": "plain",
    "TF-IDF + LR": "TF-IDF + LR (calibrated)",
    "fastText": "fastText (calibrated)",
    DEFAULT: "default",
    FAST: "fast",
}
#: where a name stands, in points from its point; those not told stand to the right
_BESIDE: Final = {
    DEFAULT: (-9, -4),
    FALLBACK: (-9, -4),
    PIPELINE: (0, -17),
    "batched pipeline": (0, 9),
    "TF-IDF + LR": (0, -17),
}
_SIDE: Final = {
    DEFAULT: "right",
    FALLBACK: "right",
    PIPELINE: "center",
    "batched pipeline": "center",
    "TF-IDF + LR": "center",
}
_FIGURE: Final = "intent macro-F1"


def times(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round, how many times one is the other."""
    return [one / other for one, other in zip(values, others, strict=True)]


def body(facts: Mapping[str, Any]) -> str:
    """All tables, and what they are of."""
    return "\n\n".join(
        [
            "![speed and quality](speed.svg)",
            "## File to file, 2 threads\n\n" + _bulk(facts),
            f"{facts['rows']:,} distinct tweets; of them the first "
            + ", ".join(f"{rows:,} by {name}" for name, rows in facts["first_rows"].items())
            + ". Repeats are not scored once. TF-IDF and fastText say intent alone.",
            "Macro-F1 is that of fold models in fp32 ([recipes.md](recipes.md)), the pipelines' "
            "that of the plain fine-tune, TF-IDF's and fastText's with calibration, the fallback's "
            "that of its card, and that of quantize_dynamic the plain one's less what it loses "
            "where ways to quantise stand side by side ([exports.md](exports.md)).",
            "## One message, 1 thread\n\n" + _single(facts),
            "## Where the time goes\n\n" + _limits(facts),
            "The limit is what ONNX Runtime's `MatMulInteger` does on two threads with the shapes "
            "of these graphs and nothing else. Outside the session are reading, cleaning, telling "
            "the language, tokens, calibration and writing.",
            "## A natural stream\n\n" + _stream(facts),
            f"Median (range) of {facts['rounds']} interleaved rounds, of the stream 3; a ratio is "
            "taken within a round.",
        ]
    )


def _bulk(facts: Mapping[str, Any]) -> str:
    bulk, quality = facts["bulk"], _quality()
    base = bulk[PIPELINE]["rate"]
    rows = [
        (
            name,
            spread(found["rate"], 0),
            spread(times(found["rate"], base)),
            f"{quality[name]:.3f}" if name in quality else "",
        )
        for name, found in bulk.items()
        if name != LIMIT
    ]
    head = ("what", "messages a second", "times the default pipeline", f"{_FIGURE}, companies new")
    return table(head, rows)


def _single(facts: Mapping[str, Any]) -> str:
    single = facts["single"]
    base = single[PIPELINE]["p50"]
    rows = [
        (name, spread(found["p50"], 2), spread(times(base, found["p50"])))
        for name, found in single.items()
    ]
    return table(("what", "p50 in ms", "times faster"), rows)


def _limits(facts: Mapping[str, Any]) -> str:
    bulk = facts["bulk"]
    limit = bulk[LIMIT]["operations"]
    rows = []
    for name, counted in facts["multiply_adds"].items():
        shares = [2 * counted * share for share in times(bulk[name]["rate"], limit)]
        outside = [100 * share for share in bulk[name]["outside"]]
        rows.append(
            (
                name,
                f"{counted / 1e6:.0f} million",
                f"{spread([100 * share for share in shares], 0)} %",
                f"{spread(outside, 0)} %",
            )
        )
    head = (
        "model",
        "multiply-adds a message",
        f"share of the int8 limit ({spread([one / 1e9 for one in limit], 0)} GOP/s)",
        "CPU time outside the session",
    )
    return table(head, rows)


def _stream(facts: Mapping[str, Any]) -> str:
    stream = facts["stream"]
    rows = [
        (
            f"{stream['rows']:,} messages of `uk_mobile`, {100 * stream['repeats']:.1f} % repeats",
            spread(stream["again"], 0),
            spread(stream["once"], 0),
            spread(times(stream["once"], stream["again"]), 2),
        )
    ]
    return table(("the fast model on", "each scored", "repeats scored once", "times"), rows)


def _quality() -> dict[str, float]:
    """Macro-F1 of intent on posts of companies never seen, where it is known."""
    results = read("recipes")["results"]
    known = {
        name: statistics.mean(run[0][_FIGURE] for run in results[recipe])
        for name, recipe in _QUALITY.items()
        if recipe in results
    }
    schemes = read("exports")["schemes"]
    lost = schemes[_FULL]["quality"][_FIGURE] - schemes[_DYNAMIC]["quality"][_FIGURE]
    known[_DYNAMIC] = known[PIPELINE] - lost
    card = find_artefact(FALLBACK).path(CARD).read_text(encoding="utf-8")
    if found := re.search(rf"\| {_FIGURE} \| ([\d.]+) \|", card):
        known[FALLBACK] = float(found[1])
    return known


def plot(facts: Mapping[str, Any]) -> None:
    """Speed against quality, one point for each contender whose quality is known."""
    from matplotlib import rc_context  # noqa: PLC0415  (slow to import)
    from matplotlib.figure import Figure  # noqa: PLC0415

    quality = _quality()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "replyrank", "font.size": 10}):
        figure = Figure(figsize=(7.5, 4.4), layout="constrained")
        axes = figure.subplots()
        for name, found in facts["bulk"].items():
            if name not in quality:
                continue
            rate, ours = statistics.median(found["rate"]), name in OURS
            colour = "#0b6e4f" if ours else "#8a8a8a"
            axes.scatter([rate], [quality[name]], s=60, color=colour, zorder=3)
            label = f"replyrank, {name}" if ours else name
            axes.annotate(
                label, (rate, quality[name]), xytext=_BESIDE.get(name, (9, -4)),
                textcoords="offset points", ha=_SIDE.get(name, "left"), color=colour,
                weight="bold" if ours else "normal",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.margins(x=0.16, y=0.16)
        axes.grid(alpha=0.3)
        axes.set_xlabel("messages a second, file to file, 2 threads")
        axes.set_ylabel("intent macro-F1, companies never seen")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(
            REPORTS / "speed.svg", format="svg", metadata={"Date": None, "Creator": "replyrank"}
        )
