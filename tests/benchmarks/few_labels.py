"""How much a team gains from how many corrections: a company that the model never saw.

Three teams of companies that trained no model. One labels by our guideline: its posts in the gate
set, by intent and urgency. Two have views of their own: a crowd's labels of sentiment of the same
company's tweets, far more than any company has of ours, and one person's of another company, who
sees sentiment otherwise than our guideline does. The posts are cut into folds. For each fold and
size that many of the other posts are learnt, and the posts of the fold are judged;
figures are of all folds together. Ours begins from the shipped model with the shipped recipe for
corrections (fp32, calibration and thresholds of the shipped model); beside it stand TF-IDF with
logistic regression, which learns the same posts alone, and SetFit (Tunstall et al. 2022, arXiv
2209.11055) on the same encoder as ours began from. SetFit is left out where it is not installed:
`pip install setfit evaluate accelerate`.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.cleaning import clean
from replyrank.data.companies import company_of
from replyrank.data.corpora import corpora_root, read_corpus
from replyrank.data.messages import Labels
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS
from replyrank.data.written import WRITTEN
from replyrank.models.batches import Logits
from replyrank.models.encoder import encoder_folder
from replyrank.models.joint import intents, levels
from replyrank.pipeline.markdown import table
from replyrank.training.baselines import tfidf_logistic
from replyrank.training.bootstrap import bootstrap
from replyrank.training.build_rows import BuildConfig, RowSelection, written_rows
from replyrank.training.config import CorrectionConfig, load_config
from replyrank.training.corrector import Corrector
from replyrank.training.gate_posts import gate_posts_of_corpora
from replyrank.training.metrics import FloatArray, IntArray, confusion, macro_f1, quadratic_kappa
from replyrank.training.rows import MASKED, TrainingRows
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.few_labels"
_SIZES: Final = (16, 64, 256, 1000)
#: rounds of pairs of SetFit, by labels: 20 as published, fewer where there are many labels
_PAIRS: Final = {16: 20, 64: 10, 256: 3}
_AIRLINE: Final = "american_airlines"
_CLASSES: Final = {"intent": len(INTENTS), "sentiment": len(SENTIMENT_LABELS)}
_FOLDS: Final = 3
_RESAMPLES: Final = 1000

#: of the posts that were asked for: (n,) likeliest index, by label that was learnt
Said = dict[str, IntArray]
Way = Callable[[TrainingRows, tuple[str, ...]], Said]


@dataclass(frozen=True)
class Answers:
    """What one way of learning said of every post, each when its fold was kept aside."""

    said: Said
    #: seconds of learning and judging, by fold
    seconds: list[float]


@dataclass(frozen=True)
class Trial:
    """The posts of one company that one team labelled, and how they are cut."""

    name: str
    posts: TrainingRows
    #: the label whose macro-F1 is told
    head: str
    folds: IntArray
    #: SetFit takes several times as long as all others together
    with_setfit: bool = True
    seed: int = 0

    @classmethod
    def of(cls, name: str, posts: TrainingRows, head: str, *, with_setfit: bool = True) -> "Trial":
        """The posts cut at random."""
        order = np.random.default_rng(0).permutation(len(posts))
        return cls(name, posts, head, order % _FOLDS, with_setfit)

    @property
    def most(self) -> int:
        """Labels that can be learnt when a fold is kept aside."""
        return len(self.posts) - int(np.bincount(self.folds).max())

    def sizes(self) -> list[int]:
        """Labels to learn: a few, more, all."""
        return [size for size in _SIZES if size < self.most] + [self.most]

    def parts(self, size: int) -> Iterator[tuple[TrainingRows, IntArray]]:
        """For every fold, ``size`` of the other posts, and the fold's positions."""
        for fold in np.unique(self.folds):
            others = np.flatnonzero(self.folds != fold)
            drawn = np.random.default_rng([self.seed, int(fold)]).permutation(others)
            yield self.posts.take(drawn[:size]), np.flatnonzero(self.folds == fold)

    def answers(self, size: int, learn: Way) -> Answers:
        """What a way of learning says of every post."""
        found: Said = {}
        seconds: list[float] = []
        for learnt, aside in self.parts(size):
            start = time.perf_counter()
            said = learn(learnt, self.posts.take(aside).texts)
            seconds.append(time.perf_counter() - start)
            for label, index in said.items():
                found.setdefault(label, np.zeros(len(self.posts), dtype=np.int64))[aside] = index
        return Answers(found, seconds)


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

    def uncorrected(self, _: TrainingRows, texts: tuple[str, ...]) -> Said:
        """The model as it ships."""
        return self._likeliest(self._corrector.said(texts))

    def corrected(self, posts: TrainingRows, texts: tuple[str, ...]) -> Said:
        """The same after it learnt some posts."""
        rows = TrainingRows.concatenate([posts, self._beside])
        config = self._config
        model = self._corrector.stage(
            self._corrector.begun(), rows, config.stage, config.seed
        ).run()
        return self._likeliest(self._corrector.said_by(model, texts))

    def _likeliest(self, said: Logits) -> Said:
        judged = self._corrector.judge(said)
        return _likeliest(judged.need, judged.p_sentiment)


def tfidf(posts: TrainingRows, texts: tuple[str, ...]) -> Said:
    """TF-IDF and logistic regression of these posts alone."""
    said = tfidf_logistic(posts, texts, seed=0)
    assert said.need is not None
    assert said.p_sentiment is not None
    return _likeliest(said.need, said.p_sentiment)


def _likeliest(need: FloatArray, p_sentiment: FloatArray) -> Said:
    return {
        "intent": intents(need).argmax(axis=1),
        "urgency": levels(need).argmax(axis=1),
        "sentiment": p_sentiment.argmax(axis=1),
    }


def by_setfit(posts: TrainingRows, texts: tuple[str, ...], head: str) -> Said:
    """SetFit of these posts alone, for one label."""
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
        data = Dataset.from_dict({"text": cleaned, "label": getattr(posts, head).tolist()})
        setfit.Trainer(model, arguments, train_dataset=data).train()
    said = model.predict([clean(text) for text in texts], show_progress_bar=False)
    return {head: np.asarray(said, dtype=np.int64)}


def figures(trial: Trial, answers: Answers, before: Answers) -> dict[str, object]:
    """Macro-F1 with its gain over the model as it ships, kappa of urgency, seconds."""
    true, head = getattr(trial.posts, trial.head), trial.head

    def f1(weights: FloatArray) -> dict[str, FloatArray]:
        now, was = (
            macro_f1(confusion(true, one.said[head], _CLASSES[head], weights))
            for one in (answers, before)
        )
        return {"f1": now, "gain": now - was}

    found = bootstrap(f1, len(true), seed=0, resamples=_RESAMPLES)
    kappa = None
    if "urgency" in answers.said and (trial.posts.urgency != MASKED).all():
        kappa = float(quadratic_kappa(confusion(trial.posts.urgency, answers.said["urgency"], 4)))
    return {
        "f1": float(found["f1"].value),
        "gain": [float(x) for x in (found["gain"].value, found["gain"].low, found["gain"].high)],
        "kappa": kappa,
        "seconds": statistics.median(answers.seconds),
    }


def by_our_guideline(company: str) -> TrainingRows:
    """Its fully labelled posts in the gate set."""
    posts = gate_posts_of_corpora(None)
    rows = [row for row, name in enumerate(posts.companies) if name == company]
    return posts.rows.take(np.array(rows, dtype=np.int64))


def by_others(corpus: str, company: str) -> TrainingRows:
    """Its posts with a corpus's own sentiment; no near-copy of a test post, none twice."""
    selection = RowSelection(corpora_root(None), BuildConfig(auxiliary=()))
    guard = NearCopyGuard([row.text for row in selection.labelled()["test"]])
    found: dict[str, Labels] = {}
    for post in read_corpus(corpus, corpora_root(None)):
        if company_of(post.brand) == company and post.labels.sentiment is not None:
            found.setdefault(post.text, post.labels)
    texts = list(found)
    kept = [texts[place] for place in guard.filter(texts)]
    return TrainingRows.of(kept, [found[text] for text in kept])


Results = dict[str, dict[str, dict[str, object]]]


def results_of(trials: Sequence[Trial], ours: Ours) -> dict[str, Results]:
    """Trial -> way -> labels -> figures; ours of all trials first, on a machine still at rest."""
    before = {trial.name: trial.answers(trial.most, ours.uncorrected) for trial in trials}
    results: dict[str, Results] = {}
    for trial in trials:
        shipped = before[trial.name]
        results[trial.name] = {"ours": {"0": figures(trial, shipped, shipped)}}
    ways = ["ours", "TF-IDF", *(["SetFit"] if find_spec("setfit") is not None else [])]
    for way, trial in product(ways, trials):
        by_name: dict[str, Way] = {
            "ours": ours.corrected,
            "TF-IDF": tfidf,
            "SetFit": partial(by_setfit, head=trial.head),
        }
        for size in trial.sizes():
            if way == "SetFit" and (size not in _PAIRS or not trial.with_setfit):
                continue
            label = f"all ({size:,})" if size == trial.most else f"{size:,}"
            said = figures(trial, trial.answers(size, by_name[way]), before[trial.name])
            results[trial.name].setdefault(way, {})[label] = said
            print(trial.name, way, label, json.dumps(said), file=sys.stderr, flush=True)
    return results


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


def _section(trial: Trial, results: Results) -> str:
    head = (
        "way",
        "labels",
        f"{trial.head} macro-F1",
        "against 0 labels (95 %)",
        "kappa",
        "seconds",
    )
    rows = [_row(way, size, one) for way, of in results.items() for size, one in of.items()]
    return f"## {trial.name}: {len(trial.posts):,} posts\n\n{table(head, rows)}"


def main() -> None:
    """Learn, judge, write the report."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("training/configs/corrections.yaml"))
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    assert isinstance(config, CorrectionConfig)
    ours = Ours(config)
    crowd, person = by_others("airline", _AIRLINE), by_others("sanders", "google")
    trials = (
        Trial.of(f"{_AIRLINE}, by our guideline", by_our_guideline(_AIRLINE), "intent"),
        Trial.of("google, one person's sentiment", person, "sentiment", with_setfit=False),
        Trial.of(f"{_AIRLINE}, a crowd's sentiment", crowd, "sentiment", with_setfit=False),
    )
    results = results_of(trials, ours)
    body = "\n\n".join(_section(trial, results[trial.name]) for trial in trials)
    rounds = ", ".join(f"{pairs} for {size}" for size, pairs in _PAIRS.items())
    body += (
        f"\n\nPosts of companies that no model was trained on, in {_FOLDS} folds, each judged by "
        "a model that learnt only of the others. Seconds are those of learning and judging one "
        f"fold, median. SetFit learns one label alone; rounds of pairs: {rounds} labels. "
        "The labels of the crowd and of the person follow no rule of ours."
    )
    write("few_labels", {"results": results}, body, _COMMAND)


if __name__ == "__main__":
    main()
