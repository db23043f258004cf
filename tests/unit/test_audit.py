"""Labels that a model finds unlikely are looked at first."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import INTENTS
from replyrank.models.artefact import Artefact, verify
from replyrank.models.held_out import HeldOut, short_key
from replyrank.training import audit as module
from replyrank.training.audit import Suspect, as_csv, audit, suspicion
from replyrank.training.labelled import read_labelled
from replyrank.training.predictions import Predictions
from replyrank.training.rows import TrainingRows
from tests.artefacts import tiny_linear_artefact


def labels(*rows: tuple[int, int, int]) -> TrainingRows:
    columns = np.array(rows, dtype=np.int64)
    texts = tuple(f"post {n}" for n in range(len(rows)))
    return TrainingRows(texts, columns[:, 0], columns[:, 1], columns[:, 2])


def need(intent: int, level: int, p: float) -> np.ndarray:
    cells = np.full((4, 4), (1 - p) / 15)
    cells[intent, level] = p
    return cells.reshape(-1)


def test_a_post_is_as_suspect_as_its_least_likely_label() -> None:
    p_need = np.stack([need(0, 0, 0.97), need(0, 0, 0.97), need(1, 0, 0.85), need(0, 0, 0.97)])
    p_sentiment = np.array([[0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    given = labels((0, 0, 0), (0, 3, 0), (1, 0, 2), (-1, -1, -1))
    found = suspicion(p_need, p_sentiment, given)
    # A level of probability 0.008, then a sentiment of 0.1, then what is likely, then no label.
    assert found.order.tolist() == [1, 2, 0, 3]
    assert found.label[found.order[:2]].tolist() == [1, 2]
    assert found.confidence[3] == 0
    assert np.exp(found.confidence[2]) == pytest.approx(0.1)


def test_suspects_say_what_was_given_and_what_the_model_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "text,intent,urgency,sentiment\n"
        "fine,support_request,0,negative\n"
        "no label,,,\n"
        '"wrong, and known",praise,0,negative\n'
    )
    config = verify(tiny_linear_artefact(tmp_path / "tiny")).config
    artefact = Artefact(tmp_path, config, "0" * 64)
    said = Predictions(
        np.stack([need(0, 0, 0.97), need(1, 0, 0.97)]),
        np.array([[0.9, 0.05, 0.05]] * 2),
        (None, None),
    )
    monkeypatch.setattr(module, "predict", lambda *_: said)
    monkeypatch.setattr(module, "load_scorer", lambda *_, **__: None)
    # Of the post that it was trained on, the model says what is given, and its fold model does not.
    known = short_key(text_key("wrong, and known"))

    held_out = HeldOut(
        key=np.array([known], dtype=np.uint64),
        company=np.array([-1]),
        intent=np.array([1]),
        urgency=np.array([0]),
        sentiment=np.array([0]),
        need=need(0, 0, 0.97)[None],
        p_sentiment=np.array([[0.9, 0.05, 0.05]]),
        rule_hits=np.zeros((1, 1), dtype=np.bool_),
        rules="none",
    )
    (tmp_path / "held_out.npz").write_bytes(b"")
    monkeypatch.setattr(module, "load_held_out", lambda _: held_out)
    suspects = audit(read_labelled(path), artefact, 1)
    assert suspects == [
        Suspect(
            line=4,
            text="wrong, and known",
            label="intent",
            given="praise",
            said="support_request",
            p_given=0.008,
            p_said=0.976,
        )
    ]
    rows = list(csv.DictReader(io.StringIO(as_csv(suspects))))
    assert rows[0]["text"] == "wrong, and known"
    assert list(rows[0]) == ["line", "text", "label", "given", "said", "p_given", "p_said"]


def test_a_real_model_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("text,intent\n" + "".join(f"post {n},{INTENTS[n % 4]}\n" for n in range(9)))
    suspects = audit(read_labelled(path), verify(tiny_linear_artefact(tmp_path / "tiny")), 5)
    assert len(suspects) == 5
    doubts = [one.p_given for one in suspects]
    assert doubts == sorted(doubts)
    assert {one.label for one in suspects} == {"intent"}
