"""One attempt at a better recipe: a config, on some of the company folds, beside all before it.

Trains what the fold models of ``CONFIG`` need, and takes their figures on posts of companies that
they have not seen, on the behaviour suites and on TweetEval's validation tweets. The row is added
to ``reports/attempts.json``; the failed ones stay there too. Nothing here reads a test post.
"""

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.behaviour import load_cases
from replyrank.data.corpora import read_corpus
from replyrank.data.vocabulary import SENTIMENT_LABELS
from replyrank.models.parity import OnnxGraph, by_length
from replyrank.pipeline.markdown import table
from replyrank.training.behaviour import behaviour_report, case_texts
from replyrank.training.build import dataset_for
from replyrank.training.calibrate import Fitted, cross_fitted, fit
from replyrank.training.config import TrainConfig, load_config
from replyrank.training.material import load_material
from replyrank.training.metrics import confusion, macro_recall
from replyrank.training.oof import fold_figures
from replyrank.training.predictions import Predictions
from replyrank.training.train import TrainingRun
from tests.benchmarks.reporting import REPORTS, write

_COMMAND: Final = "python -m tests.benchmarks.attempts CONFIG --note WORDS"
_REPORT: Final = "attempts"
_TWEETS: Final = "tweeteval_val"
_SHOWN: Final = (
    "intent macro-F1",
    "urgency quadratic kappa",
    "AUROC, urgency >= high",
    "sentiment macro-recall",
    "support_request precision at the threshold",
    "average precision, critical",
    "critical posts in the top 20 % by index",
    "behaviour: minimum",
    "behaviour: invariance",
    "behaviour: direction",
    "TweetEval validation",
)


def _judge(run: TrainingRun, fitted: Fitted, fold: int, texts: Sequence[str]) -> Predictions:
    """What the quantised model of a fold says of texts that no model is trained on."""
    tokens = run.tokenise(texts)
    graph = OnnxGraph(run.work / f"fold-{fold + 1}-int8.onnx")
    judged = fitted.judge(*graph.logits(tokens, by_length(tokens, 16)))
    nothing = (None,) * len(texts)
    return Predictions(judged.need, judged.p_sentiment, nothing, fitted.priors.sentiment)


def _aside(run: TrainingRun, fitted: Fitted, fold: int) -> dict[str, float]:
    """Behaviour suites and tweets, of one fold's model."""
    cases = _judge(run, fitted, fold, case_texts(load_cases()))
    kinds = behaviour_report(cases, seed=0, resamples=1).kinds
    figures = {f"behaviour: {kind}": float(rate.value or 0) for kind, rate in kinds.items()}
    tweets = [(post.text, post.labels.sentiment) for post in read_corpus(_TWEETS)]
    known = [(text, label) for text, label in tweets if label is not None]
    said = _judge(run, fitted, fold, [text for text, _ in known]).sentiment
    assert said is not None
    truth = np.array([SENTIMENT_LABELS.index(label) for _, label in known])
    counts = confusion(truth, said.predicted, len(SENTIMENT_LABELS))
    return figures | {"TweetEval validation": float(macro_recall(counts))}


def attempt(run: TrainingRun, folds: Sequence[int]) -> dict[str, float]:
    """Figures of some folds together; of what is beside them, the mean over their models."""
    oof = run.out_of_fold(run.fold_logits(folds))
    decisions = run.config.decisions
    figures = dict(fold_figures(oof.rows, cross_fitted(oof, decisions)).figures)
    fitted = fit(oof, decisions)
    aside = [_aside(run, fitted, fold) for fold in folds]
    return figures | {
        name: float(np.mean([one[name] for one in aside])) for name in sorted(aside[0])
    }


def _rows(attempts: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            one["note"],
            ", ".join(str(fold + 1) for fold in one["folds"]),
            f"{one['figures']['posts']:,.0f}",
            *(f"{one['figures'][name]:.3f}" for name in _SHOWN),
            f"{one['minutes']:.0f}",
        )
        for one in attempts
    ]
    return table(("attempt", "folds", "posts", *_SHOWN, "minutes"), rows)


def main() -> None:
    """Train, measure, and add a row to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--note", required=True, help="what is tried, in a few words")
    parser.add_argument("--folds", type=int, nargs="+", default=[1], help="numbers from 1")
    parser.add_argument("--work", type=Path, default=Path("runs/attempts"))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    config = load_config(arguments.config)
    assert isinstance(config, TrainConfig)
    dataset = dataset_for(config, None, arguments.work / "dataset", report=logging.info)
    material = load_material(config, dataset)
    run = TrainingRun(config, material, arguments.work / arguments.config.stem)
    folds = [number - 1 for number in arguments.folds]
    began = time.monotonic()
    figures = attempt(run, folds)
    figures["posts"] = float(sum(len(material.fold_rows(fold)) for fold in folds))
    path = REPORTS / f"{_REPORT}.json"
    before = json.loads(path.read_text(encoding="utf-8"))["attempts"] if path.exists() else []
    row = {
        "note": arguments.note,
        "folds": folds,
        "figures": figures,
        "minutes": (time.monotonic() - began) / 60,
        "config": config.model_dump(mode="json"),
    }
    attempts = [*before, row]
    write(_REPORT, {"attempts": attempts}, _rows(attempts), _COMMAND)


if __name__ == "__main__":
    main()
