"""The report on posts of companies that a recipe's fold models had not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from replyrank.data.behaviour import load_cases
from replyrank.data.cleaning import clean
from replyrank.data.vocabulary import Review
from replyrank.models.artefact import Artefact
from replyrank.models.calibration import apply_calibration
from replyrank.models.find import open_artefact
from replyrank.models.held_out import HeldOut, load_held_out
from replyrank.models.joint import intents
from replyrank.models.scorer import TextScorer
from replyrank.pipeline.index import queue_index
from replyrank.pipeline.policy import Policy
from replyrank.training.behaviour import behaviour_report, case_texts
from replyrank.training.bootstrap import RESAMPLES
from replyrank.training.evaluate import evaluate
from replyrank.training.evaluation_report import EvaluationReport
from replyrank.training.material import Material
from replyrank.training.predictions import Predictions, predict

_NONE: Final = -1
#: with fewer, resamples draw posts and not companies
_LEAST_COMPANIES: Final = 10


def held_out_report(
    artefact: Artefact, material: Material, policy: Policy, *, resamples: int = RESAMPLES
) -> EvaluationReport:
    """Every figure of an artefact's held-out posts of this material, and its behaviour suites.

    A corrected model keeps those of the model it began with as well; they are not of its run.
    Intervals resample companies, of few ones posts. The seed is 0, so that two models meet the same
    resamples.

    Args:
        artefact: made of ``material``.
        material: gives each post's slices.
        policy: of the index.
        resamples: of the intervals.
    """
    held, config = judged_after(artefact, material), artefact.config
    unsure = intents(held.need).max(axis=1) < config.thresholds.low_confidence
    predictions = Predictions(
        held.need,
        held.p_sentiment,
        tuple(Review.LOW_CONFIDENCE if is_unsure else None for is_unsure in unsure),
        config.priors.sentiment,
    )
    report = evaluate(
        predictions,
        held,
        _slices(held, material),
        0,
        name=config.name,
        index=queue_index(held.need, policy),
        support_threshold=config.thresholds.support_request,
        groups=_groups(held),
        resamples=resamples,
    )
    cases = predict(open_artefact(artefact, threads=1), case_texts(load_cases()))
    behaviour = behaviour_report(cases, seed=0, resamples=resamples)
    return report.model_copy(update={"behaviour": behaviour})


def held_out_before(
    start: Artefact, artefact: Artefact, material: Material, *, resamples: int = RESAMPLES
) -> EvaluationReport:
    """What the model that another began with says of the same posts.

    Args:
        start: the model before.
        artefact: the corrected one, which holds the posts' labels.
        material: whose posts are meant.
        resamples: of the intervals.
    """
    held = judged_before(start, artefact, material)
    said = Predictions(
        held.need, held.p_sentiment, (None,) * len(held), start.config.priors.sentiment
    )
    return evaluate(
        said,
        held,
        {},
        0,
        name=start.config.name,
        support_threshold=start.config.thresholds.support_request,
        groups=_groups(held),
        resamples=resamples,
    )


def judged_after(artefact: Artefact, material: Material) -> HeldOut:
    """The held-out posts of an artefact that are of this material."""
    return _of_material(load_held_out(artefact), material)


def judged_before(start: Artefact, artefact: Artefact, material: Material) -> HeldOut:
    """The same posts, in the same order, judged by the model that was corrected.

    Raises:
        TypeError: if that model gives no logits.
    """
    held = judged_after(artefact, material)
    places = {
        place: text
        for text, place in zip(material.posts.texts, held.places(material.posts.texts), strict=True)
    }
    scorer = open_artefact(start, threads=1)
    if not isinstance(scorer, TextScorer):
        message = f"{start.config.name} gives no logits"
        raise TypeError(message)
    # As what the folds say: without what the service sets aside by language.
    logits = scorer.logits([clean(places[row]) for row in range(len(held))])
    calibration = start.config.calibration
    return replace(
        held,
        need=apply_calibration(logits.need, calibration.need),
        p_sentiment=apply_calibration(logits.sentiment, calibration.sentiment),
    )


def _groups(held: HeldOut) -> list[str | None] | None:
    """The company of each post; None where too few companies say how they vary."""
    if len({*held.company.tolist()} - {_NONE}) < _LEAST_COMPANIES:
        return None
    return [None if number == _NONE else str(number) for number in held.company]


def _of_material(held: HeldOut, material: Material) -> HeldOut:
    known = {place for place in held.places(material.posts.texts) if place is not None}
    return held.take(np.array(sorted(known), dtype=np.int64))


def _slices(held: HeldOut, material: Material) -> Mapping[str, Sequence[str | None]]:
    """Each held-out post's source, channel and length; None of a post that is not known."""
    row_of = {
        place: row
        for row, place in enumerate(held.places(material.posts.texts))
        if place is not None
    }
    rows = [row_of.get(place) for place in range(len(held))]
    return {
        name: [None if row is None else values[row] for row in rows]
        for name, values in material.slices.items()
    }
