"""Tiny artefacts for tests: real files of every kind, built in milliseconds."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from replyrank.data.cleaning import CLEANING_VERSION
from replyrank.models.artefact import Artefact, write_manifest
from replyrank.models.config import (
    Calibration,
    HeadCalibration,
    ModelConfig,
    ModelKind,
    Priors,
    Thresholds,
)
from replyrank.models.linear import CLASSES, LinearScorer, LinearWeights, save_weights
from replyrank.models.scorer import OnnxScorer, TextScorer
from replyrank.models.selftest import write_selftest

HIDDEN: Final = 16

TEXTS: Final = (
    "@acme my order never came and nobody answers, where is it?",
    "Thank you so much, the new app is great!",
    "I was charged twice for my flight and I need the money back today",
    "what a nice day",
    "The fees of this bank are too high, they should be ashamed of them",
    "Can you tell me when the shop in the station will open?",
)

_WORDS: Final = ("the", "my", "is", "it", "where", "order", "app", "bank", "day", "?", "!", ",")


def tiny_config(kind: ModelKind = ModelKind.TRANSFORMER, **changes: Any) -> ModelConfig:
    """A configuration with uneven calibration and priors, so that mixing them up shows."""
    sixteen = np.arange(1, 17) / np.arange(1, 17).sum()
    fields: dict[str, Any] = {
        "name": f"tiny-{kind}-1.0",
        "kind": kind,
        "cleaning": CLEANING_VERSION,
        "max_tokens": 32,
        "calibration": Calibration(
            need=HeadCalibration(
                scale=tuple(np.linspace(0.5, 2, 16).tolist()),
                bias=tuple(np.linspace(-1, 1, 16).tolist()),
            ),
            sentiment=HeadCalibration(scale=(1.0, 2.0, 0.5), bias=(0.1, -0.2, 0.3)),
        ),
        "priors": Priors(need=tuple(sixteen.tolist()), sentiment=(0.5, 0.3, 0.2)),
        "thresholds": Thresholds(support_request=0.4, low_confidence=0.0, language_margin=3.75),
    }
    return ModelConfig(**(fields | changes))


def word_pieces(tokens: Sequence[str]) -> Tokenizer:
    """A tokenizer of the kind that encoders come with, of a vocabulary with the usual marks."""
    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocab=numbers, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])],
    )
    return tokenizer


def tiny_tokenizer(path: Path) -> None:
    """A WordPiece tokenizer that knows letters and a few words; it truncates and pads badly."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789'"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_WORDS, *letters, *(f"##{x}" for x in letters)]
    tokenizer = word_pieces(tokens)
    # What a training library leaves in the file must not reach the scorer.
    tokenizer.enable_padding(length=24)
    tokenizer.enable_truncation(max_length=4)
    tokenizer.save(str(path))


def tiny_graph(
    path: Path,
    *,
    seed: int = 0,
    need: str = "need",
    need_cells: int = 16,
    mask: bool = False,
) -> None:
    """One layer of self-attention over embeddings, mean-pooled, with two heads."""
    onnx = pytest.importorskip("onnx", reason="graphs are built with onnx (extra train)")
    helper, tensor = onnx.helper, onnx.TensorProto
    names = ("input_ids", "attention_mask") if mask else ("input_ids",)
    graph = helper.make_graph(
        _tiny_nodes(helper.make_node, need),
        "tiny",
        [helper.make_tensor_value_info(name, tensor.INT64, ["batch", "length"]) for name in names],
        [
            helper.make_tensor_value_info(need, tensor.FLOAT, ["batch", need_cells]),
            helper.make_tensor_value_info("sentiment", tensor.FLOAT, ["batch", 3]),
        ],
        [
            onnx.numpy_helper.from_array(values, name)
            for name, values in _tiny_weights(seed, need_cells).items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _tiny_nodes(node: Callable[..., Any], need: str) -> list[Any]:
    return [
        node("Gather", ["embeddings", "input_ids"], ["x"]),
        node("Transpose", ["x"], ["x_t"], perm=[0, 2, 1]),
        node("MatMul", ["x", "x_t"], ["similarity"]),
        node("Softmax", ["similarity"], ["attention"], axis=-1),
        node("MatMul", ["attention", "x"], ["mixed"]),
        node("Add", ["x", "mixed"], ["sum"]),
        # The mean by a matrix product: ReduceMean sums a batch of one in another order.
        node("MatMul", ["sum", "zeros"], ["no_preference"]),
        node("Softmax", ["no_preference"], ["share"], axis=1),
        node("Transpose", ["share"], ["share_row"], perm=[0, 2, 1]),
        node("MatMul", ["share_row", "sum"], ["mean"]),
        node("Squeeze", ["mean", "axis_1"], ["pooled"]),
        node("MatMul", ["pooled", "need_weight"], [need]),
        node("MatMul", ["pooled", "sentiment_weight"], ["sentiment"]),
    ]


def _tiny_weights(seed: int, need_cells: int) -> dict[str, npt.NDArray[Any]]:
    random = np.random.default_rng(seed)
    shapes = {
        "embeddings": (128, HIDDEN),
        "need_weight": (HIDDEN, need_cells),
        "sentiment_weight": (HIDDEN, 3),
    }
    weights: dict[str, npt.NDArray[Any]] = {
        name: random.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()
    }
    return weights | {
        "zeros": np.zeros((HIDDEN, 1), dtype=np.float32),
        "axis_1": np.array([1], dtype=np.int64),
    }


def unverified(folder: Path) -> Artefact:
    """The artefact in ``folder`` as ``verify`` would return it, unchecked."""
    config = ModelConfig.model_validate_json((folder / "config.json").read_bytes())
    return Artefact(folder=folder, config=config, manifest_sha256="")


def seal(folder: Path, scorer: TextScorer, texts: Sequence[str] = TEXTS) -> Path:
    """Add the self-test and the manifest."""
    write_selftest(scorer, texts, folder / "selftest.jsonl")
    (folder / "card.md").write_text("# A tiny model\n\nOnly for tests.\n", encoding="utf-8")
    write_manifest(folder)
    return folder


def write_config(folder: Path, config: ModelConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config.model_dump(mode="json"), indent=2)
    (folder / "config.json").write_text(text, encoding="utf-8")


def tiny_artefact(folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """A transformer artefact in ``folder``; skips the test where onnx is not installed.

    ``changes`` go into the configuration.
    """
    write_config(folder, tiny_config(**changes))
    tiny_tokenizer(folder / "tokenizer.json")
    tiny_graph(folder / "model.onnx", seed=seed)
    return seal(folder, OnnxScorer(unverified(folder)))


def tiny_linear_artefact(folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """A linear artefact in ``folder``; needs no library of the extra train."""
    write_config(folder, tiny_config(ModelKind.LINEAR, **changes))
    random = np.random.default_rng(seed)
    weights = LinearWeights(
        idf=np.ones(256, dtype=np.float32),
        coefficients=random.normal(0, 2, (256, CLASSES)).astype(np.float32),
        bias=random.normal(0, 1, CLASSES).astype(np.float32),
    )
    save_weights(weights, folder / "weights.npz")
    return seal(folder, LinearScorer(unverified(folder)))
