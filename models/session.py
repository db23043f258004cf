"""A graph's names, and the one way in which it is opened."""

from pathlib import Path
from typing import Any, Final

#: names of a graph's input and outputs
INPUT: Final = "input_ids"
NEED: Final = "need"
SENTIMENT: Final = "sentiment"


def open_session(graph: Path | bytes) -> Any:
    """An ``onnxruntime.InferenceSession`` on one thread of the CPU.

    Threads that each run whole batches are faster than one batch on several threads, and threads
    that spin would take the cores from each other. The fused kernel that is switched off was slower
    where that was chosen; on other processors it is not (``tests.benchmarks.shortcuts`` has both).

    Args:
        graph: a file, or what such a file holds.
    """
    import onnxruntime  # noqa: PLC0415 (the linear model runs without it)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(
        str(graph) if isinstance(graph, Path) else graph,
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["SkipLayerNormFusion"],
    )
