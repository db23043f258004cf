"""Ways to make integers of an fp32 graph: the product's, and those of others."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from replyrank.models.quantise import quantise, quantise_columns

#: fp32 graph, file to write, token ids of real texts
Scheme = Callable[[Path, Path, Sequence[Sequence[int]]], None]

FULL: Final = "fp32"
SHIPPED: Final = "as shipped"
#: largest integer of a signed byte, and what stands for 0 in an unsigned one
_BYTE: Final = 127
_MIDDLE: Final = 128


def _copied(source: Path, target: Path, _tokens: Sequence[Sequence[int]]) -> None:
    copyfile(source, target)


def _by_default(source: Path, target: Path, _tokens: Sequence[Sequence[int]]) -> None:
    from onnxruntime.quantization import quantize_dynamic  # noqa: PLC0415

    quantize_dynamic(source, target)


def _by_column(source: Path, target: Path, _tokens: Sequence[Sequence[int]]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def _by_token(source: Path, target: Path, _tokens: Sequence[Sequence[int]]) -> None:
    """Each token's activations by a scale of their own, weights by one for each column."""
    model = onnx.load(str(source))
    weights = _matrices(model)
    nodes, constants, quantised = list[Any](), list[Any](), set[str]()
    constants += [
        numpy_helper.from_array(np.array(_MIDDLE, dtype=np.uint8), "middle_u8"),
        numpy_helper.from_array(np.array(_MIDDLE, dtype=np.float32), "middle"),
        numpy_helper.from_array(np.array(_BYTE, dtype=np.float32), "byte"),
        numpy_helper.from_array(np.array(1e-8, dtype=np.float32), "least"),
    ]
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:
            nodes.append(node)
            continue
        x, name, out = node.input[0], node.input[1], node.output[0]
        if x not in quantised:
            nodes += _rows_to_integers(x)
            quantised.add(x)
        integers, scale = quantise_columns(weights[name], _BYTE)
        constants += [
            numpy_helper.from_array(integers, f"{name}_s8"),
            numpy_helper.from_array(scale, f"{name}_scale"),
        ]
        nodes += [
            helper.make_node(
                "MatMulInteger", [f"{x}_u8", f"{name}_s8", "middle_u8"], [f"{out}_s32"]
            ),
            helper.make_node("Cast", [f"{out}_s32"], [f"{out}_f32"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{out}_f32", f"{x}_step"], [f"{out}_rows"]),
            helper.make_node("Mul", [f"{out}_rows", f"{name}_scale"], [out]),
        ]
    used = {name for node in nodes for name in node.input}
    kept = [one for one in (*model.graph.initializer, *constants) if one.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    onnx.save(model, str(target))


def _rows_to_integers(x: str) -> list[Any]:
    """``x_u8`` and ``x_step`` from ``x``: the largest of each row becomes 127 steps from 128."""
    return [
        helper.make_node("Abs", [x], [f"{x}_abs"]),
        helper.make_node("ReduceMax", [f"{x}_abs"], [f"{x}_max"], axes=[-1], keepdims=1),
        helper.make_node("Max", [f"{x}_max", "least"], [f"{x}_most"]),
        helper.make_node("Div", [f"{x}_most", "byte"], [f"{x}_step"]),
        helper.make_node("Div", [x, f"{x}_step"], [f"{x}_steps"]),
        helper.make_node("Round", [f"{x}_steps"], [f"{x}_whole"]),
        helper.make_node("Add", [f"{x}_whole", "middle"], [f"{x}_up"]),
        helper.make_node("Cast", [f"{x}_up"], [f"{x}_u8"], to=TensorProto.UINT8),
    ]


def _matrices(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.float32]]:
    """The weights of the graph's products."""
    right = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name in right
    }


def _weights_alone(bits: int) -> Scheme:
    def write(source: Path, target: Path, _tokens: Sequence[Sequence[int]]) -> None:
        library: Any = import_module("onnxruntime.quantization.matmul_nbits_quantizer")
        maker = library.MatMulNBitsQuantizer(
            onnx.load(str(source)), bits=bits, block_size=32, is_symmetric=True, accuracy_level=4
        )
        maker.process()
        maker.model.save_model_to_file(str(target), False)

    return write


def schemes() -> Mapping[str, Scheme]:
    """By name; those of ``MatMulNBits`` where the package that they need is installed."""
    found: dict[str, Scheme] = {
        FULL: _copied,
        SHIPPED: quantise,
        "quantize_dynamic": _by_default,
        "quantize_dynamic, products by column": _by_column,
        "a scale for each token": _by_token,
    }
    if find_spec("onnx_ir"):
        found["MatMulNBits, 8 bits"] = _weights_alone(8)
        found["MatMulNBits, 4 bits"] = _weights_alone(4)
    return found
