"""Encoders of several kinds train and export alike; others are refused in words."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs torch (extra train)")
transformers = pytest.importorskip("transformers", reason="encoders come by it (extra train)")

import torch

from replyrank.data.errors import UsageError
from replyrank.models.artefact import TOKENIZER
from replyrank.models.encoder import TriageModel, encoder_folder, encoder_tokenizer
from replyrank.models.export import export_fp32, torch_logits
from replyrank.models.parity import FP32_MAX, OnnxGraph, Probabilities, by_length
from replyrank.training.batches import tokenise
from tests.encoders import HIDDEN, VOCABULARY, tiny_tokenizer, toy_rows

_SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": HIDDEN,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
}
_DISTIL = {
    **{"vocab_size": len(VOCABULARY), "dim": HIDDEN, "n_layers": 3, "n_heads": 2},
    **{"hidden_dim": 64, "max_position_embeddings": 80},
}
CONFIGS = {
    "bert": transformers.BertConfig(**_SIZES),
    "roberta": transformers.RobertaConfig(**_SIZES, pad_token_id=1),
    "distilbert": transformers.DistilBertConfig(**_DISTIL),
}


def _saved(config: Any, folder: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.AutoModel.from_config(config).save_pretrained(str(folder))
    tiny_tokenizer().save(folder / TOKENIZER)
    return folder


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_kind_trains_and_exports(kind: str, tmp_path: Path) -> None:
    folder = _saved(CONFIGS[kind], tmp_path / "encoder")
    model = TriageModel.from_encoder(str(folder), dropout=0.25)
    assert len(model.layers) == 3
    assert sum(p.numel() for p in model.embeddings.parameters()) > HIDDEN * len(VOCABULARY)
    rates = {part.p for part in model.encoder.modules() if isinstance(part, torch.nn.Dropout)}
    assert rates <= {0.25, 0.0}
    assert 0.25 in rates
    tokens = tokenise(encoder_tokenizer(str(folder), 64), toy_rows(4).texts)
    export_fp32(model, tmp_path / "fp32.onnx")
    reference = Probabilities.of_logits(*(part.numpy() for part in torch_logits(model, tokens)))
    answer = OnnxGraph(tmp_path / "fp32.onnx").run(tokens, by_length(tokens, 8))
    assert reference.differences(answer).max() <= FP32_MAX


def test_another_kind_is_refused(tmp_path: Path) -> None:
    config = transformers.GPT2Config(n_embd=HIDDEN, n_layer=1, n_head=2, vocab_size=40)
    folder = _saved(config, tmp_path / "encoder")
    with pytest.raises(UsageError, match=r"kind 'gpt2'; give one of the kinds bert, roberta"):
        TriageModel.from_encoder(str(folder), dropout=0.1)


def test_a_name_that_is_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        message = "no connection\nand more"
        raise OSError(message)

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(UsageError, match=r"'acme/bert' is no folder, .* \(no connection\); give"):
        encoder_folder("acme/bert")
