"""The export gate: each check fails when it should, and a refusal names every figure."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="graphs are built with onnx (extra train)")
pytest.importorskip("torch", reason="the gate knows the export, which needs torch (extra train)")

from replyrank.models.errors import ArtefactError
from replyrank.models.parity import (
    FP32_MAX,
    INT8_ECE_RISE,
    INT8_F1_DROP,
    INT8_P99,
    INVARIANCE_MAX,
    Check,
    OnnxGraph,
    Probabilities,
    alone,
    by_length,
    check_export,
    require,
)
from tests.artefacts import tiny_graph

Figures = tuple[dict[str, float], dict[str, float]]

FP32 = "torch to fp32, largest |dp|"
INT8 = "fp32 to int8, p99 |dp|"
INVARIANCE = "int8 alone to batches, largest |dp|"
CHANGED = "int8 alone to batches, labels changed"


@pytest.fixture
def tokens() -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(5, 120, length).tolist() for length in rng.integers(3, 7, 60)]


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "graph.onnx"
    tiny_graph(path)
    return path


def _answers(path: Path, tokens: list[list[int]]) -> Probabilities:
    return OnnxGraph(path).run(tokens, by_length(tokens, 16))


def _edited(source: Path, name: str, change: float) -> Path:
    """The graph with a vector of ``change`` times 1 to n added to its last weights."""
    model = onnx.load(str(source))
    for item in model.graph.initializer:
        if item.name == name:
            values = onnx.numpy_helper.to_array(item)
            ramp = np.linspace(-1, 1, values.shape[1], dtype=np.float32)
            item.CopyFrom(onnx.numpy_helper.from_array(values + change * ramp, name))
    path = source.with_name(f"{name}-{change}.onnx")
    onnx.save(model, str(path))
    return path


def _leaking(source: Path) -> Path:
    """The graph with the mean over the batch added to each logit: neighbours are heard."""
    model = onnx.load(str(source))
    helper: Any = onnx.helper
    for node in model.graph.node:
        if node.output[0] == "need":
            node.output[0] = "need_own"
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([0], dtype=np.int64), "axis_0")
    )
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["need_own", "axis_0"], ["need_mean"], keepdims=1),
            helper.make_node("Add", ["need_own", "need_mean"], ["need"]),
        ]
    )
    path = source.with_name("leaking.onnx")
    onnx.save(model, str(path))
    return path


def _failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


def test_the_limits_are_those_of_the_design() -> None:
    limits = (FP32_MAX, INT8_P99, INT8_F1_DROP, INT8_ECE_RISE, INVARIANCE_MAX)
    assert limits == (1e-4, 0.05, 0.5, 0.01, 1e-5)


def test_equal_graphs_pass(graph: Path, tokens: list[list[int]]) -> None:
    checks = check_export(_answers(graph, tokens), graph, graph, tokens)
    assert [check.name for check in checks] == [FP32, INT8, INVARIANCE, CHANGED]
    assert _failed(checks) == set()
    require(checks)


def test_torch_that_differs_fails(graph: Path, tokens: list[list[int]]) -> None:
    answers = _answers(graph, tokens)
    moved = Probabilities(answers.need.copy(), answers.sentiment)
    moved.need[17, 3] += 2 * FP32_MAX
    assert _failed(check_export(moved, graph, graph, tokens)) == {FP32}


@pytest.mark.parametrize("head", ["need_weight", "sentiment_weight"])
def test_int8_that_differs_fails(graph: Path, tokens: list[list[int]], head: str) -> None:
    other = _edited(graph, head, 1.0)
    assert _failed(check_export(_answers(graph, tokens), graph, other, tokens)) == {INT8}


def test_a_graph_that_hears_its_neighbours_fails(graph: Path, tokens: list[list[int]]) -> None:
    checks = check_export(_answers(graph, tokens), graph, _leaking(graph), tokens)
    assert {INVARIANCE, CHANGED} <= _failed(checks)


def test_a_refusal_names_every_failed_figure() -> None:
    checks = [Check("good", 0.1, 0.2), Check("bad", 0.3, 0.2), Check("void", float("nan"), 1.0)]
    with pytest.raises(ArtefactError) as caught:
        require(checks)
    assert str(caught.value) == (
        "the export is refused: bad is 0.3, limit 0.2; void is nan, limit 1; "
        "no artefact was written"
    )


def test_a_figure_at_its_limit_passes() -> None:
    require([Check("at the limit", 0.2, 0.2)])


def test_labels_changed_counts_texts_once() -> None:
    one = Probabilities(np.eye(16)[[0, 1, 2]], np.eye(3)[[0, 1, 2]])
    other = Probabilities(np.eye(16)[[0, 5, 2]], np.eye(3)[[0, 0, 0]])
    assert one.labels_changed(other) == 2
    assert one.labels_changed(one) == 0


@pytest.mark.parametrize("seed", [None, 1])
def test_batches_hold_each_text_once_and_one_length(
    tokens: list[list[int]], seed: int | None
) -> None:
    batches = by_length(tokens, 8, seed)
    assert sorted(row for rows in batches for row in rows) == list(range(60))
    assert max(map(len, batches)) <= 8
    assert all(len({len(tokens[row]) for row in rows}) == 1 for rows in batches)
    assert alone(tokens) == [[row] for row in range(60)]


def test_a_seed_gives_other_neighbours(tokens: list[list[int]]) -> None:
    assert by_length(tokens, 8, 1) != by_length(tokens, 8, 2)
    assert by_length(tokens, 8, 1) == by_length(tokens, 8, 1)
