"""The fp32 graph answers as torch does, and takes token ids only."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="exporting needs torch (extra train)")
onnx = pytest.importorskip("onnx", reason="exporting needs onnx (extra train)")

import torch

from replyrank.models.encoder import TriageModel
from replyrank.models.export import export_fp32, torch_logits
from replyrank.models.parity import FP32_MAX, OnnxGraph, Probabilities, alone, by_length
from replyrank.training.batches import pad, tokenise
from tests.encoders import tiny_model, tiny_tokenizer, toy_rows


@pytest.fixture(scope="module")
def tokens() -> list[list[int]]:
    texts = [*toy_rows(8).texts, "it", "a much longer text of letters and more words than others"]
    return tokenise(tiny_tokenizer(), texts)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TriageModel:
    # Dropout that must be off in the export, and a head that tells texts apart.
    made = tiny_model(tmp_path_factory.mktemp("encoder"), dropout=0.5)
    with torch.no_grad():
        made.need.weight.mul_(4)
    return made


@pytest.fixture(scope="module")
def graph(model: TriageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "fp32.onnx"
    model.train()
    export_fp32(model, path)
    return path


def test_the_graph_takes_token_ids_of_any_shape_and_nothing_else(graph: Path) -> None:
    content = onnx.load(str(graph)).graph
    assert [item.name for item in content.input] == ["input_ids"]
    assert [item.name for item in content.output] == ["need", "sentiment"]
    shape = content.input[0].type.tensor_type.shape
    assert [axis.dim_param for axis in shape.dim] == ["batch", "length"]
    widths = [item.type.tensor_type.shape.dim[-1].dim_value for item in content.output]
    assert widths == [16, 3]
    assert not any(node.op_type == "Dropout" for node in content.node)


def test_fp32_answers_as_torch_alone_and_in_batches(
    model: TriageModel, graph: Path, tokens: list[list[int]]
) -> None:
    reference = Probabilities.of_logits(*(part.numpy() for part in torch_logits(model, tokens)))
    # Texts that a random model tells apart, or agreement would say nothing.
    assert np.ptp(reference.need, axis=0).max() > 0.1
    for batches in (alone(tokens), by_length(tokens, 8)):
        answer = OnnxGraph(graph).run(tokens, batches)
        assert reference.differences(answer).max() <= FP32_MAX


def test_torch_without_padding_agrees_with_the_model_as_trained(
    model: TriageModel, tokens: list[list[int]]
) -> None:
    need, sentiment = torch_logits(model, tokens)
    with torch.inference_mode():
        padded_need, padded_sentiment = model.eval()(*pad(tokens))
    torch.testing.assert_close(need, padded_need, rtol=0, atol=1e-4)
    torch.testing.assert_close(sentiment, padded_sentiment, rtol=0, atol=1e-4)


def test_the_same_model_gives_the_same_file(
    model: TriageModel, graph: Path, tmp_path: Path
) -> None:
    export_fp32(model, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == graph.read_bytes()


def test_exporting_says_nothing(
    model: TriageModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export_fp32(model, tmp_path / "quiet.onnx")
    assert capfd.readouterr() == ("", "")
