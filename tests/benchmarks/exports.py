"""Ways to quantise one network, side by side: speed, quality on companies never seen, invariance.

Trains the model of ``CONFIG`` that is blind to the first company fold, as ``attempts`` does, and
makes a graph of it by each scheme. Figures are of the fold's posts, calibrated by cross-fitting;
speed is from tokens to logits on two threads, in interleaved rounds. A scheme whose scale comes
from the batch gives a message other scores beside other neighbours: how far they move is told.
"""

import argparse
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.models.parity import OnnxGraph, Probabilities, Tokens, alone, by_length
from replyrank.models.scorer import BATCH_ROWS
from replyrank.models.session import INPUT, NEED, SENTIMENT, open_session
from replyrank.pipeline.markdown import table
from replyrank.training.calibrate import cross_fitted
from replyrank.training.oof import OutOfFold, fold_figures
from replyrank.training.train import TrainingRun
from tests.benchmarks.attempts import open_run
from tests.benchmarks.export_schemes import SHIPPED, schemes
from tests.benchmarks.posts import tweets
from tests.benchmarks.reporting import spread, write

_COMMAND: Final = "python -m tests.benchmarks.exports"
_FOLD: Final = 0
_ROWS: Final = 2_000
_COMPARED: Final = 500
_MEASURED: Final = 300
_ROUNDS: Final = 5
_THREADS: Final = 2
_SHOWN: Final = {
    "intent macro-F1": "intent macro-F1",
    "urgency quadratic kappa": "urgency kappa",
    "AUROC, urgency >= high": "AUROC, urgency >= high",
    "sentiment macro-recall": "sentiment recall",
}


def quality(run: TrainingRun, graph: Path) -> dict[str, float]:
    """Figures on the posts of the fold that the network has not seen, each in a batch alone."""
    material = run.material
    rows = material.fold_rows(_FOLD)
    posts = material.posts.take(rows)
    tokens = run.tokenise(posts.texts)
    need, sentiment = OnnxGraph(graph).logits(tokens, alone(tokens))
    folds = np.full(len(rows), _FOLD)
    oof = OutOfFold(need, sentiment, posts, folds, material.companies[rows])
    found = dict(fold_figures(oof.rows, cross_fitted(oof, run.config.decisions)).figures)
    return {name: float(found[name]) for name in _SHOWN} | {"posts": float(len(rows))}


def differences(graph: Path, full: Probabilities, tokens: Tokens) -> dict[str, float]:
    """From fp32, and from itself in a batch."""
    opened = OnnxGraph(graph)
    single = opened.run(tokens, alone(tokens))
    together = opened.run(tokens, by_length(tokens, BATCH_ROWS, 1))
    return {
        "p99": float(np.quantile(full.differences(single), 0.99)),
        "changed": single.labels_changed(full) / len(tokens),
        "batch": float(single.differences(together).max()),
    }


def rates(graphs: Mapping[str, Path], tokens: Tokens) -> dict[str, list[float]]:
    """Messages a second, round by round."""
    batches = [
        np.array([tokens[row] for row in rows], dtype=np.int64)
        for rows in by_length(tokens, BATCH_ROWS)
    ]
    sessions = {name: open_session(path) for name, path in graphs.items()}
    found: dict[str, list[float]] = {name: [] for name in graphs}
    for number in range(-1, _ROUNDS):
        for name in graphs if number % 2 else reversed(list(graphs)):
            seconds = _seconds(sessions[name], batches)
            if number >= 0:  # the first prepares whatever a session prepares
                found[name].append(len(tokens) / seconds)
    return found


def _seconds(session: Any, batches: Sequence[Any]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda ids: session.run([NEED, SENTIMENT], {INPUT: ids}), batches))
    return time.perf_counter() - start


def body(facts: Mapping[str, Any]) -> str:
    """The table, and what it is of."""
    found = facts["schemes"]
    base = found[SHIPPED]["rates"]
    rows = [
        (
            name,
            f"{one['megabytes']:.0f}",
            spread(one["rates"], 0),
            spread([a / b for a, b in zip(one["rates"], base, strict=True)], 2),
            *(f"{one['quality'][figure]:.3f}" for figure in _SHOWN),
            f"{one['differences']['p99']:.3f}",
            f"{100 * one['differences']['changed']:.1f} %",
            f"{one['differences']['batch']:.1e}",
        )
        for name, one in found.items()
    ]
    head = (
        *("scheme", "MB", "messages a second", "times as fast as shipped", *_SHOWN.values()),
        *("p99 from fp32", "labels changed", "most that a batch moves it"),
    )
    posts = int(found[SHIPPED]["quality"]["posts"])
    words = (
        f"The network of `{facts['config']}` that is blind to the first company fold; figures on "
        f"that fold's {posts:,} posts. Speed: {_ROWS:,} distinct tweets, tokens to logits, "
        f"{_THREADS} threads, batches of equal length, median (range) of {_ROUNDS} interleaved "
        f"rounds. Differences are of probabilities, over {_COMPARED} tweets, each alone. "
        "`MatMulNBits` keeps weights alone in few bits and needs `pip install onnx-ir`."
    )
    return f"{table(head, rows)}\n\n{words}"


def main() -> None:
    """Train or find the network, quantise it by each scheme, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", default="training/configs/plain.yaml")
    parser.add_argument("--work", type=Path, default=Path("runs/attempts"))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    run = open_run(arguments.config, arguments.work)
    run.fold_logits([_FOLD])
    full, folder = run.work / f"fold-{_FOLD + 1}-fp32.onnx", run.work / "schemes"
    folder.mkdir(exist_ok=True)
    measured = run.tokenise(run.material.fold_training(_FOLD).texts[:_MEASURED])
    tokens = run.tokenise(tweets(_ROWS))
    compared = tokens[:_COMPARED]
    reference = OnnxGraph(full).run(compared, alone(compared))
    graphs, found = dict[str, Path](), dict[str, Any]()
    for number, (name, make) in enumerate(schemes().items()):
        graphs[name] = folder / f"{number}.onnx"
        make(full, graphs[name], measured)
        found[name] = {
            "megabytes": graphs[name].stat().st_size / 1e6,
            "quality": quality(run, graphs[name]),
            "differences": differences(graphs[name], reference, compared),
        }
        logging.info("%s: %s", name, found[name])
    for name, values in rates(graphs, tokens).items():
        found[name]["rates"] = values
    facts = {"config": arguments.config.name, "schemes": found}
    write("exports", facts, body(facts), f"{_COMMAND} {arguments.config}")


if __name__ == "__main__":
    main()
