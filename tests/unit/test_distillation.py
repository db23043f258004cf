"""Distillation: what is read, what is told of it, and that a student learns it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="distillation needs torch (extra train)")

import torch

from replyrank.models.student import StudentModel
from replyrank.training import distillation, fitting
from replyrank.training.config import StudentConfig
from replyrank.training.distillation import (
    SoftLabels,
    SoftRows,
    StudentStage,
    said_by,
    student_rows,
)
from replyrank.training.losses import soft_loss
from replyrank.training.rows import MASKED, TrainingRows
from tests.encoders import tiny_model, tiny_tokenizer, toy_rows


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (distillation, fitting):
        monkeypatch.setattr(module, "device", lambda: torch.device("cpu"))


def _config(label_share: float) -> StudentConfig:
    return StudentConfig(
        layers=(0,), epochs=40, learning_rate=1e-2, batch_size=16, label_share=label_share
    )


def _rows(*rows: tuple[str, int, int, int]) -> TrainingRows:
    texts, *labels = zip(*rows, strict=True)
    return TrainingRows(texts, *(np.array(column) for column in labels))


def _learnt(folder: Path, rows: TrainingRows, soft: SoftLabels, share: float) -> SoftLabels:
    student = StudentModel.of(tiny_model(folder), (0,))
    read = SoftRows(rows, soft, tiny_tokenizer())
    model = StudentStage(student, read, _config(share), seed=1).run()
    return said_by(model, tiny_tokenizer().ids(rows.texts))


def test_a_text_is_read_once_with_its_first_labels() -> None:
    posts = _rows(("a", 1, 2, 0), ("b", 0, 0, 1))
    tweets = _rows(("b", -1, -1, 2), ("c", -1, -1, 2))
    read = student_rows((posts, tweets), ("c", "d", "a", "d"))
    assert read.texts == ("a", "b", "c", "d")
    assert read.intent.tolist() == [1, 0, MASKED, MASKED]
    assert read.urgency.tolist() == [2, 0, MASKED, MASKED]
    assert read.sentiment.tolist() == [0, 1, 2, MASKED]


def test_what_several_say_on_average_is_kept_on_disk(tmp_path: Path) -> None:
    one, other = SoftLabels.even(3), SoftLabels.even(3)
    other.need[:, 0] += 0.5
    mean = SoftLabels.mean([one, other])
    assert mean.need[:, 0] == pytest.approx([1 / 16 + 0.25] * 3)
    mean.save(tmp_path / "soft.npz")
    again = SoftLabels.load(tmp_path / "soft.npz")
    assert (again.need == mean.need).all()
    assert (again.sentiment == mean.sentiment).all()
    assert [path.name for path in tmp_path.iterdir()] == ["soft.npz"]


def test_what_a_model_says_does_not_depend_on_what_is_read_beside(tmp_path: Path) -> None:
    model, tokens = tiny_model(tmp_path), tiny_tokenizer().ids(toy_rows().texts)
    together = said_by(model, tokens)
    alone = said_by(model, tokens[7:8])
    assert together.need[7:8] == pytest.approx(alone.need, abs=1e-6)
    assert together.need.sum(axis=1) == pytest.approx(np.ones(len(tokens)))
    assert together.sentiment.sum(axis=1) == pytest.approx(np.ones(len(tokens)))


def test_the_loss_is_least_where_the_teachers_are_met() -> None:
    told = torch.tensor([[0.7, 0.2, 0.1]])
    entropy = -(told * told.log()).sum()
    assert soft_loss(told.log(), told).item() == pytest.approx(entropy.item())
    assert soft_loss(torch.zeros(1, 3), told).item() > entropy.item()


def test_without_labels_the_student_says_what_the_teachers_say(tmp_path: Path) -> None:
    known = toy_rows()
    rows = TrainingRows.unlabelled(known.texts)
    soft = SoftLabels.even(len(rows))
    # Not sure of anything, and of the negative ones least.
    soft.sentiment[:] = np.where(known.sentiment[:, None] == 0, [0.4, 0.3, 0.3], [0.1, 0.2, 0.7])
    said = _learnt(tmp_path, rows, soft, 0.3)
    assert np.abs(said.sentiment - soft.sentiment).mean() < 0.05
    assert np.abs(said.need - soft.need).mean() < 0.05


def test_a_known_label_takes_its_share(tmp_path: Path) -> None:
    rows = toy_rows()
    soft = SoftLabels.even(len(rows))
    (tmp_path / "some").mkdir()
    some = _learnt(tmp_path / "some", rows, soft, 0.4)
    each = np.arange(len(rows))
    cell = rows.intent * 4 + rows.urgency
    # 0.4 for the label, and its part of what is spread evenly.
    assert some.sentiment[each, rows.sentiment].mean() == pytest.approx(0.4 + 0.6 / 3, abs=0.05)
    assert some.need[each, cell].mean() == pytest.approx(0.4 + 0.6 / 16, abs=0.05)
