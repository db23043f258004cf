"""From the fp32 graph to int8 that answers the same whatever stands beside a message.

Weights get one scale per output column and seven bits: with unsigned 8-bit activations the
two products that AVX2's ``vpmaddubsw`` adds in 16 bits then stay below 2**15, so that CPUs
with and without VNNI compute the same integers. Activations get static scales, measured on
real texts: a scale taken from the batch would tie a message's scores to its neighbours.
Where a few channels are far larger than the rest, they are first divided by a vector that the
weights behind are multiplied by (SmoothQuant, Xiao et al. 2023, eq. 4): one scale then serves
all channels. The word embedding gets one scale per row.

A model that was trained on from int8 weights has them close to the integers that they were:
rounding to the nearest would give those back, and what it learnt would be lost. Its weights are
rounded up or down at random, the likelier the nearer (stochastic rounding, Gupta et al. 2015, arXiv
1502.02551), so that small changes stay, on average over the many weights of a column.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from replyrank.models.session import INPUT, open_session

FloatArray = npt.NDArray[np.float32]

#: largest weight: 2 * 255 * 64 = 32,640 < 2**15
WEIGHT_LIMIT: Final = 64
_ACTIVATION_LEVELS: Final = 255
_EMBEDDING_LIMIT: Final = 127
#: channels are smoothed where the largest exceeds the median this many times
_OUTLIERS: Final = 3.0
#: exponent of SmoothQuant: how much of an outlier moves from activation to weights; lower ones
#: cost the seven-bit weights more than they spare the activations
_SMOOTHING: Final = 0.8
#: a smaller table is not worth a lookup of scales
_SMALLEST_TABLE: Final = 10_000
_CONTRIB: Final = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Range:
    """The range of each channel of an activation over the texts that were measured."""

    low: FloatArray  # (k,), at most 0
    high: FloatArray  # (k,), at least 0

    @property
    def largest(self) -> FloatArray:
        """(k,) largest absolute value of each channel."""
        return np.maximum(np.maximum(-self.low, self.high), 1e-5)

    def divided(self, by: FloatArray) -> "Range":
        """The range of the activation divided by a vector (k,)."""
        return Range(self.low / by, self.high / by)

    @property
    def scale(self) -> float:
        """Width of one integer step, one for all channels."""
        return float(self.high.max() - self.low.min()) / _ACTIVATION_LEVELS

    @property
    def zero_point(self) -> int:
        """The integer that stands for 0."""
        return int(np.clip(round(-float(self.low.min()) / self.scale), 0, _ACTIVATION_LEVELS))


@dataclass(slots=True)
class _Rewrite:
    """The graph as it is rebuilt: nodes in order, new constants, activations done already."""

    weights: dict[str, FloatArray]
    ranges: dict[str, Range]
    #: weight matrices that each activation meets
    readers: dict[str, list[str]]
    #: by which weights are rounded up or down; None: to the nearest
    rng: np.random.Generator | None = None
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    #: by activation: the vector that it is divided by, once it is quantised
    smoothed: dict[str, FloatArray | None] = field(default_factory=dict)

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def activation(self, name: str) -> tuple[str, str, str]:
        """Names of the integers, scale and zero point of an activation; made at first use."""
        scale, zero, integers = f"{name}_scale", f"{name}_zero", f"{name}_u8"
        if name in self.smoothed:
            return integers, scale, zero
        measured, source = self.ranges[name], name
        vector = self.smoothed[name] = _smoothing(
            measured, [self.weights[weight] for weight in self.readers[name]]
        )
        if vector is not None:
            measured, source = measured.divided(vector), f"{name}_smooth"
            factor = self.constant(f"{name}_factor", (1 / vector).astype(np.float32))
            self.nodes.append(helper.make_node("Mul", [name, factor], [source], name=source))
        self.constant(scale, np.array(measured.scale, dtype=np.float32))
        self.constant(zero, np.array(measured.zero_point, dtype=np.uint8))
        self.nodes.append(
            helper.make_node("QuantizeLinear", [source, scale, zero], [integers], name=integers)
        )
        return integers, scale, zero


def _smoothing(measured: Range, weights: Sequence[FloatArray]) -> FloatArray | None:
    """The vector (k,) that evens out the channels of an activation; None if they are even."""
    largest = measured.largest
    if largest.max() < _OUTLIERS * np.median(largest):
        return None
    rows = np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0)
    vector: FloatArray = largest**_SMOOTHING / np.maximum(rows, 1e-5) ** (1 - _SMOOTHING)
    return (vector / np.median(vector)).astype(np.float32)


def quantise(
    source: Path,
    target: Path,
    tokens: Sequence[Sequence[int]],
    *,
    rounding_seed: int | None = None,
) -> None:
    """Write the int8 form of an fp32 graph.

    Args:
        source: what ``export_fp32`` wrote.
        target: file to write.
        tokens: token ids of real texts, a few hundred, by which activations are measured.
        rounding_seed: of the chance by which weights are rounded, where the model was trained on
            from int8 weights; None rounds to the nearest.
    """
    rng = None if rounding_seed is None else np.random.default_rng(rounding_seed)
    model = onnx.load(str(source))
    weights = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    readers: dict[str, list[str]] = defaultdict(list)
    for node in model.graph.node:
        if _is_linear(node, weights):
            readers[node.input[0]].append(node.input[1])
    work = _Rewrite(weights, measure_ranges(model, list(readers), tokens), readers, rng)
    biases = _biases(model.graph, weights)
    skipped = {id(add) for add, _ in biases.values()}
    for node in model.graph.node:
        if id(node) in skipped:
            continue
        if _is_linear(node, weights):
            _quantise_linear(node, biases.get(node.output[0]), work)
        elif _is_table(node, weights):
            _quantise_embedding(node, work)
        else:
            work.nodes.append(node)
    _replace_graph(model, work)
    onnx.save(model, str(target))


def measure_ranges(
    model: onnx.ModelProto, names: Sequence[str], tokens: Sequence[Sequence[int]]
) -> dict[str, Range]:
    """The range of every channel of the activations ``names`` over ``tokens``."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = open_session(probe.SerializeToString())
    ranges: dict[str, Range] = {}
    for ids in tokens:
        values = session.run(names, {INPUT: np.array([ids], dtype=np.int64)})
        for name, value in zip(names, values, strict=True):
            channels = np.asarray(value).reshape(-1, np.asarray(value).shape[-1])
            low, high = np.minimum(channels.min(axis=0), 0), np.maximum(channels.max(axis=0), 0)
            if name in ranges:
                low = np.minimum(low, ranges[name].low)
                high = np.maximum(high, ranges[name].high)
            ranges[name] = Range(low, high)
    return ranges


def quantise_columns(
    weight: FloatArray, limit: int, rng: np.random.Generator | None = None
) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Symmetric integers of at most ``limit`` and one scale per column of a matrix (k, n).

    Args:
        weight: the matrix.
        limit: the largest integer.
        rng: rounds up or down at random, right on average; None rounds to the nearest.
    """
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-8) / limit
    steps = weight / scale
    whole = np.round(steps) if rng is None else np.floor(steps + rng.random(steps.shape))
    return np.clip(whole, -limit, limit).astype(np.int8), scale.astype(np.float32)


def _quantise_linear(
    node: onnx.NodeProto, bias: tuple[onnx.NodeProto, str] | None, work: _Rewrite
) -> None:
    """One matrix product, and the bias behind it, as one integer operator."""
    weight, name = node.input[1], node.output[0]
    activation, activation_scale, zero = work.activation(node.input[0])
    vector = work.smoothed[node.input[0]]
    matrix = work.weights[weight]
    integers, scale = quantise_columns(
        matrix if vector is None else matrix * vector[:, None], WEIGHT_LIMIT, work.rng
    )
    inputs = [
        activation,
        work.constant(f"{weight}_s8", integers),
        activation_scale,
        work.constant(f"{weight}_scale", scale),
        zero,
        "",
    ]
    output = name
    if bias is not None:
        add, bias_name = bias
        inputs.append(work.constant(f"{bias_name}_f32", work.weights[bias_name]))
        output = add.output[0]
    work.nodes.append(
        helper.make_node("MatMulIntegerToFloat", inputs, [output], name=name, domain=_CONTRIB)
    )


def _quantise_embedding(node: onnx.NodeProto, work: _Rewrite) -> None:
    """A lookup in int8 rows, each with its own scale."""
    table, indices, output = node.input[0], node.input[1], node.output[0]
    integers, scale = quantise_columns(work.weights[table].T, _EMBEDDING_LIMIT)
    rows = work.constant(f"{table}_s8", np.ascontiguousarray(integers.T))
    scales = work.constant(f"{table}_scale", scale[:, None])
    work.nodes += [
        helper.make_node("Gather", [rows, indices], [f"{output}_s8"], name=f"{output}_s8"),
        helper.make_node("Gather", [scales, indices], [f"{output}_row"], name=f"{output}_row"),
        helper.make_node("Cast", [f"{output}_s8"], [f"{output}_f32"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [f"{output}_f32", f"{output}_row"], [output], name=output),
    ]


def _biases(
    graph: onnx.GraphProto, weights: dict[str, FloatArray]
) -> dict[str, tuple[onnx.NodeProto, str]]:
    """For the output of each matrix product that only a bias is added to: that node and bias."""
    users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)
    found: dict[str, tuple[onnx.NodeProto, str]] = {}
    for node in graph.node:
        if not _is_linear(node, weights) or len(users[node.output[0]]) != 1:
            continue
        (user,) = users[node.output[0]]
        others = [name for name in user.input if name != node.output[0]]
        is_bias = len(others) == 1 and others[0] in weights and weights[others[0]].ndim == 1
        if user.op_type == "Add" and is_bias:
            found[node.output[0]] = user, others[0]
    return found


def _is_linear(node: onnx.NodeProto, weights: dict[str, FloatArray]) -> bool:
    """A product of an activation with a weight matrix."""
    return (
        node.op_type == "MatMul"
        and node.input[0] not in weights
        and node.input[1] in weights
        and weights[node.input[1]].ndim == 2  # noqa: PLR2004  (a matrix)
    )


def _is_table(node: onnx.NodeProto, weights: dict[str, FloatArray]) -> bool:
    """A lookup in a large embedding table."""
    return (
        node.op_type == "Gather"
        and node.input[0] in weights
        and weights[node.input[0]].ndim == 2  # noqa: PLR2004  (a matrix)
        and weights[node.input[0]].shape[0] >= _SMALLEST_TABLE
    )


def _replace_graph(model: onnx.ModelProto, work: _Rewrite) -> None:
    used = {name for node in work.nodes for name in node.input}
    constants = [
        tensor for tensor in (*model.graph.initializer, *work.constants) if tensor.name in used
    ]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(work.nodes)
    model.graph.initializer.extend(constants)
    model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
