"""A report as files: JSON for machines, Markdown that reads in a terminal too, plots."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from replyrank.data.behaviour import Kind
from replyrank.training.behaviour import FULL, STEADY, TOLERANCE
from replyrank.training.evaluate import TOP_SHARE
from replyrank.training.evaluation_report import (
    NOT_DEFINED,
    BinaryReport,
    DataReport,
    EvaluationReport,
    Figure,
    HeadReport,
    Report,
)
from replyrank.training.plots import write_plots

_TOP: Final = f"{TOP_SHARE:.0%}".replace("%", " %")
_LEFT_OUT_SHOWN: Final = 20

# What the first table shows of each head and event, in this order.
_HEAD_ROWS: Final = (
    ("intent", "macro_f1", "intent macro-F1"),
    ("urgency", "quadratic_kappa", "urgency quadratic kappa"),
    ("sentiment", "macro_recall", "sentiment macro-recall"),
)
_BINARY_ROWS: Final = (
    ("urgency_high", "auroc", "urgency >= high: AUROC"),
    ("urgency_high", "average_precision", "urgency >= high: average precision"),
    ("critical", "auroc", "critical: AUROC"),
    ("critical", "average_precision", "critical: average precision"),
    ("support_request", "auroc", "support_request: AUROC"),
    ("support_request", "average_precision", "support_request: average precision"),
    ("support_request", "recall_at_threshold", "support_request: recall at the threshold"),
    ("support_request", "precision_at_threshold", "support_request: precision at the threshold"),
)
_CALIBRATION_ROWS: Final = (
    ("intent", "class-wise ECE, intent"),
    ("urgency", "class-wise ECE, urgency level"),
    ("sentiment", "class-wise ECE, sentiment"),
)
_EVENT_ROWS: Final = (
    ("urgency_high", "ECE, urgency >= high"),
    ("critical", "ECE, critical"),
    ("support_request", "ECE, support_request"),
)
_QUEUE_ROWS: Final = (
    ("critical_in_top", f"critical posts in the top {_TOP} by index"),
    ("high_or_critical_in_top", f"high or critical posts in the top {_TOP} by index"),
)
_REVIEW_ROWS: Final = (
    ("low_confidence_share", "share of posts with review = low_confidence"),
    ("intent_macro_f1_on_rest", "intent macro-F1 on the rest"),
    ("gain", "gain in intent macro-F1"),
)
_SLICE_COLUMNS: Final = (
    ("intent_macro_f1", "intent macro-F1"),
    ("urgency_kappa", "urgency kappa"),
    ("urgency_high_auroc", "AUROC >= high"),
    ("sentiment_macro_recall", "sentiment recall"),
)


#: the report as data
REPORT: Final = "report.json"


def write_report(report: Report, folder: Path) -> tuple[Path, ...]:
    """Write ``report.json``, ``report.md`` and ``plots/*.svg``; returns what was written.

    Files of these names that stand in ``folder`` are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = write_plots(report, folder / "plots")
    json_file, text_file = folder / REPORT, folder / "report.md"
    json_file.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    names = [plot.relative_to(folder).as_posix() for plot in plots]
    text_file.write_text(markdown(report, names), encoding="utf-8")
    return json_file, text_file, *plots


def markdown(report: Report, plots: Sequence[str] = ()) -> str:
    """The report in Markdown; ``plots`` are links relative to it."""
    blocks = [*_head_of_page(report), *_beside_baselines(report), *_calibration(report)]
    for name, head in report.model.heads.items():
        blocks += _head_section(name, head)
    blocks += [*_decisions(report.model), *_slices(report.model), *_behaviour(report)]
    blocks += _left_out(report)
    if plots:
        blocks += ["## Plots", *(f"![{Path(plot).stem}]({plot})" for plot in plots)]
    return "\n\n".join(blocks) + "\n"


def cell(figure: Figure | None, *, interval: bool = True) -> str:
    """``0.745 [0.716, 0.775]``, or a dash where the figure is not defined."""
    if figure is None or figure.value is None:
        return NOT_DEFINED
    if not interval or figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns of even width: the first to the left, others to the right."""
    # A rule of one character would be ":", which makes no table.
    widths = [max(2, *(len(row[k]) for row in (header, *rows))) for k in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            text.ljust(width) if k == 0 else text.rjust(width)
            for k, (text, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * w if k == 0 else "-" * (w - 1) + ":") for k, w in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def _head_of_page(report: Report) -> Iterator[str]:
    model, data = report.model, report.data
    yield f"# Evaluation of {model.name}"
    lines = [_data_line("Measured on", data)]
    if report.baseline_data is not None:
        lines.append(_data_line("Baselines fitted on", report.baseline_data))
    lines.append(
        f"- In brackets: 95 % interval, percentiles of {model.resamples:,} bootstrap resamples "
        f"of {model.resampled} (seed {model.seed}). n: posts that have the label."
    )
    if model.reviews:
        reasons = ", ".join(f"{reason} {count}" for reason, count in model.reviews.items())
        lines.append(f"- Posts to review, all kept in the figures: {reasons}.")
    yield "\n".join(lines)


def _data_line(what: str, data: DataReport) -> str:
    left = f"; rows left out: {len(data.left_out):,}" if data.left_out else ""
    return f"- {what} {data.rows:,} posts of `{data.file}` (sha256 {data.sha256[:12]}…){left}."


def _beside_baselines(report: Report) -> Iterator[str]:
    models = (report.model, *report.baselines)
    rows: list[list[str]] = []
    for head, key, label in _HEAD_ROWS:
        rows += _row(label, [_of_head(model, head, key) for model in models])
    for event, key, label in _BINARY_ROWS:
        rows += _row(label, [_of_event(model, event, key) for model in models])
    for key, label in _QUEUE_ROWS:
        rows += _row(label, [model.queue.get(key) for model in models])
    for head in ("intent", "urgency", "sentiment"):
        rows += _row(f"Brier score, {head}", [_of_head(model, head, "brier") for model in models])
    yield "## Figures beside the baselines" if report.baselines else "## Figures"
    yield table(["figure", "n", *(model.name for model in models)], rows)


def _row(label: str, figures: Sequence[Figure | None]) -> list[list[str]]:
    """No row where no model has the figure."""
    known = [figure for figure in figures if figure is not None]
    if not known:
        return []
    return [[label, f"{known[0].n:,}", *map(cell, figures)]]


def _of_head(model: EvaluationReport, head: str, key: str) -> Figure | None:
    return model.heads[head].figures.get(key) if head in model.heads else None


def _of_event(model: EvaluationReport, event: str, key: str) -> Figure | None:
    return model.binary[event].figures.get(key) if event in model.binary else None


def _calibration(report: Report) -> Iterator[str]:
    models = (report.model, *report.baselines)
    rows: list[list[str]] = []
    for of, names in ((_of_head, _CALIBRATION_ROWS), (_of_event, _EVENT_ROWS)):
        for name, label in names:
            found = _row(label, [of(model, name, "ece") for model in models])
            chance = of(report.model, name, "ece_by_chance")
            rows += [[*row[:2], cell(chance), *row[2:]] for row in found]
    if rows:
        yield "## Calibration"
        yield (
            "Expected calibration error, 15 bins of equal mass. By chance: what the model would "
            "show on\nso many posts if each of its probabilities were exactly true."
        )
        yield table(["figure", "n", "by chance", *(model.name for model in models)], rows)


def _head_section(name: str, head: HeadReport) -> Iterator[str]:
    yield f"## {name.capitalize()}, class by class (n = {head.n:,})"
    yield table(
        ["class", "posts", "predicted", "precision", "recall", "F1"],
        [
            [
                a.name,
                f"{a.support:,}",
                f"{a.predicted:,}",
                *(cell(figure) for figure in (a.precision, a.recall, a.f1)),
            ]
            for a in head.classes
        ],
    )
    others = ("macro_f1", "macro_recall", "accuracy")
    yield "; ".join(f"{key.replace('_', ' ')} {cell(head.figures[key])}" for key in others) + "."
    yield "Confusion (rows: true, columns: predicted):"
    names = [a.name for a in head.classes]
    counts = [[a, *(f"{b:,}" for b in row)] for a, row in zip(names, head.confusion, strict=True)]
    yield table(["true", *names], counts)


def _decisions(model: EvaluationReport) -> Iterator[str]:
    support: BinaryReport | None = model.binary.get("support_request")
    rows: list[list[str]] = []
    if support is not None and support.threshold is not None:
        for key in ("recall", "precision"):
            figure = support.figures[f"{key}_at_threshold"]
            label = f"support_request at p >= {support.threshold:.3f}: {key}"
            rows.append([label, f"{figure.n:,}", cell(figure)])
    rows += [
        [label, f"{model.review[key].n:,}", cell(model.review[key])]
        for key, label in _REVIEW_ROWS
        if key in model.review
    ]
    if rows:
        yield "## Decisions"
        yield table(["figure", "n", model.name], rows)


def _slices(model: EvaluationReport) -> Iterator[str]:
    for dimension in dict.fromkeys(a.dimension for a in model.slices):
        rows = [
            [a.value, f"{a.rows:,}", *(cell(a.figures.get(key)) for key, _ in _SLICE_COLUMNS)]
            for a in model.slices
            if a.dimension == dimension
        ]
        yield f"## By {dimension}"
        yield table([dimension, "n", *(label for _, label in _SLICE_COLUMNS)], rows)


def _behaviour(report: Report) -> Iterator[str]:
    models = [m for m in (report.model, *report.baselines) if m.behaviour is not None]
    if report.model.behaviour is None:
        return
    rows = [
        [
            suite.capability.replace("_", " "),
            f"{suite.passed.n:,}",
            *(percent(m.behaviour.suites[row].passed) for m in models if m.behaviour),
            percent(suite.steady),
            percent(suite.rises),
        ]
        for row, suite in enumerate(report.model.behaviour.suites)
    ]
    kinds = [
        [
            f"all of kind {kind}",
            f"{figure.n:,}",
            *(percent(m.behaviour.kinds[kind]) for m in models if m.behaviour),
            NOT_DEFINED,
            percent(report.model.behaviour.rises) if kind == Kind.DIRECTION else NOT_DEFINED,
        ]
        for kind, figure in report.model.behaviour.kinds.items()
    ]
    yield "## Behaviour suites, cases that pass"
    yield (
        "What each case asks stands in `data/behaviour/README.md`. Steady: of the texts that must "
        f"be judged alike,\nthe share whose urgency moves by less than {STEADY}. Rises: of "
        f"directions, which pass where nothing falls\nby more than {TOLERANCE}, the share in which "
        f"it goes up by more than {TOLERANCE} or both texts stand above {FULL}.\nBoth are the "
        "model's own. In brackets: 95 % interval over templates."
    )
    names = [m.name for m in models]
    yield table(["suite", "cases", *names, "steady", "rises"], [*rows, *kinds])
    if beside := [m for m in models[1:] if m.behaviour is not None and m.behaviour.rises]:
        told = (f"{m.name} {percent(m.behaviour.rises)}" for m in beside if m.behaviour)
        yield f"Directions that rise, beside: {'; '.join(told)}."


def percent(figure: Figure | None) -> str:
    """``91 % [86, 95]``, or a dash where the figure is not defined."""
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return NOT_DEFINED
    return f"{100 * figure.value:.0f} % [{100 * figure.low:.0f}, {100 * figure.high:.0f}]"


def _left_out(report: Report) -> Iterator[str]:
    for data in (report.data, report.baseline_data):
        if data is None or not data.left_out:
            continue
        yield f"## Rows of `{data.file}` left out ({len(data.left_out):,})"
        lines = [f"- line {row.line}: {row.reason}" for row in data.left_out[:_LEFT_OUT_SHOWN]]
        more = len(data.left_out) - len(lines)
        yield "\n".join([*lines, *([f"- and {more:,} more"] if more else [])])
