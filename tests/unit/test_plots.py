"""Plots: valid SVG, the same each time, with the words that say what is seen."""

import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from replyrank.training.evaluate import evaluate
from replyrank.training.evaluation_report import DataReport, EvaluationReport, Report
from replyrank.training.metrics import IntArray
from replyrank.training.plots import wilson, write_plots
from replyrank.training.predictions import Predictions
from replyrank.training.rows import MASKED, TrainingRows

N = 120


def measured(name: str, urgency: IntArray, *, sharp: float) -> EvaluationReport:
    rng = np.random.default_rng(9)
    intent = rng.integers(0, 4, N)
    labels = TrainingRows(("",) * N, intent, urgency, np.full(N, MASKED))
    need = rng.dirichlet(np.full(16, 0.4), N)
    need[np.arange(N), intent * 4 + np.maximum(urgency, 0)] += sharp
    predictions = Predictions(need / need.sum(axis=1, keepdims=True), None, (None,) * N)
    return evaluate(predictions, labels, {}, 1, name=name, support_threshold=0.4, resamples=20)


def made(urgency: IntArray) -> Report:
    return Report(
        data=DataReport(file="posts.csv", sha256="ab" * 32, rows=N, left_out=()),
        baseline_data=None,
        model=measured("ours", urgency, sharp=0.3),
        baselines=(measured("simple & old", urgency, sharp=0.05),),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return made(np.random.default_rng(3).integers(0, 4, N))


def words(path: Path) -> str:
    root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - written by us
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = root.iter("{http://www.w3.org/2000/svg}text")
    return "\n".join("".join(text.itertext()) for text in texts)


@pytest.fixture(scope="module")
def drawn(report: Report, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The plots, made while a watch is kept over matplotlib's settings."""
    before = dict(mpl.rcParams)
    written = write_plots(report, tmp_path_factory.mktemp("plots"))
    assert dict(mpl.rcParams) == before
    return written


def test_each_plot_is_svg_and_says_what_is_seen(report: Report, drawn: tuple[Path, ...]) -> None:
    written = {path.stem: words(path) for path in drawn}
    assert set(written) == {
        "reliability-intent",
        "confusion-intent",
        "reliability-urgency",
        "confusion-urgency",
        "reliability-events",
        "precision-recall-urgency_high",
        "precision-recall-critical",
        "precision-recall-support_request",
    }
    head = report.model.heads["intent"]
    error = head.figures["ece"].value
    assert f"class-wise calibration error {error:.3f}" in written["reliability-intent"]
    for a in head.classes:
        assert f"{a.name} ({a.support})" in written["reliability-intent"]
        assert f"{a.name} ({a.support})" in written["confusion-intent"]
    event = report.model.binary["critical"]
    value = event.figures["average_precision"].value
    assert f"ours {value:.2f}" in written["precision-recall-critical"]
    assert "simple & old" in written["precision-recall-critical"]
    assert f"{event.positives} among {N} posts" in written["precision-recall-critical"]
    assert "at the threshold 0.40" in written["precision-recall-support_request"]


def test_the_commonest_mistake_is_named(report: Report, drawn: tuple[Path, ...]) -> None:
    head = report.model.heads["urgency"]
    names = [a.name for a in head.classes]
    mistakes = [
        (count, f"commonest mistake: {true} taken for {predicted}, {count} posts")
        for true, row in zip(names, head.confusion, strict=True)
        for predicted, count in zip(names, row, strict=True)
        if true != predicted
    ]
    most = max(count for count, _ in mistakes)
    assert most > 0
    (path,) = (path for path in drawn if path.stem == "confusion-urgency")
    found = words(path)
    assert any(line in found for count, line in mistakes if count == most)


def test_the_same_report_gives_the_same_bytes(
    report: Report, drawn: tuple[Path, ...], tmp_path: Path
) -> None:
    again = write_plots(report, tmp_path)
    assert [path.read_bytes() for path in drawn] == [path.read_bytes() for path in again]
    assert not any(b"<dc:date>" in path.read_bytes() for path in drawn)


def test_no_positive_post_gives_no_curve(tmp_path: Path) -> None:
    nobody = made(np.random.default_rng(3).integers(0, 2, N))
    written = {path.stem for path in write_plots(nobody, tmp_path)}
    assert "reliability-events" in written
    assert "precision-recall-critical" not in written


def test_wilson_worked_by_hand() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    low, high = wilson(0, 20)
    assert low == pytest.approx(0, abs=1e-12)
    # Newcombe 1998: 0 of 20 gives 0 to 0.1611.
    assert high == pytest.approx(0.1611, abs=1e-4)
