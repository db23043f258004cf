"""Shipped graphs rewritten: for fewer words, and in operators that other runtimes know."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_EMBEDDING: Final = "word_embeddings.weight"
_PRODUCT: Final = "MatMulIntegerToFloat"


def with_vocabulary(graph: bytes, ids: npt.NDArray[np.int64]) -> bytes:
    """The graph whose embedding table has the rows of these ids alone, in this order."""
    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        if _EMBEDDING in tensor.name:
            rows = np.ascontiguousarray(numpy_helper.to_array(tensor)[ids])
            tensor.CopyFrom(numpy_helper.from_array(rows, tensor.name))
    return bytes(model.SerializeToString())


def in_standard_operators(graph: bytes) -> bytes:
    """The graph whose integer products are written as what they mean in standard ONNX.

    Both sides dequantised, a product, its bias added: a runtime that knows the pattern computes it
    in integers.
    """
    model = onnx.load_from_string(graph)
    nodes: list[Any] = []
    for node in model.graph.node:
        nodes.extend(_written_out(node) if node.op_type == _PRODUCT else [node])
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _written_out(node: Any) -> list[Any]:
    given: list[str] = [*node.input, "", "", ""]
    a, b, a_scale, b_scale, a_zero, b_zero, bias = given[:7]
    out = node.output[0]
    left, right = f"{out}_left", f"{out}_right"
    product = f"{out}_product" if bias else out
    written = [
        helper.make_node("DequantizeLinear", [a, a_scale, *([a_zero] if a_zero else [])], [left]),
        helper.make_node(
            "DequantizeLinear", [b, b_scale, *([b_zero] if b_zero else [])], [right], axis=1
        ),
        helper.make_node("MatMul", [left, right], [product]),
    ]
    if bias:
        written.append(helper.make_node("Add", [product, bias], [out]))
    return written
