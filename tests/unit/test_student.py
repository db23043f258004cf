"""The student: what the layers it keeps would say, of the first token, padded or not."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="students need torch (extra train)")

import torch

from replyrank.data.errors import UsageError
from replyrank.models.encoder import TriageModel
from replyrank.models.student import StudentModel
from tests.encoders import tiny_model

IDS = torch.tensor([[2, 20, 30, 40, 50, 3], [2, 60, 70, 3, 0, 0]])
MASK = (IDS > 0).long()


@pytest.fixture
def model(tmp_path: Path) -> TriageModel:
    return tiny_model(tmp_path).eval()


def test_with_all_layers_it_reads_the_first_token_of_the_whole_encoder(model: TriageModel) -> None:
    with torch.inference_mode():
        whole = model.encoder(input_ids=IDS, attention_mask=MASK).last_hidden_state[:, 0]
        need = model.need(whole)
        student = StudentModel.of(model, (0, 1)).eval()
        torch.testing.assert_close(student.pooled(IDS, MASK), whole)
        torch.testing.assert_close(student(IDS, MASK)[0], need)


def test_padding_changes_nothing(model: TriageModel) -> None:
    student = StudentModel.of(model, (0, 1)).eval()
    with torch.inference_mode():
        padded = student.pooled(IDS, MASK)
        torch.testing.assert_close(student.pooled(IDS[:1], None), padded[:1])
        torch.testing.assert_close(student.pooled(IDS[1:, :4], None), padded[1:])


def test_it_has_the_layers_that_are_named(model: TriageModel) -> None:
    upper = model.layers[1]
    student = StudentModel.of(model, (1,))
    assert list(student.layers) == [upper]
    assert student.need is model.need


@pytest.mark.parametrize("layers", [(), (2,), (-1,), (0, 5)])
def test_a_layer_that_there_is_not_is_refused(model: TriageModel, layers: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="the encoder has 2, from 0; name some of these"):
        StudentModel.of(model, layers)


def test_an_encoder_of_another_build_is_refused(model: TriageModel) -> None:
    encoder: Any = model.encoder
    encoder.config.model_type = "distilbert"
    with pytest.raises(UsageError, match="of the kind 'distilbert'; give one of the kinds bert"):
        StudentModel.of(model, (0,))
