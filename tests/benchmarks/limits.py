"""How fast this machine multiplies int8 matrices, and how many multiply-adds a graph asks for."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from replyrank.models.artefact import MODEL, Artefact
from replyrank.models.session import open_session

#: products of a MiniLM layer for a batch of 16 texts of 26 tokens: rows, inner, columns
_SHAPES: Final = ((416, 384, 1536), (416, 1536, 384), (416, 384, 384))
_SECONDS: Final = 1.5


def int8_operations(threads: int) -> float:
    """Operations a second of ``MatMulInteger``, two for each multiply-add, on all threads together.

    The mean over the shapes, each weighed by its operations: what a graph of such products could
    reach if it did nothing else.
    """
    seconds = operations = 0.0
    for shape in _SHAPES:
        one = 2.0 * float(np.prod(shape))
        seconds += one / _rate(shape, threads)
        operations += one
    return operations / seconds


def _rate(shape: tuple[int, int, int], threads: int) -> float:
    rows, inner, _ = shape
    session = open_session(_product(shape).SerializeToString())
    values = np.random.default_rng(0).integers(0, 255, (rows, inner)).astype(np.uint8)

    def repeat(stop: float) -> int:
        done = 0
        while time.perf_counter() < stop:
            for _ in range(8):
                session.run(None, {"x": values})
            done += 8
        return done

    repeat(time.perf_counter() + 0.2)
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(repeat, [start + _SECONDS] * threads))
    return 2.0 * float(np.prod(shape)) * done / (time.perf_counter() - start)


def _product(shape: tuple[int, int, int]) -> onnx.ModelProto:
    rows, inner, columns = shape
    weights = np.random.default_rng(1).integers(-64, 65, (inner, columns)).astype(np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [rows, inner])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [rows, columns])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array(128, dtype=np.uint8), "zero"),
        ],
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    return model


def multiply_adds(artefact: Artefact, lengths: list[int]) -> float:
    """Multiply-adds of a graph's integer products, on average over texts of these lengths.

    Lengths are in tokens. Counted by running one text of each and reading the shapes that the
    products see; what attention multiplies in fp32 is left out.
    """
    model = onnx.load(str(artefact.path(MODEL)))
    weights = {
        tensor.name: tuple(tensor.dims)
        for tensor in model.graph.initializer
        if len(tensor.dims) == 2
    }
    products = [node for node in model.graph.node if node.op_type == "MatMulIntegerToFloat"]
    model.graph.output.extend(helper.make_empty_tensor_value_info(n.output[0]) for n in products)
    session: Any = open_session(model.SerializeToString())
    name = session.get_inputs()[0].name
    names = [node.output[0] for node in products]
    counted: dict[int, float] = {}
    for length in set(lengths):
        outputs = session.run(names, {name: np.full((1, length), 100, dtype=np.int64)})
        counted[length] = sum(
            float(output.size) * weights[node.input[1]][0]
            for node, output in zip(products, outputs, strict=True)
        )
    return sum(counted[length] for length in lengths) / len(lengths)
