"""Calibration, priors and thresholds: what was put in is found again."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="calibration is fitted with torch (extra train)")

from replyrank.models.calibration import apply_calibration, softmax
from replyrank.training.calibrate import (
    confidence_threshold,
    cross_fitted,
    fit,
    fit_calibration,
    fit_priors,
    moved_threshold,
    support_threshold,
)
from replyrank.training.config import DecisionConfig
from replyrank.training.metrics import (
    BoolArray,
    FloatArray,
    IntArray,
    classwise_calibration_error,
)
from replyrank.training.oof import OutOfFold
from replyrank.training.rows import TrainingRows

N = 6_000
DECISIONS = DecisionConfig()


def _drawn(p: FloatArray, rng: np.random.Generator) -> IntArray:
    """One label for every row of probabilities."""
    return np.asarray((p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1), dtype=np.int64)


def _out_of_fold(temperature: float, seed: int = 0, n: int = N) -> OutOfFold:
    """Labels drawn from softmax(logits / temperature): logits that are too sure by that much."""
    rng = np.random.default_rng(seed)
    need, sentiment = rng.normal(0, 3, (n, 16)), rng.normal(0, 3, (n, 3))
    cell = _drawn(softmax(need / temperature), rng)
    rows = TrainingRows(
        ("",) * n, cell // 4, cell % 4, _drawn(softmax(sentiment / temperature), rng)
    )
    folds = np.arange(n) % 4
    return OutOfFold(need, sentiment, rows, folds, companies=folds)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    calibration = fit_calibration(_out_of_fold(temperature))
    for head in (calibration.need, calibration.sentiment):
        assert head.scale == pytest.approx([1 / temperature] * len(head.scale), rel=0.15)
        # A cell has some 400 posts: its bias is known to a tenth or so.
        assert head.bias == pytest.approx([0.0] * len(head.bias), abs=0.4)
        assert np.mean(head.bias) == pytest.approx(0, abs=0.02)


def test_calibration_error_falls_on_other_posts() -> None:
    calibration = fit_calibration(_out_of_fold(2.5, seed=1))
    other = _out_of_fold(2.5, seed=2)
    cell = other.rows.intent * 4 + other.rows.urgency
    before = classwise_calibration_error(cell, softmax(other.need))
    after = classwise_calibration_error(cell, apply_calibration(other.need, calibration.need))
    assert after < before / 3
    mood = other.rows.sentiment
    before = classwise_calibration_error(mood, softmax(other.sentiment))
    after = classwise_calibration_error(
        mood, apply_calibration(other.sentiment, calibration.sentiment)
    )
    assert after < before / 3


def test_a_class_that_is_said_too_often_is_pulled_down() -> None:
    honest = _out_of_fold(1.0)
    shifted = replace(honest, sentiment=honest.sentiment + np.array([2.0, 0.0, 0.0]))
    bias = fit_calibration(shifted).sentiment.bias
    assert bias[0] - np.mean(bias[1:]) == pytest.approx(-2.0, abs=0.25)


def test_rows_of_unknown_labels_change_nothing_but_the_weight_of_the_penalty() -> None:
    n = 2_000
    known = _out_of_fold(2.0, n=n)
    masked = TrainingRows(("",) * n, np.full(n, -1), np.full(n, -1), np.full(n, -1))
    noise = np.random.default_rng(3).normal(0, 3, (n, 19))
    both = OutOfFold(
        np.concatenate([known.need, noise[:, :16]]),
        np.concatenate([known.sentiment, noise[:, 16:]]),
        TrainingRows.concatenate([known.rows, masked]),
        folds=np.zeros(2 * n, dtype=np.int64),
        companies=np.zeros(2 * n, dtype=np.int64),
    )
    plain, mixed = fit_calibration(known), fit_calibration(both)
    assert mixed.need.scale == pytest.approx(plain.need.scale, abs=0.05)
    assert mixed.sentiment.bias == pytest.approx(plain.sentiment.bias, abs=0.05)


def test_priors_by_hand() -> None:
    rows = TrainingRows(
        ("",) * 4, np.array([0, 0, 3, -1]), np.array([3, 3, 0, 2]), np.array([0, -1, 2, 2])
    )
    priors = fit_priors(rows)
    expected = np.full(16, 1 / 16)
    expected[3] += 2
    expected[12] += 1
    assert priors.need == pytest.approx(expected / 4)
    assert priors.sentiment == pytest.approx(np.array([4 / 3, 1 / 3, 7 / 3]) / 4)


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("n", [1, 7, 400])
def test_the_support_threshold_is_the_highest_that_reaches_the_recall(
    recall: float, n: int
) -> None:
    rng = np.random.default_rng(n)
    p, intent = rng.random(2 * n), np.repeat([0, 2], n)
    threshold = support_threshold(p, intent, recall)
    requests = p[intent == 0]
    assert (requests >= threshold).mean() >= recall
    # One step of the threshold's four digits higher, and it would not be reached.
    assert (requests >= threshold + 1e-4).mean() < recall or (
        np.sort(requests)[int(np.floor((1 - recall) * n))] - threshold < 1e-4
    )


def test_posts_of_other_intents_do_not_move_the_support_threshold() -> None:
    p, intent = np.array([0.9, 0.8, 0.1]), np.array([0, 0, 1])
    assert support_threshold(p, intent, 0.95) == 0.8
    assert support_threshold(np.append(p, 0.0), np.append(intent, 3), 0.95) == 0.8


@pytest.mark.parametrize("share", [0.05, 0.14, 0.5])
def test_the_confidence_threshold_sends_its_share_to_a_person(share: float) -> None:
    p = softmax(np.random.default_rng(0).normal(0, 2, (N, 4)))
    threshold = confidence_threshold(p, share)
    assert (p.max(axis=1) < threshold).mean() == pytest.approx(share, abs=0.002)


def test_a_post_is_judged_by_what_is_fitted_on_the_other_folds() -> None:
    oof = _out_of_fold(2.0, n=1_200)
    judged = cross_fitted(oof, DECISIONS)
    for fold in range(4):
        rows = np.flatnonzero(oof.folds == fold)
        alone = fit(oof.take(np.flatnonzero(oof.folds != fold)), DECISIONS).judge(
            oof.need[rows], oof.sentiment[rows]
        )
        assert np.array_equal(judged.need[rows], alone.need)
        assert np.array_equal(judged.p_sentiment[rows], alone.p_sentiment)
        assert np.array_equal(judged.is_request[rows], alone.is_request)
        assert np.array_equal(judged.is_unsure[rows], alone.is_unsure)


def test_the_labels_of_a_post_do_not_help_to_judge_it() -> None:
    """On posts of a single fold too, a calibration that saw the labels would be seen here."""
    oof = replace(_out_of_fold(1.0, n=400), folds=np.zeros(400, dtype=np.int64))
    changed = np.arange(400) % 5 == 2
    rows = oof.rows
    other = TrainingRows(
        rows.texts,
        np.where(changed, (rows.intent + 1) % 4, rows.intent),
        np.where(changed, (rows.urgency + 1) % 4, rows.urgency),
        np.where(changed, (rows.sentiment + 1) % 3, rows.sentiment),
    )
    one, two = cross_fitted(oof, DECISIONS), cross_fitted(replace(oof, rows=other), DECISIONS)
    assert np.array_equal(one.need[changed], two.need[changed])
    assert not np.array_equal(one.need[~changed], two.need[~changed])


def test_thresholds_decide_as_they_say() -> None:
    oof = _out_of_fold(1.0, n=1_000)
    fitted = fit(oof, DECISIONS)
    judged = fitted.judge(oof.need, oof.sentiment)
    assert np.array_equal(judged.is_request, judged.p_intent[:, 0] >= fitted.support_request)
    assert judged.is_request[oof.rows.intent == 0].mean() >= 0.95
    assert judged.is_unsure.mean() == pytest.approx(0.14, abs=0.005)


AT = 0.29


def _spread(n: int) -> FloatArray:
    return np.random.default_rng(0).normal(-0.9, 2.0, n)


def _p(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)))


def _at(move: float) -> float:
    """The threshold, so many logits further on."""
    return float(_p(np.log(AT / (1 - AT)) + np.array(move)))


def _moved(before: FloatArray, moves: FloatArray, is_kind: BoolArray | None = None) -> float:
    """By default every third post is of the kind."""
    kind = np.arange(len(before)) % 3 == 0 if is_kind is None else is_kind
    return moved_threshold(AT, _p(before), _p(before + moves), kind, np.ones(len(before)))


@pytest.mark.parametrize("drift", [-0.8, -0.3, 0.0, 0.5])
def test_a_threshold_goes_along_with_drift_and_calls_as_many(drift: float) -> None:
    before = _spread(1_000)
    moves = drift + np.random.default_rng(1).normal(0, 0.05, 1_000)
    now = _moved(before, moves)
    assert now == pytest.approx(_at(drift), abs=0.005)
    called = (_p(before) >= AT).mean()
    assert (_p(before + moves) >= now).mean() == pytest.approx(called, abs=0.01)


def test_what_was_learnt_crosses_the_threshold() -> None:
    """Requests rise and others fall: it stays, whichever of them are many."""
    before = _spread(1_000)
    for share in (0.1, 0.5, 0.9):
        is_kind = np.arange(1_000) < share * 1_000
        assert _moved(before, np.where(is_kind, 1.0, -2.0), is_kind) == AT


@pytest.mark.parametrize(("kind", "other", "drift"), [(-0.2, -2.0, -0.2), (1.5, 0.3, 0.3)])
def test_drift_is_what_both_kinds_share(kind: float, other: float, drift: float) -> None:
    before = _spread(1_000)
    moves = np.where(np.arange(1_000) % 3 == 0, kind, other)
    assert _moved(before, moves) == pytest.approx(_at(drift), abs=1e-4)


def test_a_part_of_the_posts_that_was_taught_otherwise_carries_no_threshold_along() -> None:
    before = _spread(1_000)
    taught = np.arange(1_000) % 5 < 2
    assert _moved(before, np.where(taught, 3.0, -0.1)) == pytest.approx(_at(-0.1), abs=1e-4)


def test_posts_far_from_a_threshold_do_not_move_it() -> None:
    before = _spread(1_000)
    far = np.abs(before - np.log(AT / (1 - AT))) >= 1
    assert _moved(before, np.where(far, -2.0, -0.25)) == pytest.approx(_at(-0.25), abs=1e-4)


@pytest.mark.parametrize(("weights", "drift"), [((2.0, 1.0), -0.4), ((1.0, 2.0), -0.1)])
def test_posts_count_by_their_weight(weights: tuple[float, float], drift: float) -> None:
    before = np.full(400, -0.9)
    after = before + np.repeat([-0.4, -0.1], 200)
    kind = np.arange(400) % 2 == 0
    now = moved_threshold(AT, _p(before), _p(after), kind, np.repeat(weights, 200))
    assert now == pytest.approx(_at(drift), abs=1e-4)


@pytest.mark.parametrize(("near", "moves"), [(0, False), (19, False), (20, True)])
def test_a_threshold_stays_where_too_few_of_a_kind_lie_around_it(near: int, *, moves: bool) -> None:
    before = np.concatenate([np.full(near, -0.9), np.full(500, 5.0), np.full(500, -0.9)])
    is_kind = np.arange(len(before)) < near + 500
    now = _moved(before, np.full(len(before), -0.5), is_kind)
    assert (now != AT) is moves


def test_certain_posts_break_no_threshold() -> None:
    before = np.concatenate([np.full(60, AT), [0.0, 1.0]])
    after = np.concatenate([np.full(60, 1.0), [1.0, 0.0]])
    kind = np.arange(62) % 2 == 0
    assert 0.99 < moved_threshold(AT, before, after, kind, np.ones(62)) <= 1.0
