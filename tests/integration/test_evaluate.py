"""``replyrank evaluate`` from labelled files to a report, with a model made of key words."""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.vocabulary import NEED_CELLS, Review
from replyrank.models.config import (
    Calibration,
    HeadCalibration,
    ModelConfig,
    ModelKind,
    Priors,
    Thresholds,
)
from replyrank.models.errors import ModelNotFoundError
from replyrank.models.scores import Score, ScoreBatch
from replyrank.pipeline.policy_file import load_policy
from replyrank.training import evaluate_file as module
from replyrank.training.evaluate_file import EvaluateOptions, evaluate_file, evaluate_posts
from replyrank.training.evaluation_report import Report
from replyrank.training.labelled import LabelledOptions, read_labelled

# (text, intent, urgency, sentiment); {} is filled with a number, so that no text stands twice.
KINDS = (
    ("Where is my order {}? It never came", "support_request", 1, "negative"),
    ("Someone is using my card right now, help, case {}", "support_request", 3, "negative"),
    ("Locked out of my account for {} days", "support_request", 2, "negative"),
    ("Thank you, the crew of flight {} was wonderful", "praise", 0, "positive"),
    ("The new design of version {} is worse than before", "opinion", 0, "negative"),
    ("Lunch with {} friends by the river", "chatter", 0, "neutral"),
)


class WordScorer:
    """Knows a few words; unsure of opinions."""

    def __init__(self, name: str) -> None:
        flat, flat3 = (1.0,) * NEED_CELLS, (1.0,) * 3
        self._config = ModelConfig(
            name=name,
            kind=ModelKind.LINEAR,
            cleaning=1,
            calibration=Calibration(
                need=HeadCalibration(scale=flat, bias=flat),
                sentiment=HeadCalibration(scale=flat3, bias=flat3),
            ),
            priors=Priors(need=(1 / NEED_CELLS,) * NEED_CELLS, sentiment=(0.5, 0.25, 0.25)),
            thresholds=Thresholds(support_request=0.5, low_confidence=0.5, language_margin=1),
        )

    @property
    def config(self) -> ModelConfig:
        return self._config

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        n = len(texts)
        need, sentiment = np.full((n, NEED_CELLS), 0.02), np.full((n, 3), 0.2)
        review: list[Review | None] = [None] * n
        for row, text in enumerate(map(str, texts)):
            if "worse" in text:
                review[row] = Review.LOW_CONFIDENCE
                need[row] = 1 / NEED_CELLS
                continue
            cell = next(
                (
                    c
                    for word, c in (("card", 3), ("Locked", 2), ("order", 1), ("Thank", 4))
                    if word in text
                ),
                12,
            )
            need[row, cell] += 0.68
            sentiment[row, 2 if cell == 4 else 1 if cell == 12 else 0] += 0.4
        return ScoreBatch(need, sentiment, ("en",) * n, tuple(review), self._config.name)

    def score(self, texts: Sequence[object]) -> list[Score]:
        return list(self.score_batch(texts))


def _name(number: int) -> str:
    """Letters of its own for each number, so that no two posts are near-copies."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    letters = digest.translate(str.maketrans("0123456789", "ghijklmnop"))
    return " ".join(letters[at : at + 8] for at in range(0, 48, 8))


def write_posts(path: Path, numbers: range, *, broken: bool = False) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "intent", "urgency", "sentiment", "channel", "brand"])
        for number in numbers:
            text, intent, urgency, mood = KINDS[number % len(KINDS)]
            channel = "twitter" if number % 2 else "email"
            brand = f"shop {number % 7}"
            writer.writerow(
                [number, text.format(_name(number)), intent, urgency, mood, channel, brand]
            )
        if broken:
            writer.writerow([0, "What is this?", "question", 1, "neutral", "email", ""])
    return path


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(model: str | Path | None = None, *, threads: int = 1) -> WordScorer:
        assert threads == 1
        return WordScorer("words-1" if model is None else f"words-{model}")

    monkeypatch.setattr(module, "load_scorer", load)


@pytest.mark.usefixtures("models")
def test_a_report_beside_all_baselines(tmp_path: Path) -> None:
    said: list[str] = []
    report = evaluate_file(
        None,
        write_posts(tmp_path / "test.csv", range(120), broken=True),
        tmp_path / "out",
        baseline_train=write_posts(tmp_path / "train.csv", range(100, 400)),
        options=EvaluateOptions(seed=3, resamples=40, resampled="companies", announce=said.append),
    )
    assert report.model.name == "words-1"
    assert [a.name for a in report.baselines] == [
        "words-fallback",
        "TF-IDF + LR",
        "majority",
        "VADER",
    ]
    # The 20 posts that stand in both files were taken out of training.
    assert report.baseline_data is not None
    assert (report.data.rows, report.baseline_data.rows) == (120, 280)
    (left_out,) = report.data.left_out
    assert left_out.line == 122
    assert left_out.reason.startswith("intent 'question'")
    assert report.model.resampled == "companies"
    assert any("TF-IDF" in line for line in said)
    assert said[0].startswith("test.csv: 1 row left out, the report has the reasons; line 122: ")
    out = tmp_path / "out"
    assert Report.model_validate_json((out / "report.json").read_text(encoding="utf-8")) == report
    assert "| intent macro-F1" in (out / "report.md").read_text(encoding="utf-8")
    assert len(list((out / "plots").glob("*.svg"))) == 10


@pytest.mark.usefixtures("models")
def test_a_report_is_replaced_only_when_asked(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "test.csv", range(60)), tmp_path / "out"
    options = EvaluateOptions(resamples=20)
    evaluate_file(None, posts, out, options=options)
    before = (out / "report.json").read_bytes()
    with pytest.raises(UsageError, match=r"holds a report already; .* --force"):
        evaluate_file("other", posts, out, options=options)
    assert (out / "report.json").read_bytes() == before
    evaluate_file("other", posts, out, options=options, force=True)
    assert (out / "report.json").read_bytes() != before
    with pytest.raises(UsageError, match=r"is a file; name a folder"):
        evaluate_file(None, posts, posts, options=options)


@pytest.mark.usefixtures("models")
def test_figures_follow_from_what_the_model_says(tmp_path: Path) -> None:
    path = write_posts(tmp_path / "test.csv", range(120))
    report = evaluate_file(None, path, tmp_path / "out", options=EvaluateOptions(resamples=40))
    # Opinions (a sixth) look alike in every class, and the first class takes them.
    intent = report.model.heads["intent"]
    assert intent.figures["accuracy"].value == pytest.approx(5 / 6)
    assert intent.confusion[2] == (20, 0, 0, 0)
    assert report.model.binary["support_request"].figures["recall_at_threshold"].value == 1
    assert report.model.binary["support_request"].threshold == 0.5
    assert report.model.review["low_confidence_share"].value == pytest.approx(1 / 6)
    assert report.model.review["intent_macro_f1_on_rest"].value == pytest.approx(1)
    assert report.model.reviews == {"low_confidence": 20}
    assert report.model.queue["critical_in_top"].value == 1
    assert {a.dimension for a in report.model.slices} == {"channel", "length"}
    # Without training posts only what needs none.
    assert [a.name for a in report.baselines] == ["words-fallback", "VADER"]
    assert report.baseline_data is None


def test_the_same_seed_gives_the_same_report(tmp_path: Path) -> None:
    posts = read_labelled(write_posts(tmp_path / "test.csv", range(60)))
    train = read_labelled(write_posts(tmp_path / "train.csv", range(60, 150)))

    def made(seed: int) -> Report:
        return evaluate_posts(
            WordScorer("words"),
            posts,
            file="test.csv",
            train=train,
            train_file="train.csv",
            fallback=None,
            policy=load_policy(),
            options=EvaluateOptions(seed=seed, resamples=20),
        )

    assert made(1) == made(1)
    assert made(1).model.heads["intent"] != made(2).model.heads["intent"]


@pytest.mark.usefixtures("models")
def test_baselines_are_never_fitted_on_the_posts_evaluated(tmp_path: Path) -> None:
    path = write_posts(tmp_path / "test.csv", range(60))
    with pytest.raises(UsageError, match=r"every post of .* is one of the posts to evaluate"):
        evaluate_file(None, path, tmp_path / "out", baseline_train=path)
    assert not (tmp_path / "out").exists()


def test_a_missing_fallback_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(model: str | Path | None = None, *, threads: int = 1) -> WordScorer:
        if model == "fallback":
            message = "no model fallback"
            raise ModelNotFoundError(message)
        return WordScorer(f"words-{threads}")

    monkeypatch.setattr(module, "load_scorer", load)
    said: list[str] = []
    path = write_posts(tmp_path / "test.csv", range(60))
    options = EvaluateOptions(resamples=20, announce=said.append)
    report = evaluate_file(None, path, tmp_path / "out", options=options, threads=2)
    assert [a.name for a in report.baselines] == ["VADER"]
    assert "without the fallback as a baseline: no model fallback" in said


@pytest.mark.usefixtures("models")
def test_a_file_with_one_label_gets_the_figures_of_that_label(tmp_path: Path) -> None:
    path = tmp_path / "moods.csv"
    path.write_text("text,mood\nThank you 1,positive\nmy order 2,negative\nLunch,neutral\n")
    report = evaluate_file(
        None,
        path,
        tmp_path / "out",
        reading=LabelledOptions(label_columns={"sentiment": "mood"}),
        options=EvaluateOptions(resamples=20),
    )
    assert list(report.model.heads) == ["sentiment"]
    assert report.model.heads["sentiment"].figures["macro_recall"].value == 1
    assert not report.model.binary
    assert not report.model.queue
