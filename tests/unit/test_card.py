"""The card of a model says what it is, was made of, does, and where not to use it."""

import json
from dataclasses import replace

import pytest
import yaml

pytest.importorskip("torch", reason="the config knows its encoder (extra train)")

from replyrank.models.parity import Check
from replyrank.training.card import model_card
from replyrank.training.config import FallbackConfig, StageConfig, StudentConfig, TrainConfig
from replyrank.training.material import Material
from replyrank.training.oof import FoldFigures
from replyrank.training.rows import TrainingRows
from tests.benchmarks.reporting import REPORTS

COUNTS = {"posts": {"a": 1_200, "b": 3}, "beside": {}}
FIGURES = FoldFigures(1_203, (("intent macro-F1", 0.71234), ("urgency", float("nan"))))
NOTHING = TrainingRows.of([], [])
MATERIAL = Material(
    posts=NOTHING,
    places=(),
    folds=(),
    by_company=True,
    auxiliary=NOTHING,
    unlabelled_places=(),
    companions=NOTHING,
    companion_places=(),
    slices={},
    counts=COUNTS,
)
TRANSFORMER = TrainConfig(
    name="toy", folds=3, posts_stage=StageConfig(epochs=1, learning_rate=1e-3)
)


def _sections(card: str) -> dict[str, str]:
    head, *parts = card.split("\n## ")
    named = dict(part.split("\n", 1) for part in parts)
    return {"": head} | named


def test_the_card_of_a_transformer() -> None:
    checks = [Check("torch to fp32, largest |dp|", 1.234e-6, 1e-4)]
    sections = _sections(model_card("toy-1.0", TRANSFORMER, MATERIAL, FIGURES, checks))
    figures = "Figures on companies never seen"
    assert list(sections) == [
        *("", "Use", figures, "Export", "Training data (rows)", "Limits", "Config"),
    ]
    assert sections[""].startswith("# toy-1.0\n\nAn encoder (all-MiniLM-L6-v2) with a joint head")
    assert "1,203 posts in 3 of 3 folds" in sections[figures]
    assert "| intent macro-F1 | 0.712 |\n| urgency | nan |" in sections[figures]
    assert r"| torch to fp32, largest \|dp\| | 1.2e-06 | 0.0001 |" in sections["Export"]
    assert "| posts | a | 1,200 |\n| posts | b | 3 |" in sections["Training data (rows)"]
    assert "LICENSE-WEIGHTS.md" in sections["Training data (rows)"]
    assert "not meant to answer, hide or delete anything" in sections["Use"]


def test_the_config_stands_whole_in_the_card() -> None:
    card = model_card("toy-1.0", TRANSFORMER, MATERIAL, FIGURES, ())
    text = card.split("```yaml\n")[1].removesuffix("```\n")
    assert TrainConfig.model_validate(yaml.safe_load(text)) == TRANSFORMER
    assert card.endswith("```\n")


def test_the_card_of_a_fallback_claims_no_encoder_and_no_int8() -> None:
    config = FallbackConfig(kind="linear", name="toy", folds=4)
    card = model_card("toy-1.0", config, MATERIAL, FIGURES, ())
    sections = _sections(card)
    assert "Export" not in sections
    assert "with two logistic heads" in sections[""]
    assert "1,203 posts in 4 of 4 folds" in card
    assert "int8" not in card


def test_tables_have_rows_of_one_width() -> None:
    card = model_card("toy-1.0", TRANSFORMER, MATERIAL, FIGURES, [Check("a", 0.0, 1.0)])
    tables = [part for part in card.split("\n\n") if part.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        lines = table.splitlines()
        assert set(lines[1]) == set("| -")
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_the_card_says_no_more_than_the_folds_show() -> None:
    one = TRANSFORMER.model_copy(update={"calibration_folds": 1})
    assert "trained without its company" in model_card("a", one, MATERIAL, FIGURES, ())
    assert "thresholds that were fitted without it." in model_card("a", one, MATERIAL, FIGURES, ())
    of_posts = model_card("a", TRANSFORMER, replace(MATERIAL, by_company=False), FIGURES, ())
    assert "## Figures on posts never seen" in of_posts
    assert "trained without it, and" in of_posts


def test_the_card_of_a_student_says_who_taught_it() -> None:
    stage = StudentConfig(layers=(0, 5), teachers=4, epochs=1, learning_rate=1e-3)
    student = TRANSFORMER.model_copy(update={"student_stage": stage})
    what = _sections(model_card("toy-1.0", student, MATERIAL, FIGURES, []))[""]
    assert "Of its layers 2 are kept" in what
    assert "what 4 models of the same recipe say" in what


def test_the_limits_say_of_errors_what_the_report_shows() -> None:
    report = json.loads((REPORTS / "errors.json").read_text(encoding="utf-8"))
    kinds = sorted(report["kinds"], key=lambda kind: -float(kind["share_of_all"]))
    assert [kind["kind"] for kind in kinds[:2]] == ["judged_at_all", "open_or_past"]
    late = max(kinds, key=lambda kind: int(kind["strata"]["late_critical"]))
    assert late["kind"] == "calm_harm"
    limits = _sections(model_card("toy-1.0", TRANSFORMER, MATERIAL, FIGURES, ()))["Limits"]
    assert f"Of the errors of {report['model']} that were read one by one" in limits
    assert "whether a few words judge the brand at all, and whether a case" in limits
    assert "mostly told of harm without a word of alarm" in limits
