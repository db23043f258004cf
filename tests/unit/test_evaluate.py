"""From predictions and labels to figures: masks, counts, slices, thresholds, the queue."""

import numpy as np
import pytest
from sklearn import metrics as reference

from replyrank.data.vocabulary import Review
from replyrank.training.evaluate import evaluate, length_slice
from replyrank.training.evaluation_report import EvaluationReport
from replyrank.training.metrics import FloatArray
from replyrank.training.predictions import Predictions
from replyrank.training.rows import MASKED, TrainingRows

N = 240
RESAMPLES = 60


def rows(seed: int = 1, n: int = N) -> TrainingRows:
    rng = np.random.default_rng(seed)
    intent, urgency = rng.integers(0, 4, n), rng.integers(0, 4, n)
    return TrainingRows(("",) * n, intent, urgency, rng.integers(0, 3, n))


def guesses(labels: TrainingRows, seed: int = 2) -> Predictions:
    """Right more often than not."""
    rng = np.random.default_rng(seed)
    need = rng.dirichlet(np.full(16, 0.3), len(labels))
    need[np.arange(len(labels)), labels.intent * 4 + labels.urgency] += 0.5
    p_sentiment = rng.dirichlet([1, 1, 1], len(labels))
    review = tuple(Review.LOW_CONFIDENCE if row % 5 == 0 else None for row in range(len(labels)))
    return Predictions(need / need.sum(axis=1, keepdims=True), p_sentiment, review)


def measured(labels: TrainingRows, predictions: Predictions) -> EvaluationReport:
    return evaluate(predictions, labels, {}, 1, resamples=RESAMPLES)


def test_figures_are_those_of_scikit_learn_with_an_interval_around_them() -> None:
    labels = rows()
    predictions = guesses(labels)
    report = measured(labels, predictions)
    assert predictions.need is not None
    joint = predictions.need.reshape(-1, 4, 4)
    macro_f1 = report.heads["intent"].figures["macro_f1"]
    assert macro_f1.value == pytest.approx(
        reference.f1_score(labels.intent, joint.sum(axis=2).argmax(axis=1), average="macro")
    )
    assert macro_f1.n == N
    assert macro_f1.value is not None
    assert macro_f1.low is not None
    assert macro_f1.high is not None
    assert macro_f1.low < macro_f1.value < macro_f1.high
    urgency = joint.sum(axis=1)
    auroc = report.binary["urgency_high"].figures["auroc"]
    theirs = reference.roc_auc_score(labels.urgency >= 2, urgency[:, 2:].sum(axis=1))
    assert auroc.value == pytest.approx(theirs)
    critical = report.binary["critical"].figures["average_precision"]
    theirs = reference.average_precision_score(labels.urgency == 3, urgency[:, 3])
    assert critical.value == pytest.approx(theirs)
    kappa = report.heads["urgency"].figures["quadratic_kappa"]
    theirs = reference.cohen_kappa_score(
        labels.urgency, urgency.argmax(axis=1), weights="quadratic"
    )
    assert kappa.value == pytest.approx(theirs)
    assert "quadratic_kappa" not in report.heads["sentiment"].figures


def test_open_labels_are_left_out_of_their_figures_only() -> None:
    labels, n_open = rows(), 100
    predictions = guesses(labels)
    urgency = labels.urgency.copy()
    urgency[:n_open] = MASKED
    masked = TrainingRows(labels.texts, labels.intent, urgency, np.full(N, MASKED))
    report = measured(masked, predictions)
    assert report.rows == N
    assert report.heads["intent"] == measured(labels, predictions).heads["intent"]
    assert report.heads["urgency"].n == N - n_open
    assert "sentiment" not in report.heads
    assert predictions.need is not None
    rest = np.arange(n_open, N)
    alone = Predictions(predictions.need[rest], None, predictions.review[n_open:])
    assert report.heads["urgency"] == measured(labels.take(rest), alone).heads["urgency"]


def test_a_model_without_a_head_has_no_figures_of_it() -> None:
    labels = rows()
    report = measured(labels, Predictions(None, guesses(labels).p_sentiment, (None,) * N))
    assert list(report.heads) == ["sentiment"]
    assert not report.binary
    assert not report.review


def test_support_requests_at_a_threshold() -> None:
    labels = rows()
    predictions = guesses(labels)
    report = evaluate(predictions, labels, {}, 1, support_threshold=0.4, resamples=RESAMPLES)
    assert predictions.p_intent is not None
    said, true = predictions.p_intent[:, 0] >= 0.4, labels.intent == 0
    support = report.binary["support_request"]
    assert support.figures["recall_at_threshold"].value == pytest.approx(
        (said & true).sum() / true.sum()
    )
    expected = (said & true).sum() / said.sum()
    assert support.figures["precision_at_threshold"].value == pytest.approx(expected)


def test_low_confidence_is_taken_out_of_the_rest() -> None:
    labels = rows()
    predictions = guesses(labels)
    review = measured(labels, predictions).review
    kept = np.array([reason is None for reason in predictions.review])
    assert predictions.p_intent is not None
    predicted = predictions.p_intent.argmax(axis=1)
    rest = reference.f1_score(labels.intent[kept], predicted[kept], average="macro")
    of_all = reference.f1_score(labels.intent, predicted, average="macro")
    assert review["low_confidence_share"].value == pytest.approx(0.2)
    assert review["intent_macro_f1_on_rest"].value == pytest.approx(rest)
    assert review["intent_macro_f1_on_rest"].n == kept.sum()
    assert review["gain"].value == pytest.approx(rest - of_all)


def test_critical_posts_at_the_head_of_the_queue() -> None:
    labels = rows()
    predictions = guesses(labels)

    def queue(index: FloatArray) -> list[float | None]:
        found = evaluate(predictions, labels, {}, 1, index=index, resamples=RESAMPLES).queue
        assert found["critical_in_top"].n == (labels.urgency == 3).sum()
        return [found[key].value for key in ("critical_in_top", "high_or_critical_in_top")]

    in_top = 0.2 * N
    critical, urgent = (labels.urgency == 3).sum(), (labels.urgency >= 2).sum()
    by_truth = labels.urgency.astype(np.float64)
    assert queue(by_truth) == pytest.approx([min(1, in_top / critical), in_top / urgent])
    assert queue(-by_truth) == pytest.approx([0, 0])
    assert queue(np.ones(N)) == pytest.approx([0.2, 0.2])


def test_a_slice_has_the_figures_of_its_posts_alone() -> None:
    labels = rows()
    predictions = guesses(labels)
    values = ["b" if row % 3 else None for row in range(N)]
    report = evaluate(predictions, labels, {"source": values}, 1, resamples=RESAMPLES)
    (found,) = report.slices
    kept = np.array([value == "b" for value in values])
    assert (found.dimension, found.value, found.rows) == ("source", "b", kept.sum())
    assert predictions.need is not None
    assert predictions.p_sentiment is not None
    alone = measured(
        labels.take(kept),
        Predictions(
            predictions.need[kept], predictions.p_sentiment[kept], (None,) * int(kept.sum())
        ),
    )
    assert found.figures == {
        "intent_macro_f1": alone.heads["intent"].figures["macro_f1"],
        "urgency_kappa": alone.heads["urgency"].figures["quadratic_kappa"],
        "sentiment_macro_recall": alone.heads["sentiment"].figures["macro_recall"],
        "urgency_high_auroc": alone.binary["urgency_high"].figures["auroc"],
    }


def test_slices_by_length_stand_in_the_order_of_length() -> None:
    texts = ["a" * n for n in (500, 141, 80, 81, 40, 0, 280)]
    labels = rows(n=len(texts))
    lengths = {"length": [length_slice(text) for text in texts]}
    report = evaluate(guesses(labels), labels, lengths, 1, resamples=RESAMPLES)
    assert [(a.value, a.rows) for a in report.slices] == [
        ("0-40 characters", 2),
        ("41-80 characters", 1),
        ("81-140 characters", 1),
        ("141-280 characters", 2),
        ("over 280 characters", 1),
    ]


def test_intervals_over_companies_are_wider_where_companies_differ() -> None:
    labels = rows()
    predictions = guesses(labels)
    assert predictions.need is not None
    # Half of the companies are predicted perfectly, the others by chance.
    companies = [f"company {row % 12}" for row in range(N)]
    easy = np.arange(N) % 12 < 6
    need = np.where(
        easy[:, None], np.eye(16)[labels.intent * 4 + labels.urgency], np.full((N, 16), 1 / 16)
    )
    apart = Predictions(need, None, (None,) * N)
    by_post = evaluate(apart, labels, {}, 1, resamples=300)
    by_company = evaluate(apart, labels, {}, 1, groups=companies, resamples=300)
    assert (by_post.resampled, by_company.resampled) == ("posts", "companies")

    def width(report: EvaluationReport) -> float:
        figure = report.heads["intent"].figures["accuracy"]
        assert figure.low is not None
        assert figure.high is not None
        return figure.high - figure.low

    assert width(by_company) > 2 * width(by_post)
    # Posts without a company are drawn one by one.
    nobody = evaluate(apart, labels, {}, 1, groups=[None] * N, resamples=300)
    assert width(nobody) == pytest.approx(width(by_post), rel=0.2)


def test_a_class_without_posts_has_no_recall() -> None:
    labels = rows()
    few = TrainingRows(labels.texts, np.minimum(labels.intent, 2), labels.urgency, labels.sentiment)
    report = measured(few, guesses(few))
    chatter = report.heads["intent"].classes[3]
    assert (chatter.name, chatter.support) == ("chatter", 0)
    assert chatter.recall.value is None
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_numbers_that_do_not_fit_are_refused() -> None:
    labels = rows()
    with pytest.raises(ValueError, match=r"labels have 240 posts, but \{'source': 1\}"):
        evaluate(guesses(labels), labels, {"source": ["a"]}, 1)
    with pytest.raises(ValueError, match="p_sentiment has shape"):
        Predictions(None, np.ones((2, 4)), (None, None))
