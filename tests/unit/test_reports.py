"""Committed reports in Markdown are what the code makes of their JSON."""

import pytest

from tests.benchmarks import speed_report
from tests.benchmarks.reporting import REPORTS, page, read


def _committed(name: str) -> str:
    return (REPORTS / f"{name}.md").read_text(encoding="utf-8")


def test_speed() -> None:
    facts = read("speed")
    assert page("speed", facts, speed_report.body(facts)) == _committed("speed")


def test_no_quality_is_told_that_was_not_measured() -> None:
    (row,) = (
        line for line in _committed("speed").splitlines() if line.startswith("| quantize_dynamic ")
    )
    assert row.endswith("|  |")
    assert "quantize_dynamic" not in (REPORTS / "speed.svg").read_text(encoding="utf-8")


def test_recipes() -> None:
    pytest.importorskip("torch", reason="recipes are trained (extra train)")
    from tests.benchmarks import recipes  # noqa: PLC0415

    facts = read("recipes")
    assert page("recipes", facts, recipes.body(facts)) == _committed("recipes")
    assert "Figures are of models in fp32" in _committed("recipes")


def test_attempts() -> None:
    pytest.importorskip("torch", reason="attempts are trained (extra train)")
    from tests.benchmarks import attempts  # noqa: PLC0415

    facts = read("attempts")
    assert page("attempts", facts, attempts.body(facts["attempts"])) == _committed("attempts")


def test_bodies() -> None:
    pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")
    from tests.benchmarks import bodies  # noqa: PLC0415

    facts = read("bodies")
    assert page("bodies", facts, bodies.body(facts)) == _committed("bodies")
