"""Figures against hand-worked examples, scikit-learn, and the properties that define them."""

from collections.abc import Callable
from random import Random

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from replyrank.training import metrics
from replyrank.training.metrics import BoolArray, FloatArray, IntArray

CLASSES = 4
# scikit-learn is imported on first use, which no deadline of an example should pay for.
relaxed = settings(deadline=None, max_examples=40)

sizes = st.shared(st.integers(2, 60), key="n")
labels = sizes.flatmap(lambda n: arrays.arrays(np.int64, n, elements=st.integers(0, CLASSES - 1)))
predictions = sizes.flatmap(
    lambda n: arrays.arrays(np.int64, n, elements=st.integers(0, CLASSES - 1))
)
# Few distinct scores, so that ties are common.
scores = sizes.flatmap(
    lambda n: arrays.arrays(np.float64, n, elements=st.integers(0, 20).map(lambda k: k / 20))
)
booleans = sizes.flatmap(lambda n: arrays.arrays(np.bool_, n))
repeats = sizes.flatmap(lambda n: arrays.arrays(np.int64, n, elements=st.integers(0, 3)))

Ranking = Callable[[BoolArray, FloatArray, FloatArray | None], FloatArray]
RANKINGS: list[Ranking] = [
    metrics.auroc,
    metrics.average_precision,
    metrics.calibration_error,
    lambda positive, score, weights: metrics.share_in_top(positive, score, 0.2, weights),
    lambda positive, score, weights: metrics.precision_recall_at(positive, score, 0.5, weights)[0],
    lambda positive, score, weights: metrics.precision_recall_at(positive, score, 0.5, weights)[1],
]


def both(positive: BoolArray) -> bool:
    return bool(positive.any() and not positive.all())


def test_confusion_figures_worked_by_hand() -> None:
    counts = metrics.confusion(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert metrics.precision(counts) == pytest.approx([1 / 2, 2 / 3, np.nan], nan_ok=True)
    assert metrics.recall(counts) == pytest.approx([1 / 2, 1, 0])
    assert metrics.f1(counts) == pytest.approx([1 / 2, 4 / 5, 0])
    assert metrics.macro_f1(counts) == pytest.approx(1.3 / 3)
    assert metrics.macro_recall(counts) == pytest.approx(0.5)
    assert metrics.accuracy(counts) == pytest.approx(0.6)


def test_kappa_worked_by_hand() -> None:
    # Observed disagreement 1 + 1 in 4 posts; by chance 22 / 16 a post.
    counts = metrics.confusion(np.array([0, 1, 2, 2]), np.array([0, 2, 2, 1]), 3)
    assert metrics.quadratic_kappa(counts) == pytest.approx(1 - (2 / 4) / (22 / 16))


# Undefined figures are 0 there, and told by a warning.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@relaxed
@given(labels, predictions)
def test_confusion_figures_are_those_of_scikit_learn(true: IntArray, predicted: IntArray) -> None:
    counts = metrics.confusion(true, predicted, CLASSES)
    found = reference.precision_recall_fscore_support(
        true, predicted, labels=range(CLASSES), zero_division="warn"
    )
    for ours, theirs in zip(
        (metrics.precision, metrics.recall, metrics.f1), found[:3], strict=True
    ):
        assert np.nan_to_num(ours(counts)) == pytest.approx(theirs)
    theirs = reference.f1_score(true, predicted, average="macro")
    assert metrics.macro_f1(counts) == pytest.approx(theirs)
    assert metrics.accuracy(counts) == pytest.approx(reference.accuracy_score(true, predicted))
    present = np.unique(true)
    theirs = reference.recall_score(true, predicted, labels=present, average="macro")
    assert metrics.macro_recall(counts) == pytest.approx(theirs)


@relaxed
@given(labels, predictions)
def test_kappa_is_that_of_scikit_learn_and_bounded(true: IntArray, predicted: IntArray) -> None:
    kappa = float(metrics.quadratic_kappa(metrics.confusion(true, predicted, CLASSES)))
    if len(np.unique([true, predicted])) == 1:
        assert np.isnan(kappa)
        return
    theirs = reference.cohen_kappa_score(
        true, predicted, labels=list(range(CLASSES)), weights="quadratic"
    )
    assert kappa == pytest.approx(theirs)
    assert -1 - 1e-12 <= kappa <= 1
    assert (kappa == 1) == bool((true == predicted).all())


def test_ranking_worked_by_hand() -> None:
    positive = np.array([False, False, True, True])
    score = np.array([0.1, 0.4, 0.35, 0.8])
    assert metrics.auroc(positive, score) == pytest.approx(0.75)
    # The first positive at precision 1, the second at 2 / 3, each half of the recall.
    assert metrics.average_precision(positive, score) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.auroc(positive, np.zeros(4)) == pytest.approx(0.5)
    assert metrics.average_precision(positive, np.zeros(4)) == pytest.approx(0.5)


@relaxed
@given(booleans.filter(both), scores)
def test_ranking_figures_are_those_of_scikit_learn(positive: BoolArray, score: FloatArray) -> None:
    assert metrics.auroc(positive, score) == pytest.approx(reference.roc_auc_score(positive, score))
    theirs = reference.average_precision_score(positive, score)
    assert metrics.average_precision(positive, score) == pytest.approx(theirs)
    precision, recall = metrics.precision_recall_at(positive, score, 0.5)
    said = score >= 0.5
    assert recall == pytest.approx(reference.recall_score(positive, said))
    if said.any():
        assert precision == pytest.approx(reference.precision_score(positive, said))


@relaxed
@given(booleans, scores, repeats)
def test_a_weight_is_a_repetition(positive: BoolArray, score: FloatArray, times: IntArray) -> None:
    weights = np.stack([times, np.ones_like(times)]).astype(np.float64)
    repeated = np.repeat(np.arange(len(times)), times)
    for figure in RANKINGS:
        many = figure(positive, score, weights)
        assert many.shape == (2,)
        alone = float(figure(positive[repeated], score[repeated], None))
        plain = float(figure(positive, score, None))
        assert many == pytest.approx([alone, plain], nan_ok=True)


@relaxed
@given(labels, scores, repeats)
def test_a_weight_is_a_repetition_for_heads_too(
    true: IntArray, score: FloatArray, times: IntArray
) -> None:
    p = np.stack([score, 1 - score, score**2, score / 2], axis=1) + 0.1
    p /= p.sum(axis=1, keepdims=True)
    repeated = np.repeat(np.arange(len(times)), times)
    weights = times[None, :].astype(np.float64)
    for figure in (metrics.brier, metrics.classwise_calibration_error):
        alone = float(figure(true[repeated], p[repeated], None))
        assert figure(true, p, weights) == pytest.approx([alone], nan_ok=True)


@relaxed
@given(booleans, scores, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    positive: BoolArray, score: FloatArray, random: Random
) -> None:
    order = list(range(len(score)))
    random.shuffle(order)
    for figure in RANKINGS:
        shuffled = figure(positive[order], score[order], None)
        assert shuffled == pytest.approx(figure(positive, score, None), nan_ok=True)


def test_share_in_top_worked_by_hand() -> None:
    score = np.arange(10, 0, -1).astype(np.float64)
    positive = np.zeros(10, dtype=np.bool_)
    positive[[1, 4]] = True
    assert metrics.share_in_top(positive, score, 0.2) == pytest.approx(0.5)
    assert metrics.share_in_top(positive, score, 0.5) == pytest.approx(1)
    # With no information, the top holds as large a share of them as of all.
    assert metrics.share_in_top(positive, np.zeros(10), 0.2) == pytest.approx(0.2)
    # A fifth of the second pair of rows belongs to the top 2.2.
    tied = np.array([9.0, 8, 7, 7, 7, 7, 7, 6, 5, 4])
    assert metrics.share_in_top(positive, tied, 0.3) == pytest.approx((1 + 1 / 5) / 2)


def test_brier_worked_by_hand() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]])
    assert metrics.brier(np.array([0, 2]), p) == pytest.approx((0.14 + 2) / 2)


def test_calibration_error_worked_by_hand() -> None:
    p = np.array([0.1, 0.9, 0.1, 0.9])
    happened = np.array([False, True, True, True])
    # Lower bin: half against 0.1; upper bin: all against 0.9.
    assert metrics.calibration_error(happened, p, bins=2) == pytest.approx((0.4 + 0.1) / 2)
    # Fewer rows than bins: each distinct p is a bin of its own.
    few = metrics.calibration_error(np.array([False, True]), np.array([0.2, 0.7]))
    assert few == pytest.approx((0.2 + 0.3) / 2)
    # One probability for all is one bin.
    constant = metrics.calibration_error(happened, np.full(4, 0.6))
    assert constant == pytest.approx(abs(0.75 - 0.6))
    both_classes = metrics.classwise_calibration_error(
        happened.astype(np.int64), np.stack([1 - p, p], axis=1), bins=2
    )
    assert both_classes == pytest.approx(0.25)


@relaxed
@given(scores, st.integers(1, 20))
def test_bins_keep_ties_together_and_the_order(p: FloatArray, bins: int) -> None:
    numbers = metrics.bin_numbers(p, bins)
    assert ((numbers >= 0) & (numbers < bins)).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(numbers[order]) >= 0).all()
    for value in np.unique(p):
        assert len(np.unique(numbers[p == value])) == 1


def test_bins_have_equal_mass_where_nothing_ties() -> None:
    p = np.random.default_rng(1).permutation(np.linspace(0.01, 0.99, 1500))
    bins = metrics.reliability(p > 0.5, p)
    assert bins.rows.tolist() == [100] * metrics.CALIBRATION_BINS
    assert (np.diff(bins.mean_p) > 0).all()


@relaxed
@given(booleans, scores)
def test_the_bins_of_the_plot_are_those_of_the_error(positive: BoolArray, p: FloatArray) -> None:
    bins = metrics.reliability(positive, p)
    assert bins.rows.sum() == len(p)
    error = (bins.rows * np.abs(bins.share - bins.mean_p)).sum() / len(p)
    assert metrics.calibration_error(positive, p) == pytest.approx(error)


def test_calibrated_draws_have_a_small_error_and_shifted_ones_a_large_one() -> None:
    rng = np.random.default_rng(7)
    p = rng.beta(0.7, 1.5, size=20_000)
    happened = rng.random(20_000) < p
    assert metrics.calibration_error(happened, p) < 0.015
    assert metrics.calibration_error(happened, np.clip(p + 0.1, 0, 1)) > 0.08


def test_what_is_not_defined_is_nan() -> None:
    nobody, score = np.zeros(3, dtype=np.bool_), np.array([0.1, 0.2, 0.3])
    assert np.isnan(metrics.auroc(nobody, score))
    assert np.isnan(metrics.average_precision(nobody, score))
    assert np.isnan(metrics.share_in_top(nobody, score, 0.2))
    nothing = np.zeros(0)
    for figure in RANKINGS:
        assert np.isnan(figure(np.zeros(0, dtype=np.bool_), nothing, None))
    empty = metrics.confusion(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 2)
    assert np.isnan(metrics.macro_f1(empty))
    assert metrics.reliability(np.zeros(0, dtype=np.bool_), nothing).rows.tolist() == []


def test_wrong_shapes_and_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 0 to 2"):
        metrics.confusion(np.array([0, 3]), np.array([0, 1]), 3)
    with pytest.raises(ValueError, match="weights of 3 rows for 2 rows"):
        metrics.auroc(np.array([True, False]), np.array([0.1, 0.2]), np.ones(3))
