"""The models that ship, on posts written for the project: not how good, but that they work.

Limits are far below what the committed reports show, so that only a broken model fails.
"""

import numpy as np
import pytest

from replyrank.data.samples.load import load_samples
from replyrank.data.vocabulary import INTENTS, Intent
from replyrank.models import load_scorer
from replyrank.models.find import DEFAULT, FALLBACK
from replyrank.models.scores import ScoreBatch
from replyrank.training.metrics import auroc

URGENT = (
    "Someone is using my stolen card right now, block it please!",
    "My mother is stuck at gate 12 without her wheelchair and boarding ends in ten minutes",
    "your charger just caught fire in my kid's bedroom",
)
IDLE = (
    "love the new colours, well done!",
    "good morning everyone, happy friday",
    "we are hiring! see the link for all jobs",
)


@pytest.fixture(scope="module", params=[DEFAULT, FALLBACK])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def scores(model: str) -> ScoreBatch:
    return load_scorer(model).score_batch([sample.message.text for sample in load_samples()])


def test_a_stolen_card_comes_before_small_talk(model: str) -> None:
    found = load_scorer(model).score_batch([*URGENT, *IDLE])
    urgent, idle = np.split(found.p_urgency[:, 2:].sum(axis=1), [len(URGENT)])
    assert urgent.min() > idle.max()
    assert urgent[0] > 0.3
    assert idle.max() < 0.2


def test_requests_and_urgent_posts_are_found(scores: ScoreBatch) -> None:
    labels = [sample.labels for sample in load_samples()]
    request = np.array([label.intent is Intent.SUPPORT_REQUEST for label in labels])
    urgent = np.array([(label.urgency or 0) >= 2 for label in labels])
    p_request = scores.p_intent[:, INTENTS.index(Intent.SUPPORT_REQUEST)]
    assert auroc(request, p_request) > 0.85
    assert auroc(urgent, scores.p_urgency[:, 2:].sum(axis=1)) > 0.8
