"""The gate refuses what is worse and lets pass what is not; the pointer follows it."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the fallback needs scikit-learn (extra train)")

from replyrank.data.errors import UsageError
from replyrank.data.text_key import text_key
from replyrank.models.artefact import Artefact, verify, write_manifest
from replyrank.models.champion import read_champion
from replyrank.models.errors import ChampionError
from replyrank.models.find import champion_artefact
from replyrank.models.held_out import load_held_out, short_key
from replyrank.models.parity import Check
from replyrank.training.config import FallbackConfig
from replyrank.training.errors import GateError
from replyrank.training.export_quality import HEADS
from replyrank.training.export_record import ExportRecord
from replyrank.training.fallback_run import FallbackRun
from replyrank.training.gate import GateReport, run_gate, unseen
from replyrank.training.gate_export import EXPORT_FIGURES
from replyrank.training.gate_posts import GatePosts
from replyrank.training.gate_rules import load_gate_rules
from replyrank.training.material import load_material
from replyrank.training.promotion import (
    HISTORY,
    Forced,
    find_champion,
    promote,
    pull,
    rollback,
)
from replyrank.training.rows import TrainingRows
from replyrank.training.tracking import adopt
from tests.encoders import toy_posts, toy_rows, write_dataset

SHIPPED = load_gate_rules()
# A toy has too few posts for a replay.
RULES = SHIPPED.model_copy(
    update={
        "resamples": 100,
        "least_slice": 30,
        "tolerances": SHIPPED.tolerances.model_copy(update={"queue_cost": None}),
    }
)


SLICES = ("slice_ece", "slice_ece_urgency_high", "slice_ece_sentiment")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate")


def linear(folder: Path, name: str, *, seed: int, spoilt: float = 0.0) -> Artefact:
    """A linear model of toy posts, some of whose labels are another post's."""
    rows = toy_posts(24, seed=seed)
    draw = np.random.default_rng(seed)
    for row in rows:
        if draw.random() < spoilt:
            other = rows[draw.integers(len(rows))]
            row |= {key: other[key] for key in ("intent", "urgency", "sentiment")}
    dataset = write_dataset(folder / f"dataset-{name}", posts_train=rows)
    config = FallbackConfig(kind="linear", name=name, folds=2)
    return verify(FallbackRun(config, load_material(config, dataset)).run(folder, name))


@dataclass(frozen=True)
class Models:
    """Three that were trained alike, one of them on spoilt labels."""

    champion: Artefact
    better: Artefact
    worse: Artefact


@pytest.fixture(scope="module")
def models(folder: Path) -> Models:
    return Models(
        linear(folder, "good-1", seed=1),
        linear(folder, "good-2", seed=2),
        linear(folder, "bad-1", seed=1, spoilt=0.6),
    )


@pytest.fixture(scope="module")
def posts() -> GatePosts:
    rows = toy_rows(20, seed=77)
    companies = tuple(f"company{row % 7}" for row in range(len(rows)))
    channel = tuple("twitter" if row % 2 else "email" for row in range(len(rows)))
    return GatePosts("toy posts", rows, companies, {"channel": channel})


@pytest.fixture(scope="module")
def refusal(models: Models, posts: GatePosts) -> GateReport:
    return run_gate(models.champion, models.worse, posts, RULES)


@pytest.fixture(scope="module")
def passing(models: Models, posts: GatePosts) -> GateReport:
    # Behaviour and timing of toys say nothing.
    lenient = RULES.tolerances.model_copy(
        update={
            **dict.fromkeys(("behaviour_minimum", "behaviour_invariance"), 1.0),
            **dict.fromkeys(("behaviour_direction", "latency"), 9.0),
            **dict.fromkeys(("ece_intent", "ece_urgency_high", "ece_sentiment"), 0.1),
            **dict.fromkeys(SLICES, 0.1),
        }
    )
    rules = RULES.model_copy(update={"tolerances": lenient})
    return run_gate(models.champion, models.better, posts, rules)


def test_a_worse_model_is_refused_by_name_and_figure(refusal: GateReport) -> None:
    assert not refusal.passed
    failed = {verdict.figure for verdict in refusal.failures}
    assert {"intent_macro_f1", "sentiment_macro_f1", "urgency_kappa"} <= failed
    f1 = next(one for one in refusal.verdicts if one.figure == "intent_macro_f1")
    assert f1.champion is not None
    assert f1.challenger is not None
    assert f1.difference is not None
    assert f1.difference == pytest.approx(f1.challenger - f1.champion)
    assert f1.low is not None
    assert f1.high is not None
    assert f1.low <= f1.difference <= f1.high < -f1.tolerance
    assert f1.sentence.startswith("intent_macro_f1: ")
    assert "tolerance 0.01, n 100" in f1.sentence


def test_a_model_that_is_not_worse_passes(passing: GateReport) -> None:
    assert passing.failures == ()
    judged = {one.figure for one in passing.verdicts}
    assert {
        f"{name}: channel {value}" for name in SLICES for value in ("email", "twitter")
    } < judged
    assert passing.posts == "toy posts (100 posts of 7 companies)"
    assert "may take its place" in passing.markdown()
    assert json.loads(json.dumps(passing.as_dict()))["passed"] is True


def test_every_rule_of_the_file_decides_something(refusal: GateReport) -> None:
    judged = {verdict.figure.partition(": ")[0] for verdict in refusal.verdicts}
    assert judged | {"queue_cost", *EXPORT_FIGURES} == set(type(RULES.tolerances).model_fields)
    # A linear model is not quantised, which the report says.
    assert refusal.notes == (
        "int8_macro_f1, int8_ece, int8_p99: not judged: bad-1 is a linear model, which is not "
        "quantised",
    )
    assert refusal.notes[0] in refusal.markdown()


def test_what_a_models_own_int8_weights_cost_refuses_it(
    models: Models, posts: GatePosts, tmp_path: Path
) -> None:
    """Beyond the tolerance, beyond chance on few posts, or not told by its record."""
    folder = tmp_path / "recorded"
    shutil.copytree(models.champion.folder, folder)
    drops = {"intent": (0.6, 0.5), "urgency": (1.2, 1.4)}
    labelled = [
        *(Check(f"drop of macro-F1 of {head}, points", *drop) for head, drop in drops.items()),
        *(Check(f"rise of calibration error of {head}", 0.002, 0.01) for head in HEADS),
    ]
    p99 = [Check("fp32 to int8, p99 |dp|", 0.06, 0.05)]
    ExportRecord.of((p99, 2_000), (labelled, 400)).save(folder)
    write_manifest(folder)
    report = run_gate(models.champion, verify(folder), posts, RULES)
    assert report.notes == ()
    failed = {one.figure: one.sentence for one in report.failures if "int8" in one.figure}
    assert failed == {
        "int8_macro_f1: intent": ("int8_macro_f1: intent: 0.006 (+0.0060; tolerance 0.005, n 400)"),
        "int8_macro_f1: sentiment": (
            "int8_macro_f1: sentiment: not measured: export.json of the challenger does not tell "
            "it; train it again, or state int8_macro_f1: null under tolerances in a file for "
            "--rules"
        ),
        "int8_p99": "int8_p99: 0.06 (+0.0600; tolerance 0.05, n 2,000)",
    }
    urgency = next(one for one in report.verdicts if one.figure == "int8_macro_f1: urgency")
    assert urgency.passed
    assert urgency.tolerance == pytest.approx(0.014)


def test_the_pointer_follows_the_gate(
    tmp_path: Path, models: Models, passing: GateReport, refusal: GateReport
) -> None:
    champion, better, worse = models.champion, models.better, models.worse
    home = tmp_path / "home"
    with pytest.raises(UsageError, match="knows no model before"):
        rollback(home)
    first = promote(home, champion, passing)
    assert first.previous is not None
    assert first.previous.version.startswith("minilm-")
    with pytest.raises(GateError) as error:
        promote(home, worse, refusal)
    assert str(error.value).startswith("bad-1 is refused: it is worse than good-1 on toy posts")
    assert "\n  intent_macro_f1: " in str(error.value)
    assert error.value.exit_code == 1
    now = read_champion(home)
    assert now is not None
    assert now.version == "good-1"
    second = promote(home, better, passing)
    assert second.previous is not None
    assert (second.version, second.previous.version) == ("good-2", "good-1")
    in_use = champion_artefact(home)
    assert in_use is not None
    assert in_use.manifest_sha256 == better.manifest_sha256
    assert rollback(home).version == "good-1"
    assert rollback(home).version == "good-2"
    forced = promote(home, worse, refusal, Forced("the old one is broken"))
    assert forced.version == "bad-1"
    history = [json.loads(line) for line in (home / HISTORY).read_text().splitlines()]
    assert [(one["what"], one["version"]) for one in history] == [
        *(("promoted", "good-1"), ("refused", "bad-1"), ("promoted", "good-2")),
        *(("rolled back", "good-1"), ("rolled back", "good-2"), ("promoted", "bad-1")),
    ]
    assert history[-1]["forced"] == "the old one is broken"
    assert history[1]["gate"]["passed"] is False


class Registry:
    """A store that gives one model."""

    def __init__(self, artefact: Artefact) -> None:
        self._artefact = artefact

    def fetch(self, _version: str | None, folder: Path) -> Path:
        return adopt(self._artefact, folder)


def test_what_was_pulled_stands_in_the_history(tmp_path: Path, models: Models) -> None:
    for model in (models.champion, models.champion, models.better):
        pull(tmp_path, Registry(model))  # type: ignore[arg-type]
    history = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    # What is in use already is not put in use again.
    assert [(one["what"], one["version"]) for one in history] == [
        ("pulled", "good-1"),
        ("pulled", "good-2"),
    ]


def test_what_is_in_use_stays_whatever_is_trained_into_its_folder(
    tmp_path: Path, models: Models, passing: GateReport
) -> None:
    home, out = tmp_path / "home", tmp_path / "out" / "good-1"
    shutil.copytree(models.champion.folder, out)
    promote(home, verify(out), passing)
    shutil.rmtree(out)
    in_use = champion_artefact(home)
    assert in_use is not None
    assert in_use.folder.parent == home / "models"
    assert find_champion(home, forced=False) == in_use
    (in_use.folder / "card.md").write_text("changed")
    with pytest.raises(ChampionError, match="or put another in its place with --force"):
        find_champion(home, forced=False)
    assert find_champion(home, forced=True).config.name.startswith("minilm-")
    promote(home, models.better, passing)
    with pytest.raises(UsageError, match="the model before the one in use cannot be used"):
        rollback(home)


def test_posts_that_a_model_was_trained_on_do_not_judge_it(models: Models) -> None:
    held = {int(key) for key in load_held_out(models.champion).key}
    known = [row for row in toy_posts(24, seed=1) if short_key(text_key(row["text"])) in held]
    assert len(known) > 50
    rows = [*known, *toy_posts(3, seed=99)]
    columns = [np.array([row[name] for row in rows]) for name in ("intent", "urgency", "sentiment")]
    labels = TrainingRows(tuple(row["text"] for row in rows), columns[0], columns[1], columns[2])
    posts = GatePosts("x", labels, (None,) * len(rows), {"channel": ("chat",) * len(rows)})
    left = unseen(posts, (models.champion, models.better))
    assert left.rows.texts == labels.texts[len(known) :]
    assert left.slices == {"channel": ("chat",) * 15}
    assert left.notices == (
        f"{len(known):,} of {len(rows):,} posts are left out: one of the two models was trained "
        "on them",
    )
    with pytest.raises(UsageError, match="every post of x trained one of the two models"):
        unseen(posts.take(np.arange(len(known)), ""), (models.champion,))


def test_what_was_not_measured_refuses(models: Models) -> None:
    rows = toy_rows(6, seed=55)
    unknown = np.full(len(rows), -1)
    posts = GatePosts(
        "x", TrainingRows(rows.texts, rows.intent, unknown, unknown), (None,) * len(rows), {}
    )
    report = run_gate(models.champion, models.champion, posts, RULES)
    failed = {verdict.figure: verdict.sentence for verdict in report.failures}
    assert {"urgency_kappa", "sentiment_macro_f1", "critical_average_precision"} <= {*failed}
    assert failed["urgency_kappa"] == (
        "urgency_kappa: not measured: no post has a label of urgency; label such posts, or state "
        "urgency_kappa: null under tolerances in a file for --rules"
    )
    assert "NaN" not in json.dumps(report.as_dict())
    assert "not measured" in report.markdown()


def test_a_figure_that_its_posts_do_not_tell_says_what_they_lack(models: Models) -> None:
    """Every post has a level and none is critical; no message has all three labels."""
    rows = toy_rows(6, seed=55)
    few = np.arange(len(rows)) < 4
    calm = TrainingRows(
        rows.texts,
        np.where(few, rows.intent, -1),
        np.minimum(rows.urgency, 2),
        np.full(len(rows), -1),
    )
    posts = GatePosts("x", calm, (None,) * len(rows), {})
    rules = RULES.model_copy(update={"tolerances": SHIPPED.tolerances})
    report = run_gate(models.champion, models.champion, posts, rules)
    failed = {verdict.figure: verdict.sentence for verdict in report.failures}
    assert f"none of the {len(rows)} posts is of the kind" in failed["critical_average_precision"]
    assert "no post has a label of sentiment" in failed["ece_sentiment"]
    assert "more posts that have all three labels" in failed["queue_cost"]
    assert next(one for one in report.verdicts if one.figure == "intent_macro_f1").n == 4
