"""How much a team gains from how many corrections: a company that the model never saw.

The posts of one company of the gate set, which trained no model, are cut into folds. For each fold
and size that many of the other posts are learnt, and the posts of the fold are judged; figures are
of all folds together. Ours begins from the shipped model with the shipped recipe for corrections
(fp32, calibration and thresholds of the shipped model); beside it stand TF-IDF with logistic
regression, which learns the same posts alone, and SetFit (Tunstall et al. 2022, arXiv 2209.11055)
on the same encoder as ours began from, for intent. SetFit is left out where it is not installed:
`pip install setfit evaluate accelerate`.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.cleaning import clean
from replyrank.data.written import WRITTEN
from replyrank.models.encoder import encoder_folder
from replyrank.models.joint import intents, levels
from replyrank.pipeline.markdown import table
from replyrank.training.baselines import tfidf_logistic
from replyrank.training.bootstrap import bootstrap
from replyrank.training.build_rows import written_rows
from replyrank.training.config import CorrectionConfig, load_config
from replyrank.training.corrector import Corrector
from replyrank.training.gate_posts import gate_posts_of_corpora
from replyrank.training.metrics import FloatArray, IntArray, confusion, macro_f1, quadratic_kappa
from replyrank.training.rows import TrainingRows
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.few_labels"
_SIZES: Final = (16, 64, 256)
#: pairs of SetFit, by labels: the fewer labels, the more often each is paired
_PAIRS: Final = {16: 10, 64: 5, 256: 2}
_RESAMPLES: Final = 1000


@dataclass(frozen=True)
class Answers:
    """What one way of learning said of every post, each when its fold was kept aside."""

    #: (n,) likeliest intent
    intent: IntArray
    #: (n,) likeliest level; None where urgency is not learnt
    urgency: IntArray | None
    #: seconds of learning, by fold
    seconds: list[float]


@dataclass(frozen=True)
class Trial:
    """The posts of one company, and how they are cut."""

    posts: TrainingRows
    folds: IntArray
    seed: int

    def parts(self, size: int | None) -> Iterator[tuple[TrainingRows, IntArray]]:
        """For every fold, ``size`` of the other posts (None: all), and the fold's positions."""
        for fold in np.unique(self.folds):
            others = np.flatnonzero(self.folds != fold)
            drawn = np.random.default_rng([self.seed, int(fold)]).permutation(others)
            yield self.posts.take(drawn[:size]), np.flatnonzero(self.folds == fold)

    def answers(
        self,
        size: int | None,
        learn: Callable[[TrainingRows, tuple[str, ...]], tuple[IntArray, IntArray | None]],
    ) -> Answers:
        """What a way of learning says of every post."""
        intent = np.zeros(len(self.posts), dtype=np.int64)
        urgency, seconds = np.zeros(len(self.posts), dtype=np.int64), list[float]()
        levels_known = True
        for learnt, aside in self.parts(size):
            start = time.perf_counter()
            said, level = learn(learnt, self.posts.take(aside).texts)
            seconds.append(time.perf_counter() - start)
            intent[aside] = said
            levels_known = level is not None
            if level is not None:
                urgency[aside] = level
        return Answers(intent, urgency if levels_known else None, seconds)


class Ours:
    """The shipped model, corrected by the shipped recipe."""

    def __init__(self, config: CorrectionConfig) -> None:
        self._config = config
        self._corrector = Corrector("default", config.encoder)
        beside = written_rows()
        most = config.companions[WRITTEN]
        drawn = np.random.default_rng(config.seed).permutation(len(beside))[:most]
        self._beside = TrainingRows(
            tuple(beside[row].text for row in drawn),
            *(
                np.array([getattr(beside[row], label) for row in drawn], dtype=np.int64)
                for label in ("intent", "urgency", "sentiment")
            ),
        )

    def uncorrected(self, _: TrainingRows, texts: tuple[str, ...]) -> tuple[IntArray, IntArray]:
        """The model as it ships."""
        return self._likeliest(self._corrector.judge(self._corrector.said(texts)).need)

    def corrected(self, posts: TrainingRows, texts: tuple[str, ...]) -> tuple[IntArray, IntArray]:
        """The same after it learnt some posts."""
        rows = TrainingRows.concatenate([posts, self._beside])
        config = self._config
        model = self._corrector.stage(
            self._corrector.begun(), rows, config.stage, config.seed
        ).run()
        return self._likeliest(self._corrector.judge(self._corrector.said_by(model, texts)).need)

    def _likeliest(self, need: FloatArray) -> tuple[IntArray, IntArray]:
        return intents(need).argmax(axis=1), levels(need).argmax(axis=1)


def tfidf(posts: TrainingRows, texts: tuple[str, ...]) -> tuple[IntArray, IntArray]:
    """TF-IDF and logistic regression of these posts alone."""
    said = tfidf_logistic(posts, texts, seed=0).need
    assert said is not None
    return intents(said).argmax(axis=1), levels(said).argmax(axis=1)


def by_setfit(posts: TrainingRows, texts: tuple[str, ...]) -> tuple[IntArray, None]:
    """SetFit of these posts alone, for intent."""
    from datasets import Dataset  # noqa: PLC0415

    # Not among our dependencies.
    setfit: Any = import_module("setfit")
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    cleaned = [clean(text) for text in posts.texts]
    model = setfit.SetFitModel.from_pretrained(str(encoder_folder("all-MiniLM-L6-v2")))
    with tempfile.TemporaryDirectory() as place:
        arguments = setfit.TrainingArguments(
            output_dir=place,
            batch_size=16,
            num_epochs=1,
            num_iterations=_PAIRS[len(posts)],
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        data = Dataset.from_dict({"text": cleaned, "label": posts.intent.tolist()})
        setfit.Trainer(model, arguments, train_dataset=data).train()
    said = model.predict([clean(text) for text in texts], show_progress_bar=False)
    return np.asarray(said, dtype=np.int64), None


def figures(trial: Trial, said: Answers, before: Answers) -> dict[str, object]:
    """Macro-F1 of intent with its gain over the model as it ships, kappa, seconds."""
    true = trial.posts.intent

    def f1(weights: FloatArray) -> dict[str, FloatArray]:
        now, was = (macro_f1(confusion(true, one.intent, 4, weights)) for one in (said, before))
        return {"f1": now, "gain": now - was}

    found = bootstrap(f1, len(true), seed=0, resamples=_RESAMPLES)
    urgency = None
    if said.urgency is not None:
        urgency = float(quadratic_kappa(confusion(trial.posts.urgency, said.urgency, 4)))
    return {
        "f1": float(found["f1"].value),
        "gain": [float(x) for x in (found["gain"].value, found["gain"].low, found["gain"].high)],
        "kappa": urgency,
        "seconds": statistics.median(said.seconds),
    }


def company_posts(name: str) -> TrainingRows:
    """Its fully labelled posts in the gate set."""
    posts = gate_posts_of_corpora(None)
    rows = [row for row, company in enumerate(posts.companies) if company == name]
    return posts.rows.take(np.array(rows, dtype=np.int64))


def _row(way: str, size: str, found: dict[str, object]) -> tuple[str, ...]:
    gain = found["gain"]
    assert isinstance(gain, list)
    kappa = found["kappa"]
    return (
        way,
        size,
        f"{found['f1']:.3f}",
        f"{gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f})",
        "-" if kappa is None else f"{kappa:.3f}",
        f"{found['seconds']:.0f}",
    )


def main() -> None:
    """Learn, judge, write the report."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--company", default="american_airlines")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--config", type=Path, default=Path("training/configs/corrections.yaml"))
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    assert isinstance(config, CorrectionConfig)
    posts = company_posts(arguments.company)
    order = np.random.default_rng(0).permutation(len(posts))
    trial = Trial(posts, order % arguments.folds, seed=0)
    most = len(posts) - max(np.bincount(trial.folds))
    ours = Ours(config)
    before = trial.answers(0, ours.uncorrected)
    results = {"ours": {"0": figures(trial, before, before)}}
    ways: dict[str, Callable[..., tuple[IntArray, IntArray | None]]] = {
        "ours": ours.corrected,
        "TF-IDF": tfidf,
    }
    if find_spec("setfit") is not None:
        ways["SetFit"] = by_setfit
    for size in (*_SIZES, None):
        for way, learn in ways.items():
            if way == "SetFit" and size is None:
                continue
            label = f"all ({most})" if size is None else str(size)
            said = figures(trial, trial.answers(size, learn), before)
            results.setdefault(way, {})[label] = said
            print(way, label, json.dumps(said), file=sys.stderr, flush=True)
    rows = [_row(way, size, one) for way, of in results.items() for size, one in of.items()]
    head = ("way", "labels", "intent macro-F1", "against 0 labels (95 %)", "kappa", "seconds")
    body = table(head, rows)
    body += (
        f"\n\n{len(posts)} posts of {arguments.company} in {arguments.folds} folds, each judged by "
        "a model that learnt only of the others. Seconds are those of learning and judging one "
        "fold, median. SetFit learns intent alone."
    )
    facts = {"company": arguments.company, "posts": len(posts), "results": results}
    write("few_labels", facts, body, _COMMAND)


if __name__ == "__main__":
    main()
