"""The int8 graph: small integers that no CPU can saturate, near fp32, blind to neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="quantising starts from torch (extra train)")
onnx = pytest.importorskip("onnx", reason="quantising needs onnx (extra train)")

import torch

from replyrank.models.export import export_fp32
from replyrank.models.parity import INT8_P99, OnnxGraph, alone, by_length
from replyrank.models.quantise import (
    WEIGHT_LIMIT,
    Range,
    measure_ranges,
    quantise,
    quantise_columns,
)
from replyrank.training.batches import tokenise
from replyrank.training.release import Quantised
from tests.encoders import tiny_model, tiny_tokenizer, toy_rows

#: rows of an embedding table that is worth quantising
VOCABULARY = 10_000


@pytest.fixture(scope="module")
def tokens() -> list[list[int]]:
    return tokenise(tiny_tokenizer(), toy_rows(12).texts)


def _graphs(folder: Path, tokens: list[list[int]], outlier: float) -> Quantised:
    model = tiny_model(folder / "encoder", vocabulary=VOCABULARY)
    with torch.no_grad():
        # One channel that is far larger than the rest, as trained encoders have them.
        model.get_parameter("encoder.embeddings.LayerNorm.weight")[3] = outlier
    graphs = Quantised(folder / "fp32.onnx", folder / "int8.onnx")
    export_fp32(model, graphs.fp32)
    quantise(graphs.fp32, graphs.int8, tokens)
    return graphs


@pytest.fixture(scope="module", params=[1.0, 12.0], ids=["even", "outlier"])
def graphs(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tokens: list[list[int]],
) -> Quantised:
    return _graphs(tmp_path_factory.mktemp("graphs"), tokens, request.param)


def _constants(path: Path) -> dict[str, Any]:
    graph = onnx.load(str(path)).graph
    return {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}


def _products(path: Path) -> list[Any]:
    graph = onnx.load(str(path)).graph
    return [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]


def test_every_matrix_is_int8_within_seven_bits(graphs: Quantised) -> None:
    constants = _constants(graphs.int8)
    products = _products(graphs.int8)
    # Six of each layer; the two small heads stay as they are.
    assert len(products) == 2 * 6
    for node in products:
        weight = constants[node.input[1]]
        assert weight.dtype == np.int8
        # Each column uses its whole range, and no more.
        assert (np.abs(weight.astype(int)).max(axis=0) == WEIGHT_LIMIT).all()


def test_no_pair_of_products_leaves_16_bits(graphs: Quantised) -> None:
    """``vpmaddubsw`` adds two neighbouring products of u8 and s8 and saturates at 2**15."""
    constants = _constants(graphs.int8)
    for node in _products(graphs.int8):
        weight = constants[node.input[1]].astype(int)
        pairs = np.abs(weight[0::2]) + np.abs(weight[1::2])
        assert 255 * pairs.max() < 2**15
    assert 2 * 255 * WEIGHT_LIMIT < 2**15 <= 2 * 255 * (WEIGHT_LIMIT + 1)


def test_the_word_table_is_int8_by_row(graphs: Quantised) -> None:
    full, small = _constants(graphs.fp32), _constants(graphs.int8)
    (name,) = (name for name, value in full.items() if value.shape == (VOCABULARY, 32))
    table, scale = small[f"{name}_s8"], small[f"{name}_scale"]
    assert (table.dtype, scale.shape) == (np.int8, (VOCABULARY, 1))
    assert np.abs(table * scale - full[name]).max() <= np.abs(full[name]).max() / 127 / 2 + 1e-6
    assert name not in small


def test_no_large_matrix_stays_in_fp32(graphs: Quantised) -> None:
    large = {
        name: value.shape
        for name, value in _constants(graphs.int8).items()
        if value.dtype == np.float32 and value.size > VOCABULARY
    }
    assert large == {}
    # Beside the scales of the word table: positions, types and the two heads.
    two_dimensional = {
        value.shape
        for value in _constants(graphs.int8).values()
        if value.dtype == np.float32 and value.ndim == 2 and min(value.shape) > 1
    }
    assert two_dimensional <= {(64, 32), (2, 32), (16, 32), (3, 32)}
    assert graphs.int8.stat().st_size < graphs.fp32.stat().st_size / 2


def test_int8_is_near_fp32(graphs: Quantised, tokens: list[list[int]]) -> None:
    batches = by_length(tokens, 16)
    full = OnnxGraph(graphs.fp32).run(tokens, batches)
    small = OnnxGraph(graphs.int8).run(tokens, batches)
    assert np.ptp(full.need, axis=0).max() > 0.05
    differences = full.differences(small)
    assert np.quantile(differences, 0.99) <= INT8_P99
    # An exact copy would mean that nothing was quantised.
    assert differences.max() > 1e-5


def test_alone_and_in_any_batch_to_the_bit(graphs: Quantised, tokens: list[list[int]]) -> None:
    graph = OnnxGraph(graphs.int8)
    single = graph.logits(tokens, alone(tokens))
    for seed in (None, 1, 2, 3):
        for size in (2, 3, 16):
            together = graph.logits(tokens, by_length(tokens, size, seed))
            assert np.array_equal(single[0], together[0])
            assert np.array_equal(single[1], together[1])


def test_scales_do_not_come_from_the_batch(graphs: Quantised) -> None:
    operators = {node.op_type for node in onnx.load(str(graphs.int8)).graph.node}
    assert "DynamicQuantizeLinear" not in operators
    constants = _constants(graphs.int8)
    for node in _products(graphs.int8):
        # Scale of the activation and its zero point are constants.
        assert constants[node.input[2]].shape == ()
        assert constants[node.input[4]].dtype == np.uint8


def test_outliers_are_moved_into_the_weights(tmp_path: Path, tokens: list[list[int]]) -> None:
    def factors(folder: Path, outlier: float) -> list[str]:
        graphs = _graphs(folder, tokens, outlier)
        return [name for name in _constants(graphs.int8) if name.endswith("_factor")]

    even, uneven = factors(tmp_path / "even", 1.0), factors(tmp_path / "uneven", 12.0)
    assert len(uneven) > len(even)


def test_quantise_columns_by_hand() -> None:
    weight = np.array([[1.0, 0.0], [-0.5, 0.0], [0.24, 0.0]], dtype=np.float32)
    integers, scale = quantise_columns(weight, 64)
    assert integers.tolist() == [[64, 0], [-32, 0], [15, 0]]
    assert scale == pytest.approx([1 / 64, 1e-8 / 64])


def test_what_is_learnt_from_int8_weights_outlives_rounding() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(-40, 41, (4_000, 3)).astype(np.int8)
    before[0] = 64  # the scale stays what it was
    learnt = np.where(before == 64, 0.0, [0.2, -0.3, 0.0])
    weight = ((before + learnt) * 0.01).astype(np.float32)
    nearest, scale = quantise_columns(weight, 64)
    drawn, drawn_scale = quantise_columns(weight, 64, rng)
    assert np.array_equal(scale, drawn_scale)
    assert np.array_equal(nearest, before)
    assert (drawn - before.astype(float)).mean(axis=0) == pytest.approx([0.2, -0.3, 0.0], abs=0.03)
    assert np.abs(drawn - weight / scale).max() <= 1 + 1e-4


def test_chance_is_the_seeds(tmp_path: Path, graphs: Quantised, tokens: list[list[int]]) -> None:
    made = []
    for name, seed in (("one", 1), ("again", 1), ("two", 2), ("none", None)):
        quantise(graphs.fp32, tmp_path / name, tokens, rounding_seed=seed)
        made.append((tmp_path / name).read_bytes())
    one, again, two, none = made
    assert one == again
    assert len({one, two, none}) == 3


def test_range_by_hand() -> None:
    measured = Range(np.array([-1.0, 0.0], np.float32), np.array([0.5, 4.1], np.float32))
    assert measured.largest == pytest.approx([1.0, 4.1])
    assert measured.scale == pytest.approx(5.1 / 255)
    assert measured.zero_point == 50
    halved = measured.divided(np.array([1.0, 2.0], np.float32))
    assert halved.high == pytest.approx([0.5, 2.05])


def test_ranges_cover_every_text(graphs: Quantised, tokens: list[list[int]]) -> None:
    model = onnx.load(str(graphs.fp32))
    name = next(node.input[0] for node in model.graph.node if node.op_type == "MatMul")
    singles = [measure_ranges(model, [name], [ids])[name] for ids in tokens[:5]]
    both = measure_ranges(model, [name], tokens[:5])[name]
    assert np.array_equal(both.low, np.min([one.low for one in singles], axis=0))
    assert np.array_equal(both.high, np.max([one.high for one in singles], axis=0))
    assert (both.low <= 0).all()
    assert (both.high >= 0).all()
