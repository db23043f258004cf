"""Pass rates of the behaviour suites: a model that knows every answer, and ones that do not."""

import numpy as np
import pytest

from replyrank.data.behaviour import Kind, Rising, load_cases
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS
from replyrank.training.behaviour import FULL, STEADY, TOLERANCE, behaviour_report, case_texts
from replyrank.training.evaluation_report import BehaviourReport
from replyrank.training.predictions import Predictions

CASES = load_cases()
N = len(case_texts(CASES))


def _report(need: np.ndarray, mood: np.ndarray) -> BehaviourReport:
    predictions = Predictions(need.reshape(N, 16), mood, (None,) * N)
    return behaviour_report(predictions, seed=0, resamples=50)


def _right() -> tuple[np.ndarray, np.ndarray]:
    """What is expected, with all probability; of directions, more in the second text."""
    need, mood = np.zeros((N, 4, 4)), np.zeros((N, 3))
    row = 0
    for case in CASES:
        for place in range(len(case.texts)):
            intent, level, sentiment = 0, 0, 1
            if case.expect is not None:
                expect = case.expect
                intent = 0 if expect.intent is None else INTENTS.index(expect.intent)
                sentiment = (
                    1 if expect.sentiment is None else SENTIMENT_LABELS.index(expect.sentiment)
                )
                least = expect.least_urgency
                level = 0 if least is None else least.value
            elif place and case.rising is not None:
                level = 3 if case.rising is Rising.URGENCY else 0
                sentiment = 2 if case.rising is Rising.SENTIMENT else 1
            need[row, intent, level] = mood[row, sentiment] = 1.0
            row += 1
    return need, mood


def test_a_model_that_knows_every_answer_passes_every_case() -> None:
    report = _report(*_right())
    assert {suite.passed.value for suite in report.suites} == {1.0}
    assert {suite.steady.value for suite in report.suites if suite.steady} == {1.0}
    assert {suite.rises.value for suite in report.suites if suite.rises} == {1.0}
    assert {kind: figure.value for kind, figure in report.kinds.items()} == dict.fromkeys(Kind, 1.0)
    assert sum(suite.passed.n for suite in report.suites) == len(CASES)
    assert sum(figure.n for figure in report.kinds.values()) == len(CASES)


def test_a_model_that_always_says_the_same_fails_where_it_is_asked_something() -> None:
    need, mood = np.full((N, 4, 4), 1 / 16), np.full((N, 3), 1 / 3)
    report = _report(need, mood)
    kinds = {kind: figure.value for kind, figure in report.kinds.items()}
    assert kinds[Kind.INVARIANCE] == kinds[Kind.DIRECTION] == 1.0
    minimum = kinds[Kind.MINIMUM]
    assert minimum is not None
    assert minimum < 0.4
    # Nothing falls, and nothing rises.
    assert report.rises is not None
    assert report.rises.value == 0
    assert report.rises.n == sum(case.kind is Kind.DIRECTION for case in CASES)
    assert {suite.rises.value for suite in report.suites if suite.rises} == {0.0}
    told = {suite.capability for suite in report.suites if suite.rises}
    assert told == {case.capability for case in CASES if case.kind is Kind.DIRECTION}


def _first_text_of(kind: Kind) -> tuple[int, str]:
    row = 0
    for case in CASES:
        if case.kind is kind:
            return row, case.capability
        row += len(case.texts)
    raise AssertionError


def _share_of(report: BehaviourReport, capability: str, *, steady: bool = False) -> float:
    suite = next(suite for suite in report.suites if suite.capability == capability)
    figure = suite.steady if steady else suite.passed
    assert figure is not None
    assert figure.value is not None
    return figure.value * figure.n


@pytest.mark.parametrize("moved", [STEADY - 0.01, STEADY + 0.01])
def test_steady_is_a_small_move_of_urgency(moved: float) -> None:
    need, mood = _right()
    row, capability = _first_text_of(Kind.INVARIANCE)
    before = _share_of(_report(need, mood), capability, steady=True)
    need[row, 0, 0], need[row, 0, 2] = 1 - moved, moved
    report = _report(need, mood)
    assert before - _share_of(report, capability, steady=True) == pytest.approx(
        float(moved > STEADY)
    )
    # Neither the likeliest intent nor whether it is urgent has changed.
    assert _share_of(report, capability) == pytest.approx(before)


@pytest.mark.parametrize(("intent", "level"), [(1, 0), (0, 3)])
def test_another_intent_or_urgency_is_a_flip(intent: int, level: int) -> None:
    need, mood = _right()
    row, capability = _first_text_of(Kind.INVARIANCE)
    before = _share_of(_report(need, mood), capability)
    need[row] = 0
    need[row, intent, level] = 1
    assert before - _share_of(_report(need, mood), capability) == pytest.approx(1)


@pytest.mark.parametrize("fall", [TOLERANCE - 0.01, TOLERANCE + 0.01])
def test_a_fall_beyond_the_tolerance_violates_a_direction(fall: float) -> None:
    need, mood = _right()
    row, capability = _first_text_of(Kind.DIRECTION)
    before = _share_of(_report(need, mood), capability)
    for text, urgency in ((row, 0.5 + fall), (row + 1, 0.5)):
        need[text] = 0
        need[text, 0, 0], need[text, 0, 3] = 1 - urgency, urgency
    after = _share_of(_report(need, mood), capability)
    assert before - after == pytest.approx(float(fall > TOLERANCE))


@pytest.mark.parametrize(
    ("before", "after", "rises"),
    [
        (0.5, 0.5 + TOLERANCE + 0.01, True),
        (0.5, 0.5 + TOLERANCE - 0.01, False),
        (FULL + 0.02, FULL + 0.01, True),
        (FULL + 0.01, FULL - 0.01, False),
    ],
)
def test_what_rises_goes_up_or_is_near_the_top(before: float, after: float, rises: bool) -> None:
    need, mood = _right()
    row, capability = _first_text_of(Kind.DIRECTION)
    for text, urgency in ((row, before), (row + 1, after)):
        need[text] = 0
        need[text, 0, 0], need[text, 0, 3] = 1 - urgency, urgency
    suites = _report(need, mood).suites
    (figure,) = (suite.rises for suite in suites if suite.capability == capability)
    assert figure is not None
    assert figure.value is not None
    assert figure.n - figure.value * figure.n == pytest.approx(float(not rises))


def test_a_model_without_a_head_is_refused() -> None:
    with pytest.raises(ValueError, match="need predictions of both heads"):
        behaviour_report(
            Predictions(None, np.full((N, 3), 1 / 3), (None,) * N), seed=0, resamples=5
        )
