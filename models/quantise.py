"""From the fp32 graph to int8 that answers the same whatever stands beside a message.

Weights get one scale per output column and seven bits: with unsigned 8-bit activations the
two products that AVX2's ``vpmaddubsw`` adds in 16 bits then stay below 2**15, so that CPUs
with and without VNNI compute the same integers. Activations get static scales, measured on
real texts: a scale taken from the batch would tie a message's scores to its neighbours.
The word embedding gets one scale per row.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from replyrank.models.export import INPUT

FloatArray = npt.NDArray[np.float32]

#: largest weight: 2 * 255 * 64 = 32,640 < 2**15
WEIGHT_LIMIT: Final = 64
_ACTIVATION_LEVELS: Final = 255
_EMBEDDING_LIMIT: Final = 127
#: share of the values of an activation, at each end, that its static range leaves out
CLIP: Final = 1e-5
#: a smaller table is not worth a lookup of scales
_SMALLEST_TABLE: Final = 10_000
_CONTRIB: Final = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Range:
    """The range of one activation that the integers cover."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """Width of one integer step."""
        return max(self.high - self.low, 1e-8) / _ACTIVATION_LEVELS

    @property
    def zero_point(self) -> int:
        """The integer that stands for 0."""
        return int(np.clip(round(-self.low / self.scale), 0, _ACTIVATION_LEVELS))


@dataclass(slots=True)
class _Rewrite:
    """The graph as it is rebuilt: nodes in order, new constants, activations done already."""

    weights: dict[str, FloatArray]
    ranges: dict[str, Range]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    quantised: set[str] = field(default_factory=set)

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def activation(self, name: str) -> tuple[str, str, str]:
        """Names of the integers, scale and zero point of an activation; made at first use."""
        scale, zero, integers = f"{name}_scale", f"{name}_zero", f"{name}_u8"
        if name not in self.quantised:
            self.quantised.add(name)
            measured = self.ranges[name]
            self.constant(scale, np.array(measured.scale, dtype=np.float32))
            self.constant(zero, np.array(measured.zero_point, dtype=np.uint8))
            self.nodes.append(
                helper.make_node("QuantizeLinear", [name, scale, zero], [integers], name=integers)
            )
        return integers, scale, zero


def quantise(source: Path, target: Path, tokens: Sequence[Sequence[int]]) -> None:
    """Write the int8 form of an fp32 graph.

    Args:
        source: what ``export_fp32`` wrote.
        target: file to write.
        tokens: token ids of real texts, a few hundred, by which activations are measured.
    """
    model = onnx.load(str(source))
    weights = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    work = _Rewrite(weights, measure_ranges(model, weights, tokens))
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
    model: onnx.ModelProto, weights: dict[str, FloatArray], tokens: Sequence[Sequence[int]]
) -> dict[str, Range]:
    """The range of every activation that meets a weight matrix, over ``tokens``.

    The extreme ``CLIP`` of the values is left out at each end: one outlier would otherwise
    cost every other value its precision.
    """
    names = list(dict.fromkeys(n.input[0] for n in model.graph.node if _is_linear(n, weights)))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ends: dict[str, list[tuple[FloatArray, FloatArray, int]]] = defaultdict(list)
    for ids in tokens:
        values = session.run(names, {INPUT: np.array([ids], dtype=np.int64)})
        for name, value in zip(names, values, strict=True):
            ends[name].append(_ends(np.asarray(value).ravel()))
    return {name: _range(parts) for name, parts in ends.items()}


#: values kept at each end of one text's activations: more than the share that is clipped
_KEPT: Final = 8


def _ends(values: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    ordered = np.sort(values)
    return ordered[:_KEPT], ordered[-_KEPT:], values.size


def _range(parts: list[tuple[FloatArray, FloatArray, int]]) -> Range:
    total = sum(size for _, _, size in parts)
    left_out = int(total * CLIP)
    lows = np.sort(np.concatenate([low for low, _, _ in parts]))
    highs = np.sort(np.concatenate([high for _, high, _ in parts]))[::-1]
    low = lows[min(left_out, len(lows) - 1)]
    high = highs[min(left_out, len(highs) - 1)]
    return Range(min(float(low), 0.0), max(float(high), 0.0))


def quantise_columns(weight: FloatArray, limit: int) -> tuple[npt.NDArray[np.int8], FloatArray]:
    """Symmetric integers of at most ``limit`` and one scale per column of a matrix (k, n)."""
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-8) / limit
    integers = np.clip(np.round(weight / scale), -limit, limit).astype(np.int8)
    return integers, scale.astype(np.float32)


def _quantise_linear(
    node: onnx.NodeProto, bias: tuple[onnx.NodeProto, str] | None, work: _Rewrite
) -> None:
    """One matrix product, and the bias behind it, as one integer operator."""
    weight, name = node.input[1], node.output[0]
    integers, scale = quantise_columns(work.weights[weight], WEIGHT_LIMIT)
    activation, activation_scale, zero = work.activation(node.input[0])
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
