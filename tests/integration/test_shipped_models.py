"""The models that ship, on posts written for the project: not how good, but that they work.

Limits are far below what the committed reports show, so that only a broken model fails.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from replyrank.data.readers import Problem, open_source
from replyrank.data.samples.load import load_samples
from replyrank.data.vocabulary import INTENTS, Intent
from replyrank.models import load_scorer
from replyrank.models.find import DEFAULT, FALLBACK, FAST, find_artefact
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.bulk import BulkOptions, score_file
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


#: of a folder that ships, in bytes
MOST = 30_000_000


@pytest.fixture(scope="module", params=[DEFAULT, FAST, FALLBACK])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def scores(model: str) -> ScoreBatch:
    return load_scorer(model).score_batch([sample.message.text for sample in load_samples()])


def test_a_folder_that_ships_is_small(model: str) -> None:
    folder = find_artefact(model).folder
    assert sum(file.stat().st_size for file in folder.iterdir()) <= MOST


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


def test_a_message_is_scored_alike_whatever_stands_beside_it(
    model: str, scores: ScoreBatch
) -> None:
    texts = [sample.message.text for sample in load_samples()]
    scorer = load_scorer(model)
    alone = np.concatenate([scorer.score_batch([text]).need for text in texts])
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = scorer.score_batch([texts[row] for row in order])
    assert np.abs(alone - scores.need).max() < 1e-5
    assert np.abs(shuffled.need - scores.need[order]).max() < 1e-5
    assert shuffled.review == tuple(scores.review[row] for row in order)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_odd_rows_go_through_a_real_model_and_are_told(
    model: str, tmp_path: Path, suffix: str
) -> None:
    odd = {
        "nothing in it": "",
        "another language": "hola, ¿dónde está mi pedido? lo espero desde el lunes y nadie dice",
        "nul": "my parcel \0 never came, where is it?",
        "half a character": "my parcel \ud800 never came, where is it?",
        "very long": "where is my parcel? " * 5_000,
        "plain": "where is my parcel? it should have come on monday",
    }
    source, target = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    lines = [json.dumps({"what": what, "text": text}) for what, text in odd.items()]
    lines += [json.dumps({"what": "no text", "text": ["a list"]}), "not json"]
    source.write_text("\n".join(lines), encoding="utf-8")
    told: list[Problem] = []
    options = BulkOptions(on_problem=told.append)
    summary = score_file(source, target, load_scorer(model), options)
    with open_source(target) as written:
        rows = {str(row["what"]): row for window in written.windows(100) for row in window.rows}
    assert set(rows) == {*odd, "no text"}
    assert (summary.rows, summary.scored, summary.rejected) == (8, 7, 1)
    assert rows["nothing in it"]["review"] == "empty"
    assert rows["another language"]["review"] == "language"
    assert rows["no text"]["review"] == "unreadable"
    wanted = float(str(rows["plain"]["p_support_request"]))
    for what in ("nul", "half a character", "very long"):
        assert rows[what]["intent"] == rows["plain"]["intent"]
        assert abs(float(str(rows[what]["p_support_request"])) - wanted) < 0.4
    reasons = {problem.line: problem.reason for problem in told}
    assert "NUL" in reasons[3]
    assert "U+FFFD" in reasons[4]
    assert "100,000 characters" in reasons[5]
    assert "JSON" in reasons[8]
