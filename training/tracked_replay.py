"""What a finished run is worth to the queue, in a short replay: late answers, cost of waiting."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.data.samples.load import load_samples
from replyrank.models.artefact import Artefact
from replyrank.models.find import open_artefact
from replyrank.models.held_out import HeldOut, load_held_out
from replyrank.pipeline.errors import SimulationError
from replyrank.pipeline.simulation.orders import OrderName
from replyrank.training.held_out_posts import held_out_posts
from replyrank.training.held_out_report import judged_after, judged_before
from replyrank.training.material import Material
from replyrank.training.predictions import predict
from replyrank.training.rows import TrainingRows
from replyrank.training.sample_replay import replay_sample

_ORDERS: Final = (OrderName.FIFO, OrderName.STRICT, OrderName.OURS, OrderName.ORACLE)
#: what MLflow does not take in a metric's name
NOT_IN_NAMES: Final = re.compile(r"[^\w./ -]+")


@dataclass(frozen=True)
class Replayed:
    """What a replay of the sample trace shows; no figure where no posts were enough for one."""

    metrics: Mapping[str, float]
    #: whose labels the messages of the trace stand for
    posts: str


def replayed(artefact: Artefact) -> Replayed:
    """A new model, on its own held-out posts."""
    try:
        return Replayed(_metrics(load_held_out(artefact)), "held out")
    except SimulationError:
        return Replayed({}, "too few")


def replayed_beside(start: Artefact, artefact: Artefact, material: Material) -> Replayed:
    """A corrected model, and as ``before/...`` the one it began with, on the same posts.

    Most of its held-out posts are those it began with, of which it says what that model said: a
    replay of them would not tell the two apart. So the team's posts alone stand in, each judged by
    the model blind to it. Where they lack one of the six classes, the samples do, which neither
    model has learnt; they are of invented brands, and tell whether the queue got worse and not how
    good it is.
    """
    try:
        after = _metrics(judged_after(artefact, material))
        before, posts = _metrics(judged_before(start, artefact, material)), "the team's"
    except SimulationError:
        before, after = (_metrics(_judged_samples(one)) for one in (start, artefact))
        posts = "samples"
    return Replayed({**after, **{f"before/{name}": value for name, value in before.items()}}, posts)


def _judged_samples(artefact: Artefact) -> HeldOut:
    """The labelled samples, as an artefact scores them."""
    samples = [one for one in load_samples() if one.labels.intent is not None]
    texts = [one.message.text for one in samples]
    said = predict(open_artefact(artefact, threads=1), texts)
    if said.need is None or said.p_sentiment is None:
        message = f"{artefact.config.name} lacks a head"
        raise TypeError(message)
    names = sorted({one.message.brand or "" for one in samples})
    brands = np.array([names.index(one.message.brand or "") for one in samples], dtype=np.int64)
    rows = TrainingRows.of(texts, [one.labels for one in samples])
    return held_out_posts(rows, brands, said.need, said.p_sentiment)


def _metrics(posts: HeldOut) -> dict[str, float]:
    """Late urgent answers and cost on the sample trace, by scenario and order.

    Raises:
        SimulationError: if the posts lack a class.
    """
    found: dict[str, float] = {}
    for runs in replay_sample(posts, _ORDERS):
        least = runs.figure(OrderName.ORACLE, "cost").sum()
        for order in _ORDERS:
            late = runs.figure(order, "urgent_late").sum() / runs.figure(order, "urgent").sum()
            place = NOT_IN_NAMES.sub("_", f"replay/{runs.case.scenario}/{order}")
            found[f"{place}/urgent late"] = float(late)
            found[f"{place}/cost by oracle"] = float(runs.figure(order, "cost").sum() / least)
    return found
