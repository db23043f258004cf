"""Intervals: their width against theory, groups, reproducibility."""

import numpy as np
import pytest

from replyrank.training import metrics
from replyrank.training.bootstrap import Metric, bootstrap, calibration_error_by_chance
from replyrank.training.metrics import FloatArray


def mean_of(values: FloatArray) -> Metric:
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(3).normal(5, 2, size=400)
    found = bootstrap(mean_of(values), 400, seed=1, resamples=4000)["mean"]
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(200):
        found = bootstrap(mean_of(rng.normal(size=80)), 80, seed=trial, resamples=300)["mean"]
        covered += bool(found.low <= 0 <= found.high)
    assert 0.88 <= covered / 200 <= 0.99


def test_copies_do_not_narrow_the_interval_when_groups_are_drawn() -> None:
    values = np.random.default_rng(3).normal(size=60)
    groups = np.repeat(np.arange(60), 10)
    alone = bootstrap(mean_of(values), 60, seed=1)["mean"]
    copied = np.repeat(values, 10)
    grouped = bootstrap(mean_of(copied), 600, seed=1, groups=groups)["mean"]
    by_row = bootstrap(mean_of(copied), 600, seed=1)["mean"]
    assert float(grouped.low) == pytest.approx(float(alone.low))
    assert float(grouped.high) == pytest.approx(float(alone.high))
    assert (by_row.high - by_row.low) < 0.5 * (grouped.high - grouped.low)


def test_resamples_have_as_many_rows_as_there_are() -> None:
    seen: list[FloatArray] = []

    def metric(weights: FloatArray) -> dict[str, FloatArray]:
        seen.append(weights)
        return {"sum": weights.sum(axis=1)}

    found = bootstrap(metric, 50, seed=1, resamples=300)["sum"]
    assert [float(a) for a in (found.value, found.low, found.high)] == [50, 50, 50]
    drawn = np.concatenate(seen[1:])
    assert drawn.shape == (300, 50)
    assert drawn.min() == 0
    assert drawn.mean() == pytest.approx(1)


def test_the_same_seed_gives_the_same_interval() -> None:
    metric = mean_of(np.random.default_rng(3).normal(size=50))
    one, same, other = (bootstrap(metric, 50, seed=seed)["mean"] for seed in (1, 1, 2))
    assert (one.low, one.high) == (same.low, same.high)
    assert (one.low, one.high) != (other.low, other.high)


def test_figures_by_class_and_undefined_ones() -> None:
    positive = np.zeros(30, dtype=np.bool_)
    positive[0] = True
    score = np.linspace(0, 1, 30)

    def metric(weights: FloatArray) -> dict[str, FloatArray]:
        return {
            # Undefined in each resample that lacks the one positive row.
            "auroc": metrics.auroc(positive, score, weights),
            "pair": np.stack([weights[:, 0], np.full(len(weights), np.nan)], axis=1),
        }

    found = bootstrap(metric, 30, seed=1)
    auroc = found["auroc"]
    assert [float(a) for a in (auroc.value, auroc.low, auroc.high)] == [0, 0, 0]
    assert found["pair"].low.shape == (2,)
    assert np.isnan(found["pair"].high[1])


def test_no_rows_give_no_figures() -> None:
    found = bootstrap(lambda weights: {"count": weights.sum(axis=1)}, 0, seed=1)["count"]
    assert np.isnan([found.value, found.low, found.high]).all()


def test_error_by_chance_is_that_of_labels_drawn_one_set_at_a_time() -> None:
    rng = np.random.default_rng(11)
    p = rng.dirichlet([0.5, 0.8, 1.2], size=300)
    found = calibration_error_by_chance(p, seed=1, draws=400)
    assert found.shape == (400, 3)
    drawn = np.array([rng.choice(3, size=400, p=row) for row in p])
    slow = [metrics.calibration_error(drawn[:, k] == 1, p[:, 1]) for k in range(400)]
    assert found[:, 1].mean() == pytest.approx(np.mean(slow), rel=0.05)
    assert found[:, 1].std() == pytest.approx(np.std(slow), rel=0.25)


def test_error_by_chance_shrinks_with_the_rows() -> None:
    p = np.random.default_rng(11).dirichlet([1, 1], size=6400)
    few, many = (calibration_error_by_chance(p[:n], seed=1, draws=50).mean() for n in (100, 6400))
    assert many == pytest.approx(few / 8, rel=0.2)
    assert np.isnan(calibration_error_by_chance(p[:0], seed=1, draws=5)).all()
