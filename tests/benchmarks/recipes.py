"""Recipes side by side: companies never seen, and the test posts, over several seeds.

For each config and seed this trains the folds and the final model, fits the calibration out of
fold, and takes the figures of the fold posts (no company on both sides; posts without a company
are never scored) and of the test posts. The teachers of the first seed's student, each a model of
another seed, are measured by themselves as well; those of ``default`` and ``fast`` are the same.
What is not run (``--recipes``) keeps its place in the report. All seeds read the same rows. All
figures are of models in fp32, unless the report says otherwise: what quantisation costs is measured
where a model is exported. Texts of the config ``plain`` are given as they were written, since
cleaning is part of the recipe. TF-IDF with logistic regression stands beside, and fastText once it
was named, on the same posts as ``plain`` and calibrated as all others are. Everything is kept in
the work folder: an interrupted run goes on, and a finished seed is not trained again.
"""

import argparse
import hashlib
import logging
import statistics
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.cleaning import clean
from replyrank.data.text_key import restore
from replyrank.models.calibration import softmax
from replyrank.models.parity import OnnxGraph, by_length
from replyrank.pipeline.markdown import table
from replyrank.training.baselines import tfidf_logistic
from replyrank.training.build import dataset_for
from replyrank.training.calibrate import cross_fitted, fit
from replyrank.training.config import TrainConfig, load_config
from replyrank.training.material import Material, load_material, load_split
from replyrank.training.metrics import FloatArray
from replyrank.training.oof import Logits, OutOfFold, fold_figures
from replyrank.training.predictions import Predictions
from replyrank.training.rows import TrainingRows
from replyrank.training.train import TrainingRun
from tests.benchmarks.reporting import REPORTS, read, write
from tests.benchmarks.rivals import fasttext_predictions

_COMMAND: Final = "python -m tests.benchmarks.recipes"
_CONFIGS: Final = Path("training/configs")
_RECIPES: Final = ("plain", "default", "fast")
#: what else there is to measure, and the order of the report
_TFIDF: Final = "TF-IDF + LR (calibrated)"
_FASTTEXT: Final = "fastText (calibrated)"
#: the recipe whose texts are not cleaned
_PLAIN: Final = "plain"
#: what the models that teach are called
_TEACHER: Final = "one teacher"
#: and the mean of what they say
_MEAN: Final = "mean of teachers"

_REPORT: Final = "recipes"
_HOW: Final = (
    "Figures are of models in fp32, but for what is told below; what int8 costs is measured at "
    "each export and stands in the model's card. ± is the standard deviation over seeds; without "
    "it one seed was run. What was not run in the last call stands as it was measured before."
)

Figures = dict[str, float]
#: by what was measured: figures of each seed, of companies never seen and of the test posts
Results = dict[str, list[tuple[Figures, Figures]]]


def measure(run: TrainingRun, test: TrainingRows) -> tuple[Figures, Figures]:
    """Figures of the fold posts and of the test posts, calibrated."""
    # Refuses a folder of another config.
    run.fold_logits(())
    blind, seen = _kept_logits(run, test)
    return _figures(run.material, blind, test, seen, run.config)


def measure_mean(runs: Sequence[TrainingRun], test: TrainingRows) -> tuple[Figures, Figures]:
    """The same figures of the mean of the probabilities of several runs' models."""
    kept = [_kept_logits(run, test) for run in runs]
    blind, seen = _mean([fold for fold, _ in kept]), _mean([other for _, other in kept])
    return _figures(runs[0].material, blind, test, seen, runs[0].config)


def _mean(parts: Sequence[Logits]) -> Logits:
    def mean(logits: list[FloatArray]) -> FloatArray:
        told: FloatArray = np.log(np.mean([softmax(part) for part in logits], axis=0))
        return told

    return Logits(mean([part.need for part in parts]), mean([part.sentiment for part in parts]))


def _kept_logits(run: TrainingRun, test: TrainingRows) -> tuple[Logits, Logits]:
    """Logits of the fold posts, fold after fold, and of the test posts, from the work folder."""
    asked = hashlib.sha256(b"".join(test.lines())).hexdigest()
    done = run.work / f"measured-{asked[:12]}.npz"
    if not done.exists():
        _keep_logits(run, test, done)
    with np.load(done, allow_pickle=False) as kept:
        blind, seen = (
            Logits(kept[f"{part}_need"].astype(float), kept[f"{part}_sentiment"].astype(float))
            for part in ("fold", "test")
        )
    return blind, seen


def _keep_logits(run: TrainingRun, test: TrainingRows, target: Path) -> None:
    parts = [part.fp32 for part in run.fold_logits()]
    graphs = run.quantise(run.final_model(), "final", run.material.posts)
    tokens = run.tokenise(test.texts)
    need, sentiment = OnnxGraph(graphs.fp32).logits(tokens, by_length(tokens, 16))
    partial = target.with_name(f"partial-{target.name}")
    np.savez(
        partial,
        fold_need=np.concatenate([part.need for part in parts]),
        fold_sentiment=np.concatenate([part.sentiment for part in parts]),
        test_need=need,
        test_sentiment=sentiment,
    )
    partial.replace(target)


def _figures(
    material: Material, blind: Logits, test: TrainingRows, seen: Logits, config: TrainConfig
) -> tuple[Figures, Figures]:
    order = np.concatenate([material.fold_rows(fold) for fold in range(config.folds)])
    oof = OutOfFold(
        need=blind.need,
        sentiment=blind.sentiment,
        rows=material.posts.take(order),
        folds=np.array(material.folds)[order],
        companies=material.companies[order],
    )
    on_folds = fold_figures(oof.rows, cross_fitted(oof, config.decisions))
    on_test = fold_figures(test, fit(oof, config.decisions).judge(seen.need, seen.sentiment))
    return dict(on_folds.figures), dict(on_test.figures)


def measure_words(
    config: TrainConfig, dataset: Path, fitted: Callable[[TrainingRows, Sequence[str]], Predictions]
) -> tuple[Figures, Figures]:
    """The same figures of what is fitted on words alone, on the posts that the folds allow."""
    material = load_material(config, dataset)
    parts = [
        _as_logits(fitted(material.fold_training(fold), _fold_texts(material, fold)))
        for fold in range(config.folds)
    ]
    blind = Logits(
        np.concatenate([part.need for part in parts]),
        np.concatenate([part.sentiment for part in parts]),
    )
    test = load_split(dataset, "test")
    seen = _as_logits(fitted(material.all_training(), test.texts))
    return _figures(material, blind, test, seen, config)


def _fold_texts(material: Material, fold: int) -> Sequence[str]:
    return material.posts.take(material.fold_rows(fold)).texts


def _as_logits(predicted: Predictions) -> Logits:
    assert predicted.need is not None
    assert predicted.p_sentiment is not None
    least = 1e-9
    return Logits(np.log(predicted.need + least), np.log(predicted.p_sentiment + least))


def _cell(values: list[float]) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = statistics.mean(values)
    return f"{mean:.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def _tables(results: Results) -> str:
    blocks = []
    for place, title in enumerate(("Companies never seen", "Test posts")):
        names = list(next(iter(results.values()))[0][place])
        rows = [
            (name, *(_cell([run[place][name] for run in runs]) for runs in results.values()))
            for name in names
        ]
        blocks.append(f"## {title}\n\n{table(('figure', *results), rows)}")
    return "\n\n".join(blocks)


def _config(recipe: str, seed: int) -> TrainConfig:
    config = load_config(_CONFIGS / f"{recipe}.yaml", seed=seed, folds=5, calibration_folds=None)
    assert isinstance(config, TrainConfig)
    return config


def _measured(recipe: str, seed: int, dataset: Path, work: Path) -> Results:
    """The figures of a recipe; with its first seed, those of its teachers too."""
    print(f"{recipe}, seed {seed}", file=sys.stderr)
    config, test = _config(recipe, seed), load_split(dataset, "test")
    prepare = restore if recipe == _PLAIN else clean
    material = load_material(_config(recipe, 1), dataset)
    run = TrainingRun(config, material, work / f"{recipe}-{seed}", prepare=prepare)
    results: Results = {recipe: [measure(run, test)]}
    if seed == 1 and run.teachers:
        results[_TEACHER] = [measure(teacher, test) for teacher in run.teachers]
        results[_MEAN] = [measure_mean(run.teachers, test)]
    return results


def _kept(recipes: Collection[str]) -> tuple[Results, dict[str, str]]:
    """What stands in the report, and what is told of the recipes that are not run now."""
    if not (REPORTS / f"{_REPORT}.json").exists():
        return {}, {}
    report = read(_REPORT)
    results: Results = report["results"]
    notes: dict[str, str] = report.get("notes", {})
    return results, {name: note for name, note in notes.items() if name not in recipes}


def body(facts: Mapping[str, Any]) -> str:
    """All tables, and what they are of."""
    return " ".join([f"{_tables(facts['results'])}\n\n{_HOW}", *facts["notes"].values()])


def main() -> None:
    """Train what is missing, measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--recipes", nargs="+", choices=(_TFIDF, _FASTTEXT, *_RECIPES), default=_RECIPES
    )
    parser.add_argument("--work", type=Path, default=Path("runs/recipes"))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    dataset = dataset_for(
        _config("default", 1), None, arguments.work / "dataset", report=logging.info
    )
    results, notes = _kept(arguments.recipes)
    # On the same posts as the plain fine-tune: no corpora beside them, no added ones.
    words = _config(_PLAIN, 1)
    if _TFIDF in arguments.recipes or _TFIDF not in results:
        by_tfidf = partial(tfidf_logistic, seed=words.seed)
        results[_TFIDF] = [measure_words(words, dataset, by_tfidf)]
    if _FASTTEXT in arguments.recipes:
        results[_FASTTEXT] = [measure_words(words, dataset, fasttext_predictions)]
    for recipe in (one for one in _RECIPES if one in arguments.recipes):
        runs = [
            _measured(recipe, seed, dataset, arguments.work)
            for seed in range(1, arguments.seeds + 1)
        ]
        results |= runs[0] | {recipe: [run[recipe][0] for run in runs]}
    order = (_TFIDF, _FASTTEXT, _PLAIN, _TEACHER, _MEAN, "default", "fast")
    material = load_material(_config("default", 1), dataset)
    measured = [row for fold in range(5) for row in material.fold_rows(fold)]
    shown = {name: results[name] for name in order if name in results}
    facts = {
        "posts": len(measured),
        "companies": len(set(material.companies[measured].tolist())),
        "results": shown,
        "notes": notes,
    }
    write(_REPORT, facts, body(facts), f"{_COMMAND} --seeds {arguments.seeds}")


if __name__ == "__main__":
    main()
