"""What a model makes of the behaviour suites: which cases pass, by capability and by kind."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.data.behaviour import Case, Expectation, Kind, Rising, load_cases
from replyrank.data.vocabulary import (
    INTENTS,
    SENTIMENT_LABELS,
    Intent,
    SentimentLabel,
    UrgencyLevel,
)
from replyrank.training.bootstrap import bootstrap
from replyrank.training.evaluation_report import BehaviourReport, Figure, SuiteReport
from replyrank.training.metrics import BoolArray, FloatArray
from replyrank.training.predictions import Predictions

#: urgency may move by so much between texts that must be judged alike
STEADY: Final = 0.05
#: what counts as not falling, in probability, and what more than this as rising
TOLERANCE: Final = 0.02
#: where both texts stand above this, there is no room to rise: it counts as rising too
FULL: Final = 0.9
#: from this urgency on a text counts as urgent
_URGENT: Final = 0.5

_HIGH: Final = UrgencyLevel.HIGH.value
_SUPPORT: Final = INTENTS.index(Intent.SUPPORT_REQUEST)
_NEGATIVE: Final = SENTIMENT_LABELS.index(SentimentLabel.NEGATIVE)
_POSITIVE: Final = SENTIMENT_LABELS.index(SentimentLabel.POSITIVE)


def case_texts(cases: Iterable[Case]) -> tuple[str, ...]:
    """The texts of all cases, one case after the other."""
    return tuple(text for case in cases for text in case.texts)


def behaviour_report(predictions: Predictions, *, seed: int, resamples: int) -> BehaviourReport:
    """Pass rates of the shipped suites; intervals draw templates, whose cases resemble each other.

    Args:
        predictions: of ``case_texts(load_cases())``, with both heads.
        seed: of the resamples.
        resamples: how many.
    """
    cases = load_cases()
    judged = _judged(cases, predictions)
    templates = _numbers([case.template for case in cases])

    def rate(values: BoolArray, rows: BoolArray) -> Figure:
        return _rate(values[rows], templates[rows], seed, resamples)

    suites = []
    of = np.array([case.capability for case in cases])
    kind = np.array([case.kind.value for case in cases])
    invariant, direction = kind == Kind.INVARIANCE.value, kind == Kind.DIRECTION.value
    for capability in dict.fromkeys(case.capability for case in cases):
        rows = of == capability
        suites.append(
            SuiteReport(
                capability=capability,
                templates=len(np.unique(templates[rows])),
                passed=rate(judged.passed, rows),
                steady=rate(judged.steady, rows & invariant) if (rows & invariant).any() else None,
                rises=rate(judged.rises, rows & direction) if (rows & direction).any() else None,
            )
        )
    return BehaviourReport(
        suites=tuple(suites),
        kinds={name.value: rate(judged.passed, kind == name.value) for name in Kind},
        rises=rate(judged.rises, direction),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """Arrays (n,) over the cases."""

    #: whether each passes
    passed: BoolArray
    #: whether urgency stands still between its texts
    steady: BoolArray
    #: of directions: whether what must not fall rises
    rises: BoolArray


def _judged(cases: Sequence[Case], predictions: Predictions) -> _Judged:
    """What is true of each case."""
    p_intent, p_urgency = predictions.p_intent, predictions.p_urgency
    sentiment = predictions.sentiment
    if p_intent is None or p_urgency is None or sentiment is None:
        message = "behaviour suites need predictions of both heads"
        raise ValueError(message)
    passed, steady, rises = np.zeros((3, len(cases)), dtype=np.bool_)
    place = 0
    for row, case in enumerate(cases):
        texts = slice(place, place + len(case.texts))
        place += len(case.texts)
        intent, level, mood = p_intent[texts], p_urgency[texts], sentiment.p[texts]
        urgency = level[:, _HIGH:].sum(axis=1)
        steady[row] = np.ptp(urgency) < STEADY
        if case.expect is not None:
            label = int(sentiment.predicted[texts.start])
            passed[row] = _is_met(case.expect, intent[0], level[0], label)
        elif case.rising is not None:
            value = _watched(case.rising, intent, urgency, mood)
            passed[row] = value[1] >= value[0] - TOLERANCE
            rises[row] = value[1] > value[0] + TOLERANCE or value.min() > FULL
        else:
            same = len({*intent.argmax(axis=1).tolist()}) == 1
            passed[row] = same and len({*(urgency >= _URGENT).tolist()}) == 1
    return _Judged(passed, steady, rises)


def _is_met(expect: Expectation, intent: FloatArray, level: FloatArray, sentiment: int) -> bool:
    """Whether the labels are what is expected."""
    likeliest = int(level.argmax())
    return (
        (expect.intent is None or INTENTS[intent.argmax()] == expect.intent)
        and (expect.sentiment is None or SENTIMENT_LABELS[sentiment] == expect.sentiment)
        and (expect.least_urgency is None or likeliest >= expect.least_urgency.value)
        and (expect.most_urgency is None or likeliest <= expect.most_urgency.value)
    )


def _watched(
    rising: Rising, intent: FloatArray, urgency: FloatArray, mood: FloatArray
) -> FloatArray:
    """(texts,) what must not fall."""
    values: Mapping[Rising, FloatArray] = {
        Rising.URGENCY: urgency,
        Rising.SENTIMENT: mood[:, _POSITIVE] - mood[:, _NEGATIVE],
        Rising.SUPPORT_REQUEST: intent[:, _SUPPORT],
    }
    return values[rising]


def _rate(passed: BoolArray, templates: np.ndarray, seed: int, resamples: int) -> Figure:
    def share(weights: FloatArray) -> Mapping[str, FloatArray]:
        # Templates are drawn whole, and there is one at least: no resample is empty.
        return {"rate": weights @ passed / weights.sum(axis=1)}

    groups = np.unique(templates, return_inverse=True)[1]
    found = bootstrap(share, len(passed), seed=seed, resamples=resamples, groups=groups)["rate"]
    return Figure(
        value=float(found.value), low=float(found.low), high=float(found.high), n=len(passed)
    )


def _numbers(names: Sequence[str]) -> np.ndarray:
    return np.unique(np.array(names), return_inverse=True)[1]
