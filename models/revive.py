"""From an int8 artefact back to a network that can be trained on.

An artefact carries no fp32 weights: its integers and scales are multiplied out again. What
quantisation rounded away stays lost; a model begun here is measured like any other before it
ships. Needs torch, transformers and onnx (extra ``train``).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from replyrank.data.cleaning import clean
from replyrank.data.errors import UsageError
from replyrank.models.artefact import MODEL, SELFTEST, TOKENIZER, Artefact
from replyrank.models.config import ModelKind
from replyrank.models.encoder import TriageModel
from replyrank.models.export import torch_logits
from replyrank.models.parity import OnnxGraph, Probabilities, alone
from replyrank.models.selftest import selftest_texts
from replyrank.models.student import KINDS, StudentModel
from replyrank.models.tokens import PostTokenizer

#: of the graph's parameters, which is exported as a part of a wrapper
_PREFIX: Final = "model."
_LINEAR: Final = "MatMulIntegerToFloat"
#: mean difference in probability between the network and the graph that it was read from;
#: what is left is the rounding of activations
_CLOSE: Final = 0.02


def revive(artefact: Artefact, encoder: str, *, dropout: float = 0.0) -> TriageModel:
    """The network of an artefact, its weights de-quantised.

    A graph does not say how it reads a text out of its encoder: the network, of the two that
    training makes, is the one that answers the artefact's self-test as its graph does.

    Args:
        artefact: a transformer that training exported.
        encoder: name or folder of the encoder that it was made of; gives the shape alone.
        dropout: of the network.

    Raises:
        UsageError: if the artefact is linear, of another encoder, or no network answers as it does.
    """
    if artefact.config.kind is not ModelKind.TRANSFORMER:
        message = f"{artefact.config.name} is {artefact.config.kind}; only a transformer can be "
        raise UsageError(message + "trained further: name another, or begin from an encoder")
    state = read_weights(artefact.path(MODEL))
    found = list(_networks(artefact, state, encoder, dropout))
    distance, model = min(found, key=lambda pair: pair[0])
    if distance > _CLOSE:
        message = (
            f"no network with the weights of {artefact.config.name} answers as its graph does "
            f"(nearest: {distance:.3f} in probability, at most {_CLOSE:g}); it was made in "
            "another way than replyrank's training: begin from an encoder"
        )
        raise UsageError(message)
    return model


def read_weights(graph: Path) -> dict[str, Tensor]:
    """Parameters in fp32 by their name in the network."""
    content = onnx.load(str(graph)).graph
    values = {one.name: numpy_helper.to_array(one) for one in content.initializer}
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for name, value in values.items():
        plain = name.removesuffix("_s8").removesuffix("_f32")
        if not name.startswith(_PREFIX) or name.endswith("_scale"):
            continue
        scale = values.get(f"{plain}_scale")
        weights[plain] = value if scale is None else value.astype(np.float32) * scale
    for node in content.node:
        if node.op_type == _LINEAR:
            activation, integers, _, scale_name, _, _, bias = node.input
            matrix = values[integers].astype(np.float32) * values[scale_name]
            # What an activation was divided by, its weights were multiplied by.
            factor = values.get(f"{activation.removesuffix('_u8')}_factor")
            weights[f"{bias.removesuffix('.bias_f32')}.weight"] = (
                matrix if factor is None else matrix * factor[:, None]
            ).T
    return {
        name.removeprefix(_PREFIX): torch.from_numpy(np.array(value, dtype=np.float32))
        for name, value in weights.items()
    }


def _networks(
    artefact: Artefact, state: dict[str, Tensor], encoder: str, dropout: float
) -> Iterator[tuple[float, TriageModel]]:
    """Both networks with these weights, and how far from the graph each answers."""
    tokenizer = PostTokenizer.from_file(artefact.path(TOKENIZER), artefact.config.max_tokens)
    tokens = tokenizer.ids([clean(text) for text in selftest_texts(artefact.path(SELFTEST))])
    graph = OnnxGraph(artefact.path(MODEL)).run(tokens, alone(tokens))
    layers = range(1 + max(_layers(state), default=-1))
    for is_student in (True, False):
        model = TriageModel.from_encoder(encoder, dropout=dropout)
        inner: Any = model.encoder
        if is_student and inner.config.model_type not in KINDS:
            continue
        if is_student:
            model = StudentModel.of(model, layers)
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            message = f"the weights of {artefact.config.name} do not fit the encoder {encoder!r} "
            raise UsageError(message + f"({reason}); name the one it was made of") from error
        said = Probabilities.of_logits(*(part.numpy() for part in torch_logits(model, tokens)))
        yield float(graph.differences(said).mean()), model


def _layers(state: dict[str, Tensor]) -> Iterator[int]:
    for name in state:
        parts = name.split(".")
        if "layer" in parts:
            yield int(parts[parts.index("layer") + 1])
