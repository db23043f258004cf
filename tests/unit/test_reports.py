"""Committed reports in Markdown are what the code makes of their JSON."""

import pytest

from tests.benchmarks import speed_report
from tests.benchmarks.reporting import REPORTS, page, read


def _committed(name: str) -> str:
    return (REPORTS / f"{name}.md").read_text(encoding="utf-8")


def test_speed() -> None:
    facts = read("speed")
    assert page("speed", facts, speed_report.body(facts)) == _committed("speed")


def test_what_quantize_dynamic_loses_is_taken_off_its_quality() -> None:
    quality = {
        cells[1].strip(): cells[-2].strip()
        for line in _committed("speed").splitlines()
        if len(cells := line.split("|")) == 6
    }
    schemes = read("exports")["schemes"]
    full, quantised = (
        schemes[name]["quality"]["intent macro-F1"] for name in ("fp32", "quantize_dynamic")
    )
    told = float(quality["default pipeline"]) - float(quality["quantize_dynamic"])
    assert told == pytest.approx(full - quantised, abs=0.0011)


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
