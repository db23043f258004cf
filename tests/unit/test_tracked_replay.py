"""A corrected model is replayed beside the one it began with, on posts that both judge."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mlflow", reason="tracking needs mlflow (extra train)")
pytest.importorskip("torch", reason="the material is of training (extra train)")

from replyrank.models.find import find_artefact
from replyrank.models.held_out import HeldOut, load_held_out
from replyrank.pipeline.simulation.population import shared_posts
from replyrank.training import sample_replay, tracked_replay
from replyrank.training.tracked_replay import Replayed, replayed_beside

OURS = "replay/load 0.9/replyrank/cost by oracle"
FIFO = "replay/load 0.9/first come_ first served/cost by oracle"


@pytest.fixture(autouse=True)
def one_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_replay, "_SEEDS", 1)


def judged(model: str, n: int) -> HeldOut:
    """The same posts by either shipped model, all of one company."""
    posts, other = (load_held_out(find_artefact(name)) for name in ("default", "fallback"))
    keys = shared_posts(posts, other)[:n]
    chosen = posts if model == "default" else other
    rows = {int(key): row for row, key in enumerate(chosen.key)}
    taken = chosen.take(np.array([rows[key] for key in keys]))
    return replace(taken, company=np.zeros(n, np.int64))


def beside(monkeypatch: pytest.MonkeyPatch, before: HeldOut, after: HeldOut) -> Replayed:
    monkeypatch.setattr(tracked_replay, "judged_before", lambda *_: before)
    monkeypatch.setattr(tracked_replay, "judged_after", lambda *_: after)
    models = find_artefact("fallback"), find_artefact("fast")
    return replayed_beside(*models, material=None)  # type: ignore[arg-type]


def test_the_teams_posts_of_one_company_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = beside(monkeypatch, judged("fallback", 600), judged("default", 600))
    assert found.posts == "the team's"
    assert found.metrics[OURS] < found.metrics[f"before/{OURS}"]
    # Both meet the same messages: what no model decides is the same.
    assert found.metrics[FIFO] == found.metrics[f"before/{FIFO}"] > found.metrics[OURS]


def test_posts_that_lack_a_class_leave_it_to_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    after = judged("default", 600)
    calm = after.take(np.flatnonzero(after.urgency < 3))
    found = beside(monkeypatch, calm, calm)
    assert found.posts == "samples"
    assert found.metrics[OURS] < found.metrics[f"before/{OURS}"]
    assert found.metrics[FIFO] == found.metrics[f"before/{FIFO}"]
