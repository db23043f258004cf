"""Ways to score faster that the product does not take, each measured beside what it does.

A cascade: a small model answers what it is sure of, and the large one the rest. Its quality is
computed from the held-out posts of the shipped artefacts, its speed from the rates of the report
``speed``: the small model reads everything, the large one what is left. A vocabulary of the tokens
that the texts have and no more, which is the most that pruning could gain. Batches that run one
after the other, each on all threads, and the fused kernel that ``open_session`` switches off.
OpenVINO, where it is installed, on the same graph. All but the cascade are timed from tokens to
logits, each round in a process of its own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from replyrank.data.cleaning import clean
from replyrank.models.artefact import MODEL, TOKENIZER
from replyrank.models.batches import IntArray
from replyrank.models.find import DEFAULT, FALLBACK, FAST, find_artefact
from replyrank.models.held_out import HeldOut, load_held_out
from replyrank.models.joint import intents, levels
from replyrank.models.scorer import BATCH_ROWS
from replyrank.models.scores import sentiment_classes
from replyrank.models.session import INPUT, NEED, SENTIMENT, open_session
from replyrank.models.tokens import PostTokenizer
from replyrank.pipeline.markdown import table
from replyrank.training import metrics
from replyrank.training.metrics import FloatArray
from tests.benchmarks.posts import tweets
from tests.benchmarks.reporting import read, spread, write
from tests.benchmarks.shortcut_graphs import in_standard_operators, with_vocabulary

_COMMAND: Final = "python -m tests.benchmarks.shortcuts"
_ROWS: Final = 5_000
_ROUNDS: Final = 5
_THREADS: Final = 2
#: small before large
_CASCADES: Final = ((FALLBACK, FAST), (FALLBACK, DEFAULT), (FAST, DEFAULT))
_SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.5)
_HIGH: Final = 2
_KERNEL: Final = "SkipLayerNormFusion"
_SHIPPED, _PRUNED = "as shipped", "vocabulary of the texts alone"
_IN_TURN, _FUSED = "one batch at a time, on all threads", "with the fused kernel"
_OPENVINO: Final = "OpenVINO"
_CONTENDERS: Final = (_SHIPPED, _PRUNED, _IN_TURN, _FUSED, _OPENVINO)

Batches = Sequence[IntArray]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of posts of companies never seen, in points of 100."""

    intent_macro_f1: float
    urgency_kappa: float
    urgency_auroc: float
    sentiment_recall: float

    def points_over(self, other: "Figures") -> tuple[float, ...]:
        """Figure by figure, how much higher."""
        return tuple(getattr(self, name) - getattr(other, name) for name in Figures.__slots__)


def figures(posts: HeldOut) -> Figures:
    """What the gate and the reports measure, of what was said of the posts."""
    level, mood = levels(posts.need), posts.p_sentiment
    said = sentiment_classes(
        mood, (np.bincount(posts.sentiment, minlength=3) / len(posts)).tolist()
    )
    counts = metrics.confusion
    found = (
        metrics.macro_f1(counts(posts.intent, intents(posts.need).argmax(axis=1), 4)),
        metrics.quadratic_kappa(counts(posts.urgency, level.argmax(axis=1), 4)),
        metrics.auroc(posts.urgency >= _HIGH, level[:, _HIGH:].sum(axis=1)),
        metrics.macro_recall(counts(posts.sentiment, said, 3)),
    )
    return Figures(*(100 * float(one) for one in found))


def sureness(posts: HeldOut) -> FloatArray:
    """(n,) the probability of the likeliest class, of the head that is least sure."""
    heads = (intents(posts.need), levels(posts.need), posts.p_sentiment)
    least: FloatArray = np.min([p.max(axis=1) for p in heads], axis=0)
    return least


def cascade(small: HeldOut, large: HeldOut, share: float) -> tuple[HeldOut, float]:
    """The surest share of the posts by one model, the rest by another; where the two agree.

    Args:
        small: what one says of n posts.
        large: what the other says of the same.
        share: of posts that the first one answers.

    Returns:
        what both say together, and the share of equal intents among what the first one answers.
    """
    surest = np.argsort(-sureness(small), kind="stable")[: round(share * len(small))]
    need, mood = large.need.copy(), large.p_sentiment.copy()
    need[surest], mood[surest] = small.need[surest], small.p_sentiment[surest]
    one, other = (intents(posts.need)[surest].argmax(axis=1) for posts in (small, large))
    return replace(large, need=need, p_sentiment=mood), float((one == other).mean())


def shared_posts(small: HeldOut, large: HeldOut) -> tuple[HeldOut, HeldOut]:
    """The posts that both have, in one order."""
    _, ours, theirs = np.intersect1d(small.key, large.key, return_indices=True)
    return small.take(ours), large.take(theirs)


def _cascades() -> list[dict[str, Any]]:
    bulk = read("speed")["bulk"]
    rate = {name: statistics.median(bulk[name]["rate"]) for name in (DEFAULT, FAST, FALLBACK)}
    found = []
    for names in _CASCADES:
        small, large = shared_posts(*(load_held_out(find_artefact(name)) for name in names))
        base = figures(large)
        for share in _SHARES:
            mixed, agreement = cascade(small, large, share)
            seconds = 1 / rate[names[0]] + (1 - share) / rate[names[1]]
            found.append(
                {
                    "small": names[0],
                    "large": names[1],
                    "posts": len(large),
                    "share": share,
                    "agreement": agreement,
                    "points": figures(mixed).points_over(base),
                    "times": 1 / seconds / rate[names[1]],
                }
            )
    return found


def _batches(name: str) -> list[IntArray]:
    """Token ids of the texts as a scorer batches them: of equal length."""
    artefact = find_artefact(name)
    tokens = PostTokenizer.from_file(artefact.path(TOKENIZER), artefact.config.max_tokens)
    by_length: dict[int, list[list[int]]] = {}
    for ids in tokens.ids([clean(text) for text in tweets(_ROWS)]):
        by_length.setdefault(len(ids), []).append(list(ids))
    return [
        np.array(rows[at : at + BATCH_ROWS], dtype=np.int64)
        for rows in by_length.values()
        for at in range(0, len(rows), BATCH_ROWS)
    ]


def _by_onnxruntime(session: Any, *, at_once: int = _THREADS) -> Callable[[Batches], None]:
    def run(batches: Batches) -> None:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda ids: session.run([NEED, SENTIMENT], {INPUT: ids}), batches))

    return run


def _session(graph: bytes, threads: int, switched_off: Sequence[str]) -> Any:
    """As ``open_session`` but for what is given."""
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(threads > 1)))
    return onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=[*switched_off]
    )


def _by_openvino(graph: bytes) -> Callable[[Batches], None]:
    openvino: Any = import_module("openvino")  # no dependency of the project
    core = openvino.Core()
    how = {"NUM_STREAMS": str(_THREADS), "INFERENCE_NUM_THREADS": str(_THREADS)}
    compiled = core.compile_model(core.read_model(graph), "CPU", how)
    queue = openvino.AsyncInferQueue(compiled, 2 * _THREADS)

    def run(batches: Batches) -> None:
        for ids in batches:
            queue.start_async({INPUT: ids})
        queue.wait_all()

    return run


def _renumbered(batches: Batches) -> tuple[IntArray, list[IntArray]]:
    """The ids that occur, and the batches by their places among them."""
    used, places = np.unique(np.concatenate([one.ravel() for one in batches]), return_inverse=True)
    parts = np.split(places, np.cumsum([one.size for one in batches])[:-1])
    shaped = [part.reshape(one.shape) for part, one in zip(parts, batches, strict=True)]
    return used, shaped


def _round(name: str, contender: str) -> float:
    """Messages a second, from tokens to logits."""
    graph, batches = find_artefact(name).path(MODEL).read_bytes(), _batches(name)
    if contender == _OPENVINO:
        run = _by_openvino(in_standard_operators(graph))
    elif contender == _IN_TURN:
        run = _by_onnxruntime(_session(graph, _THREADS, [_KERNEL]), at_once=1)
    elif contender == _FUSED:
        run = _by_onnxruntime(_session(graph, 1, []))
    elif contender == _PRUNED:
        used, batches = _renumbered(batches)
        run = _by_onnxruntime(open_session(with_vocabulary(graph, used)))
    else:
        run = _by_onnxruntime(open_session(graph))
    run(batches)  # whatever a runtime prepares for each new shape is prepared
    start = time.perf_counter()
    run(batches)
    return _ROWS / (time.perf_counter() - start)


def _timed() -> dict[str, dict[str, list[float]]]:
    missing = () if find_spec("openvino") else (_OPENVINO,)
    contenders = [one for one in _CONTENDERS if one not in missing]
    found: dict[str, dict[str, list[float]]] = {}
    for name in (DEFAULT, FAST):
        rates = found[name] = {one: list[float]() for one in contenders}
        for number in range(_ROUNDS):
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.shortcuts"]
                command += ["--model", name, "--contender", contender]
                done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
                rates[contender].append(json.loads(done.stdout.strip().splitlines()[-1]))
                print(name, number + 1, contender, rates[contender][-1], file=sys.stderr)
    if _OPENVINO not in contenders:
        print("OpenVINO is not installed: no row of it", file=sys.stderr)
    return found


def body(facts: Mapping[str, Any]) -> str:
    """The tables, and what they are of."""
    cascades = [
        (
            f"{one['small']}, then {one['large']}",
            f"{100 * one['share']:.0f} %",
            f"{100 * one['agreement']:.1f} %",
            *(f"{points:+.2f}" for points in one["points"]),
            f"{one['times']:.2f}",
        )
        for one in facts["cascades"]
    ]
    head = (
        *("models", "answered by the first", "equal intents among them", "intent macro-F1"),
        *("urgency kappa", "AUROC, urgency >= high", "sentiment recall", "times as fast"),
    )
    posts = [one["posts"] for one in facts["cascades"]]
    least, most = min(posts), max(posts)
    timed = [
        (
            name,
            contender,
            spread(rates, 0),
            spread([a / b for a, b in zip(rates, found[_SHIPPED], strict=True)], 2),
        )
        for name, found in facts["timed"].items()
        for contender, rates in found.items()
    ]
    return "\n\n".join(
        [
            "## A small model answers what it is sure of\n\n" + table(head, cascades),
            f"The posts of companies never seen that both models were judged on, {least:,} or "
            f"{most:,}; points of 100 above "
            "the second model alone. The first model answers the posts of which its least sure "
            "head is surest. Times as fast: computed from the rates of [speed.md](speed.md), file "
            "to file, the first model reading everything.",
            "## The same graph, run otherwise\n\n"
            + table(("model", "how", "messages a second", "times as fast"), timed),
            f"{_ROWS:,} distinct tweets, tokens to logits, {_THREADS} threads, batches of equal "
            f"length. Median (range) of {_ROUNDS} interleaved rounds; a ratio is taken within a "
            "round.",
        ]
    )


def main() -> None:
    """Measure all and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", choices=_CONTENDERS)
    parser.add_argument("--model", choices=[DEFAULT, FAST])
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(_round(arguments.model, arguments.contender)))
        return
    facts = {"cascades": _cascades(), "timed": _timed()}
    write("shortcuts", facts, body(facts), _COMMAND)


if __name__ == "__main__":
    main()
