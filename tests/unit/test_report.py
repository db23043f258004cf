"""The report as Markdown and JSON."""

from pathlib import Path

import numpy as np
import pytest

from replyrank.training.evaluate import evaluate
from replyrank.training.evaluation_report import (
    BehaviourReport,
    DataReport,
    EvaluationReport,
    Figure,
    LeftOut,
    Report,
    SuiteReport,
)
from replyrank.training.predictions import Predictions
from replyrank.training.report import cell, markdown, table, write_report
from replyrank.training.rows import TrainingRows


def measured(name: str, *, threshold: float | None = None) -> EvaluationReport:
    rng = np.random.default_rng(4)
    n = 90
    labels = TrainingRows(
        ("",) * n, rng.integers(0, 4, n), rng.integers(0, 4, n), rng.integers(0, 3, n)
    )
    need = None if name == "words" else rng.dirichlet(np.full(16, 0.4), n)
    return evaluate(
        Predictions(need, rng.dirichlet([1, 1, 1], n), (None,) * n),
        labels,
        {"channel": ["twitter"] * 60 + ["email"] * 30} if threshold else {},
        1,
        name=name,
        index=None if need is None else need[:, 3],
        support_threshold=threshold,
        resamples=30,
    )


@pytest.fixture(scope="module")
def report() -> Report:
    left_out = tuple(LeftOut(line=line, reason="no text") for line in range(2, 27))
    return Report(
        data=DataReport(file="posts.csv", sha256="ab" * 32, rows=90, left_out=left_out),
        baseline_data=None,
        model=measured("ours", threshold=0.3),
        baselines=(measured("simple"), measured("words")),
    )


def test_cells() -> None:
    assert cell(Figure(value=0.7449, low=0.7, high=0.8, n=9)) == "0.745 [0.700, 0.800]"
    assert cell(Figure(value=0.5, low=None, high=None, n=9)) == "0.500"
    assert cell(Figure(value=None, low=None, high=None, n=9)) == "-"
    assert cell(None) == "-"


def test_tables_are_even_in_a_terminal() -> None:
    lines = table(["figure", "n"], [["intent", "90"], ["a longer name", "1,234"]]).splitlines()
    assert lines == [
        "| figure        |     n |",
        "| ------------- | ----: |",
        "| intent        |    90 |",
        "| a longer name | 1,234 |",
    ]


def test_a_narrow_column_has_a_rule_that_markdown_knows() -> None:
    assert table(["a", "b"], [["x", "1"]]).splitlines()[1] == "| -- | -: |"


def test_markdown_shows_what_rises_beside_what_does_not_fall(report: Report) -> None:
    def figure(value: float) -> Figure:
        return Figure(value=value, low=value, high=value, n=4)

    def behaviour(passed: float, rises: float) -> BehaviourReport:
        suites = tuple(
            SuiteReport(
                capability=name,
                templates=2,
                passed=figure(passed),
                steady=None,
                rises=figure(rises) if name == "time_to_event" else None,
            )
            for name in ("time_to_event", "sarcasm")
        )
        kinds = {name: figure(passed) for name in ("minimum", "direction")}
        return BehaviourReport(suites=suites, kinds=kinds, rises=figure(rises))

    text = markdown(
        report.model_copy(
            update={
                "model": report.model.model_copy(update={"behaviour": behaviour(1, 0.5)}),
                "baselines": (
                    report.baselines[0].model_copy(update={"behaviour": behaviour(0.75, 0)}),
                ),
            }
        )
    )
    table_rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines()]
    rows = {cells[0]: cells[1:] for cells in table_rows if cells}
    assert rows["suite"] == ["cases", "ours", "simple", "steady", "rises"]
    of = ["4", "100 % [100, 100]", "75 % [75, 75]", "-"]
    assert rows["time to event"] == [*of, "50 % [50, 50]"]
    assert rows["sarcasm"] == [*of, "-"]
    assert rows["all of kind minimum"] == [*of, "-"]
    assert rows["all of kind direction"] == [*of, "50 % [50, 50]"]
    assert "Directions that rise, beside: simple 0 % [0, 0]." in text


def test_markdown_shows_figures_with_interval_and_n_beside_baselines(report: Report) -> None:
    text = markdown(report)
    figure = report.model.heads["intent"].figures["macro_f1"]
    (line,) = (line for line in text.splitlines() if line.startswith("| intent macro-F1"))
    cells = [part.strip() for part in line.strip("|").split("|")]
    simple = report.baselines[0].heads["intent"].figures["macro_f1"]
    # The third model knows no intent.
    assert cells == ["intent macro-F1", "90", cell(figure), cell(simple), "-"]
    assert cells[2].count("[") == 1
    assert "Measured on 90 posts of `posts.csv`" in text
    assert "95 % interval, percentiles of 30 bootstrap resamples of posts (seed 1)" in text
    assert "support_request at p >= 0.300: recall" in text


def test_markdown_has_every_class_confusion_and_slice(report: Report) -> None:
    text = markdown(report)
    for head in report.model.heads.values():
        for a, row in zip(head.classes, head.confusion, strict=True):
            assert f"| {a.name} " in text
            assert any(
                [part.strip() for part in line.strip("|").split("|")]
                == [a.name, *(str(count) for count in row)]
                for line in text.splitlines()
            )
    assert "## By channel" in text
    assert text.index("| email ") < text.index("| twitter ")


def test_rows_left_out_are_listed_but_not_without_end(report: Report) -> None:
    text = markdown(report)
    assert "left out (25)" in text
    assert "- line 2: no text" in text
    assert "- line 22: no text" not in text
    assert "- and 5 more" in text


def test_every_line_of_a_table_is_as_wide_as_the_next(report: Report) -> None:
    for block in markdown(report).split("\n\n"):
        if block.startswith("|"):
            assert len({len(line) for line in block.splitlines()}) == 1


def test_files(report: Report, tmp_path: Path) -> None:
    written = write_report(report, tmp_path / "new" / "folder")
    json_file, text_file, *plots = written
    assert Report.model_validate_json(json_file.read_text(encoding="utf-8")) == report
    assert all(path.stat().st_size > 0 for path in written)
    text = text_file.read_text(encoding="utf-8")
    assert len(plots) == 10
    for plot in plots:
        assert f"(plots/{plot.name})" in text
