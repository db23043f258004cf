"""Whole training runs on a toy set: from a training set on disk to an artefact that scores."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch (extra train)")
pytest.importorskip("onnx", reason="exporting needs onnx (extra train)")
pytest.importorskip("sklearn", reason="the fallback needs scikit-learn (extra train)")

import torch

from replyrank.data.errors import UsageError
from replyrank.data.text_key import text_key
from replyrank.models import load_scorer
from replyrank.models.artefact import verify
from replyrank.models.config import ModelKind
from replyrank.models.errors import ArtefactError
from replyrank.models.held_out import load_held_out, short_key
from replyrank.models.parity import Check
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.training import fitting, train
from replyrank.training.calibrate import cross_fitted
from replyrank.training.config import FallbackConfig, StageConfig, StudentConfig, TrainConfig
from replyrank.training.fallback_run import FallbackRun
from replyrank.training.fitting import Stage
from replyrank.training.gate_export import export_figures
from replyrank.training.material import Material, load_material
from replyrank.training.plan import Plan, PlannedStage
from replyrank.training.release import Quantised, gate_checks, quantise_model
from replyrank.training.runs import open_run
from replyrank.training.train import TrainingRun
from tests.encoders import dataset_row, on_cpu, tiny_encoder, toy_posts, toy_texts, write_dataset

NAME = "toy-1.0"
STAGE = StageConfig(epochs=8, learning_rate=8e-3, batch_size=16)


class PowerCutError(Exception):
    """The machine went down."""


@pytest.fixture(scope="module", autouse=True)
def _on_cpu() -> Iterator[None]:
    with on_cpu():
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    general = [
        dataset_row(text, labels=(-1, -1, kind[2]), source="mood")
        for kind in ((1, 0, 2), (2, 0, 0))
        for text in toy_texts(kind, 16, seed=9)
    ]
    folder = tmp_path_factory.mktemp("material") / "dataset"
    read = [
        dataset_row(text, labels=(-1, -1, -1), source="stream")
        for text in toy_texts((0, 1, 1), 32, seed=11)
    ]
    return write_dataset(folder, posts_train=toy_posts(24), auxiliary=general, unlabelled=read)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return TrainConfig(
        name=NAME,
        encoder=str(tiny_encoder(tmp_path_factory.mktemp("encoder"))),
        max_tokens=32,
        folds=2,
        auxiliary=("mood",),
        auxiliary_stage=STAGE.model_copy(update={"epochs": 1.0}),
        companions={"mood": 8},
        posts_stage=STAGE,
    )


@pytest.fixture(scope="module")
def distilled(config: TrainConfig) -> TrainConfig:
    """The same with two teachers and a student of one layer."""
    student = StudentConfig(
        teachers=2, layers=(1,), epochs=16, learning_rate=8e-3, batch_size=16, brand_swap=0.5
    )
    return config.model_copy(update={"unlabelled": ("stream",), "student_stage": student})


@pytest.fixture(scope="module")
def material(config: TrainConfig, dataset: Path) -> Material:
    return load_material(config, dataset)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def artefact(config: TrainConfig, material: Material, work: Path) -> Path:
    """What one run without an interruption makes."""
    run = open_run(config, material, work)
    assert isinstance(run, TrainingRun)
    return run.run(work / "out", NAME)


def _accuracy(folder: Path) -> tuple[float, float]:
    """Share of new toy posts whose intent and sentiment the artefact finds."""
    posts = toy_posts(12, seed=5)
    # Some toy words make no English sentence: what the language guess sets aside is left out.
    scored = [
        (row, score)
        for row, score in zip(
            posts, load_scorer(folder, threads=1).score([row["text"] for row in posts]), strict=True
        )
        if score.review is None or score.review == "low_confidence"
    ]
    assert len(scored) > len(posts) / 2
    intent = [np.argmax(score.p_intent) == row["intent"] for row, score in scored]
    sentiment = [np.argmax(score.p_sentiment) == row["sentiment"] for row, score in scored]
    return float(np.mean(intent)), float(np.mean(sentiment))


def test_a_run_makes_an_artefact_that_scores(artefact: Path) -> None:
    config = verify(artefact).config
    assert (config.name, config.kind, config.max_tokens) == (NAME, ModelKind.TRANSFORMER, 32)
    assert min(_accuracy(artefact)) > 0.8
    card = (artefact / "card.md").read_text(encoding="utf-8")
    assert "| beside | mood | 8 |" in card
    assert "120 posts in 2 of 2 folds" in card
    assert (artefact / "LICENSE-WEIGHTS.md").stat().st_size > 0


def test_an_artefact_tells_what_its_folds_said_of_every_post(
    artefact: Path, config: TrainConfig, material: Material, work: Path
) -> None:
    held_out = load_held_out(verify(artefact))
    rows = {short_key(text_key(text)): row for row, text in enumerate(material.posts.texts)}
    order = np.array([rows[key] for key in held_out.key.tolist()])
    posts = material.posts.take(order)
    assert sorted(set(posts.texts)) == sorted(set(material.posts.texts))
    for name in ("intent", "urgency", "sentiment"):
        assert getattr(held_out, name).tolist() == getattr(posts, name).tolist()
    assert held_out.company.tolist() == material.companies[order].tolist()
    assert (held_out.rule_hits == load_rules().hits(posts.texts)).all()
    run = TrainingRun(config, material, work)
    judged = cross_fitted(run.out_of_fold(run.fold_logits()), config.decisions)
    assert np.abs(held_out.need - judged.need).max() < 1e-3
    assert np.abs(held_out.p_sentiment - judged.p_sentiment).max() < 1e-3


def test_nothing_but_the_artefact_is_left_in_the_output(artefact: Path) -> None:
    assert [path.name for path in artefact.parent.iterdir()] == [NAME]


def test_an_interrupted_run_resumes_to_the_same_artefact(
    artefact: Path,
    config: TrainConfig,
    material: Material,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off in every stage, between two checkpoints; each new start goes on from the last."""
    monkeypatch.setattr(fitting, "_CHECKPOINT_SECONDS", -1)
    update, updates, cuts = Stage.update, 0, iter((2, 25, 70, 110))
    cut = next(cuts)

    def interrupted(stage: Stage[Any], batch: Any) -> torch.Tensor:
        nonlocal updates, cut
        updates += 1
        if updates == cut:
            cut = next(cuts, -1)
            raise PowerCutError
        return update(stage, batch)

    monkeypatch.setattr(Stage, "update", interrupted)
    for start in range(4):
        # Another process would have drawn other numbers.
        torch.manual_seed(start)
        with pytest.raises(PowerCutError):
            TrainingRun(config, material, tmp_path / "work").run(tmp_path / "out", NAME)
        assert not (tmp_path / "out").exists()
    resumed = TrainingRun(config, material, tmp_path / "work").run(tmp_path / "out", NAME)
    assert verify(resumed).manifest_sha256 == verify(artefact).manifest_sha256


def test_a_finished_run_is_not_repeated(
    artefact: Path,
    config: TrainConfig,
    material: Material,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = verify(artefact).manifest_sha256
    monkeypatch.setattr(Stage, "update", lambda *_: pytest.fail("trained again"))
    again = TrainingRun(config, material, work).run(work / "again", NAME)
    assert verify(again).manifest_sha256 == before


@pytest.mark.usefixtures("artefact")
def test_a_folder_of_another_config_is_refused(
    config: TrainConfig, material: Material, work: Path
) -> None:
    other = config.model_copy(update={"seed": config.seed + 1})
    with pytest.raises(UsageError, match="holds the results of another config"):
        TrainingRun(other, material, work).fold_logits()


@pytest.mark.usefixtures("artefact")
def test_a_folder_of_another_training_set_is_refused(
    config: TrainConfig, material: Material, work: Path
) -> None:
    rows = material.companions
    other = replace(material, companions=replace(rows, sentiment=(rows.sentiment + 1) % 3))
    with pytest.raises(UsageError, match="training set or cleaning"):
        TrainingRun(config, other, work).fold_logits()


def test_it_records_what_its_export_cost(artefact: Path, material: Material) -> None:
    figures = export_figures(verify(artefact))
    assert figures is not None
    assert not [name for name, one in figures.items() if np.isnan(one.challenger)]
    assert figures["int8_macro_f1: intent"].n == len(material.posts)
    assert figures["int8_p99"].n == 60


@pytest.mark.usefixtures("artefact")
def test_a_refused_export_leaves_no_artefact(
    config: TrainConfig, material: Material, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "gate_checks", lambda *_: [Check("drop of x", 2.0, 0.5)])
    with pytest.raises(ArtefactError, match=r"^the export is refused: drop of x is 2, limit 0\.5;"):
        TrainingRun(config, material, work).run(work / "refused", NAME)
    assert not (work / "refused").exists()


@pytest.mark.usefixtures("artefact")
def test_an_export_is_measured_on_posts_and_not_on_what_stands_beside(
    config: TrainConfig, material: Material, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrainingRun(config, material, work)
    real_quantise, real_gate = quantise_model, gate_checks
    seen: list[set[tuple[int, ...]]] = []

    def quantise(model: Any, tokens: Any, *rest: Any) -> Quantised:
        seen.append(set(map(tuple, tokens)))
        return real_quantise(model, tokens, *rest)

    def gate(model: Any, graphs: Quantised, tokens: Any) -> list[Check]:
        seen.append(set(map(tuple, tokens)))
        return real_gate(model, graphs, tokens)

    monkeypatch.setattr(train, "quantise_model", quantise)
    monkeypatch.setattr(train, "gate_checks", gate)
    run.run(work / "again", NAME)
    assert [len(texts) for texts in seen] == [60, 60]
    assert seen[0] | seen[1] == set(map(tuple, run.tokenise(material.posts.texts)))


def test_the_plan_counts_rows_and_time(
    config: TrainConfig, material: Material, tmp_path: Path
) -> None:
    plan = TrainingRun(config, material, tmp_path).plan()
    assert [(stage.what, stage.rows) for stage in plan.stages] == [
        ("auxiliary", 32),
        *((f"fold-{fold + 1}", 8 * len(material.fold_training(fold))) for fold in range(2)),
        ("final", 8 * 128),
    ]
    assert all(stage.minutes > 0 for stage in plan.stages)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("artefact")
def test_the_plan_of_a_finished_run_is_short(
    config: TrainConfig, material: Material, work: Path
) -> None:
    assert TrainingRun(config, material, work).plan().minutes == 0


def test_the_plan_of_a_student_holds_its_teachers(
    distilled: TrainConfig, dataset: Path, tmp_path: Path
) -> None:
    material = load_material(distilled, dataset)
    plan = TrainingRun(distilled, material, tmp_path / "work").plan()
    assert list(tmp_path.iterdir()) == []
    parts = ("fold-1", "fold-2", "final")
    assert [stage.what for stage in plan.stages] == [
        *(f"teacher {number}, auxiliary" for number in (1, 2)),
        *(f"teacher {number}, {part}" for number in (1, 2) for part in parts),
        *parts,
    ]
    read = len(material.all_training()) + len(material.auxiliary) + len(material.unlabelled)
    assert plan.stages[-1].rows == 16 * read


def test_no_two_students_share_a_teacher(distilled: TrainConfig) -> None:
    configs = [distilled.model_copy(update={"seed": seed}) for seed in (-1, 0, 1, 2)]
    seeds = [teacher.seed for config in configs for teacher in config.teachers()]
    assert len(set(seeds)) == 8


def test_a_student_ships_the_same_where_it_was_interrupted(
    distilled: TrainConfig, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off among the teachers and in its own stage, between two checkpoints."""
    material = load_material(distilled, dataset)
    whole = TrainingRun(distilled, material, tmp_path / "whole").run(tmp_path / "out", NAME)
    assert min(_accuracy(whole)) > 0.8
    weights = torch.load(tmp_path / "whole" / "final.pt", weights_only=True)
    assert {name.split(".")[3] for name in weights if ".layer." in name} == {"0"}
    assert TrainingRun(distilled, material, tmp_path / "whole").plan().minutes == 0
    monkeypatch.setattr(fitting, "_CHECKPOINT_SECONDS", -1)
    update, left = Stage.update, iter(range(0))

    def interrupted(stage: Stage[Any], batch: Any) -> torch.Tensor:
        if next(left, None) is None:
            raise PowerCutError
        return update(stage, batch)

    monkeypatch.setattr(Stage, "update", interrupted)
    for updates in (3, 40, 90, 150, 100):
        left = iter(range(updates))
        with pytest.raises(PowerCutError):
            TrainingRun(distilled, material, tmp_path / "parts").run(tmp_path / "again", NAME)
    left = count()
    resumed = TrainingRun(distilled, material, tmp_path / "parts").run(tmp_path / "again", NAME)
    assert verify(resumed).manifest_sha256 == verify(whole).manifest_sha256


def test_a_plan_in_words() -> None:
    plan = Plan(
        (
            PlannedStage("one", 6_000, 10.0),
            PlannedStage("two", 1_200, 10.0),
            PlannedStage("three", 900, 10.0, done=True),
        )
    )
    assert str(plan) == (
        "one: 6,000 rows, 10 min\ntwo: 1,200 rows, 2 min\nthree: 900 rows, done\n"
        "in all about 12 min"
    )


def test_the_fallback_is_made_of_the_same_posts(dataset: Path, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"kind": "linear", "name": NAME, "folds": 2}
    config = FallbackConfig(**fields)
    run = open_run(config, load_material(config, dataset), tmp_path)
    assert isinstance(run, FallbackRun)
    assert run.plan() == "3 linear models on 120 posts, minutes"
    folder = run.run(tmp_path / "out", NAME)
    assert verify(folder).config.kind is ModelKind.LINEAR
    assert min(_accuracy(folder)) > 0.8
    assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]
