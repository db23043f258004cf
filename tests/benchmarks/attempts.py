"""One attempt at a better recipe: a config, on some of the company folds, beside all before it.

Trains what the fold models of ``CONFIG`` need, and takes their figures on posts of companies that
they have not seen, on the behaviour suites and on TweetEval's validation tweets. With ``--rows``
one model leaves all of the folds out and reads only so many rows: in minutes, and measured on more
posts. The row is added to ``reports/attempts.json``; the failed ones stay there too, also of what
the code no longer has. Attempts on a GPU are told as such, without minutes: many ran at a time,
in fp32, with the same measures. Nothing here reads a test post.
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
from replyrank.data.errors import UsageError
from replyrank.data.vocabulary import SENTIMENT_LABELS
from replyrank.models.parity import OnnxGraph, by_length
from replyrank.pipeline.markdown import table
from replyrank.training.behaviour import behaviour_report, case_texts
from replyrank.training.build import dataset_for
from replyrank.training.calibrate import Fitted, cross_fitted, fit
from replyrank.training.config import TrainConfig, load_config
from replyrank.training.material import load_material
from replyrank.training.metrics import FloatArray, confusion, macro_recall
from replyrank.training.oof import OutOfFold, fold_figures
from replyrank.training.predictions import Predictions
from replyrank.training.train import TrainingRun
from tests.benchmarks.reporting import REPORTS, write

_COMMAND: Final = "python -m tests.benchmarks.attempts CONFIG --note WORDS"
_REPORT: Final = "attempts"
_SCOPE: Final = (
    "The command and the machine above are those of the rows that are not marked GPU. Rows marked "
    "GPU were trained on a data-centre GPU, many at a time and in fp32, and entered by hand: the "
    "command does not repeat them. The log begins with the third generation of the model (the "
    "`-0.3` of the shipped names). A mean is of the probabilities of several models; students read "
    "190,000 texts. The behaviour suites were 17 for the rows before those on the worth of "
    "corpora, and 20 from there on. A row's config stands in attempts.json; as a file it is a "
    "CONFIG."
)
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


def _judge(run: TrainingRun, fitted: Fitted, model: str, texts: Sequence[str]) -> Predictions:
    """What a quantised model says of texts."""
    judged = fitted.judge(*_logits(run, model, texts))
    nothing = (None,) * len(texts)
    return Predictions(judged.need, judged.p_sentiment, nothing, fitted.priors.sentiment)


def _logits(run: TrainingRun, model: str, texts: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    tokens = run.tokenise(texts)
    return OnnxGraph(run.work / f"{model}-int8.onnx").logits(tokens, by_length(tokens, 16))


def _aside(run: TrainingRun, fitted: Fitted, model: str) -> dict[str, float]:
    """Behaviour suites and tweets, of one model."""
    cases = _judge(run, fitted, model, case_texts(load_cases()))
    kinds = behaviour_report(cases, seed=0, resamples=1).kinds
    figures = {f"behaviour: {kind}": float(rate.value or 0) for kind, rate in kinds.items()}
    tweets = [(post.text, post.labels.sentiment) for post in read_corpus(_TWEETS)]
    trained = {*run.material.posts.texts, *run.material.companions.texts}
    known = [(text, label) for text, label in tweets if label is not None and text not in trained]
    said = _judge(run, fitted, model, [text for text, _ in known]).sentiment
    assert said is not None
    truth = np.array([SENTIMENT_LABELS.index(label) for _, label in known])
    counts = confusion(truth, said.predicted, len(SENTIMENT_LABELS))
    return figures | {"TweetEval validation": float(macro_recall(counts))}


def attempt(run: TrainingRun, folds: Sequence[int], most: int | None) -> dict[str, float]:
    """Figures of some folds together; of what is beside them, the mean over their models.

    Args:
        run: trains.
        folds: which, from 0.
        most: rows that one model reads, blind to all of the folds; without it a model for each.
    """
    if most is None:
        oof, models = run.out_of_fold(run.fold_logits(folds)), [f"fold-{at + 1}" for at in folds]
    else:
        oof, models = _short(run, folds, most)
    decisions = run.config.decisions
    figures = dict(fold_figures(oof.rows, cross_fitted(oof, decisions)).figures)
    fitted = fit(oof, decisions)
    aside = [_aside(run, fitted, model) for model in models]
    means = {name: float(np.mean([one[name] for one in aside])) for name in sorted(aside[0])}
    return figures | means | {"posts": float(len(oof.rows))}


def _short(run: TrainingRun, folds: Sequence[int], most: int) -> tuple[OutOfFold, list[str]]:
    """The logits, on all of the folds, of one model that is blind to them."""
    if run.config.student_stage is not None:
        message = "--rows trains one model, and the config has a student; take student_stage out"
        raise UsageError(message)
    # Refuses a folder of another config.
    run.fold_logits(())
    material, name = run.material, f"short-{'-'.join(str(fold + 1) for fold in folds)}-{most}"
    sets = [material.fold_training(fold) for fold in folds]
    shared = frozenset(sets[0].texts).intersection(*(rows.texts for rows in sets[1:]))
    rows = sets[0].take(np.array([text in shared for text in sets[0].texts]))
    drawn = rows.take(np.random.default_rng(run.config.seed).permutation(len(rows))[:most])
    run.quantise(run.posts_stage(name, lambda: drawn), name, drawn)
    held = np.concatenate([material.fold_rows(fold) for fold in folds])
    posts = material.posts.take(held)
    need, sentiment = _logits(run, name, posts.texts)
    places = np.array(material.folds)[held]
    return OutOfFold(need, sentiment, posts, places, material.companies[held]), [name]


def body(attempts: Sequence[dict[str, Any]]) -> str:
    """Which rows the command made, and all of them."""
    rows = [
        (
            one["note"],
            f"{one['rows']:,}" if one["rows"] else "all",
            ", ".join(str(fold + 1) for fold in one["folds"]),
            f"{one['figures']['posts']:,.0f}",
            *(f"{one['figures'][name]:.3f}" if name in one["figures"] else "-" for name in _SHOWN),
            f"{one['minutes']:.0f}" if one["minutes"] else "-",
        )
        for one in attempts
    ]
    shown = table(("attempt", "rows", "folds", "posts", *_SHOWN, "minutes"), rows)
    return f"{_SCOPE}\n\n{shown}"


def open_run(config: Path, work: Path) -> TrainingRun:
    """The run of a config in a folder that several configs share; it goes on where it stood."""
    read = load_config(config)
    assert isinstance(read, TrainConfig)
    dataset = dataset_for(read, None, work / "dataset", report=logging.info)
    return TrainingRun(read, load_material(read, dataset), work / config.stem)


def main() -> None:
    """Train, measure, and add a row to the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--note", required=True, help="what is tried, in a few words")
    parser.add_argument("--folds", type=int, nargs="+", default=[1], help="numbers from 1")
    parser.add_argument("--rows", type=int, help="one model blind to all folds, of so many rows")
    parser.add_argument("--work", type=Path, default=Path("runs/attempts"))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    run = open_run(arguments.config, arguments.work)
    folds = [number - 1 for number in arguments.folds]
    began = time.monotonic()
    figures = attempt(run, folds, arguments.rows)
    path = REPORTS / f"{_REPORT}.json"
    before = json.loads(path.read_text(encoding="utf-8"))["attempts"] if path.exists() else []
    row = {
        "note": arguments.note,
        "rows": arguments.rows,
        "folds": folds,
        "figures": figures,
        "minutes": (time.monotonic() - began) / 60,
        "config": run.config.model_dump(mode="json"),
    }
    attempts = [*before, row]
    write(_REPORT, {"attempts": attempts}, body(attempts), _COMMAND)


if __name__ == "__main__":
    main()
