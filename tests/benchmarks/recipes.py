"""Recipes side by side: companies never seen, and the test posts, over several seeds.

For each config and seed this trains the folds and the final model, quantises every one, fits
the calibration out of fold, and takes the figures of the fold posts (no company on both sides;
posts without a company are never scored) and of the test posts. Texts of the config ``plain``
are given as they were written, since cleaning is part of the recipe. TF-IDF with logistic
regression stands beside, on the same posts as ``plain``. Everything is kept in the
work folder: an interrupted run goes on, and a finished seed is not trained again.
"""

import argparse
import logging
import statistics
import sys
from pathlib import Path
from typing import Final

import numpy as np

from replyrank.data.cleaning import clean
from replyrank.data.text_key import restore
from replyrank.models.parity import OnnxGraph, by_length
from replyrank.pipeline.markdown import table
from replyrank.training.baselines import tfidf_logistic
from replyrank.training.build import dataset_for
from replyrank.training.calibrate import cross_fitted, fit
from replyrank.training.config import TrainConfig, load_config
from replyrank.training.material import Material, load_material, load_split
from replyrank.training.oof import Logits, OutOfFold, fold_figures
from replyrank.training.predictions import Predictions
from replyrank.training.train import TrainingRun
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.recipes"
_CONFIGS: Final = Path("training/configs")
_RECIPES: Final = ("plain", "default")
#: the recipe whose texts are not cleaned
_PLAIN: Final = "plain"

Figures = dict[str, float]


def measure(config: TrainConfig, dataset: Path, work: Path) -> tuple[Figures, Figures]:
    """Figures of the fold posts and of the test posts, calibrated, of the int8 graphs."""
    prepare = restore if config.name == _PLAIN else clean
    run = TrainingRun(config, load_material(config, dataset), work, prepare=prepare)
    oof = run.out_of_fold(run.fold_logits())
    test, material = load_split(dataset, "test"), run.material
    model = run.posts_stage("final", material.all_training())
    graphs = run.quantise(model, "final", material.posts)
    tokens = run.tokenise(test.texts)
    logits = OnnxGraph(graphs.int8).logits(tokens, by_length(tokens, 16))
    on_folds = fold_figures(oof.rows, cross_fitted(oof, config.decisions))
    on_test = fold_figures(test, fit(oof, config.decisions).judge(*logits))
    return dict(on_folds.figures), dict(on_test.figures)


def measure_tfidf(config: TrainConfig, dataset: Path) -> tuple[Figures, Figures]:
    """The same figures of TF-IDF and logistic regression, on the posts that the folds allow."""
    material = load_material(config, dataset)
    blind = [_tfidf(config, material, f) for f in range(config.folds)]
    order = np.concatenate([material.fold_rows(fold) for fold in range(config.folds)])
    oof = OutOfFold(
        need=np.concatenate([part.need for part in blind]),
        sentiment=np.concatenate([part.sentiment for part in blind]),
        rows=material.posts.take(order),
        folds=np.array(material.folds)[order],
        companies=material.companies[order],
    )
    test = load_split(dataset, "test")
    seen = _as_logits(tfidf_logistic(material.all_training(), test.texts, seed=config.seed))
    on_folds = fold_figures(oof.rows, cross_fitted(oof, config.decisions))
    on_test = fold_figures(test, fit(oof, config.decisions).judge(seen.need, seen.sentiment))
    return dict(on_folds.figures), dict(on_test.figures)


def _tfidf(config: TrainConfig, material: Material, fold: int) -> Logits:
    texts = material.posts.take(material.fold_rows(fold)).texts
    return _as_logits(tfidf_logistic(material.fold_training(fold), texts, seed=config.seed))


def _as_logits(predicted: Predictions) -> Logits:
    assert predicted.need is not None
    assert predicted.p_sentiment is not None
    least = 1e-9
    return Logits(np.log(predicted.need + least), np.log(predicted.p_sentiment + least))


def _cell(values: list[float]) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = statistics.mean(values)
    return f"{mean:.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else "")


def _tables(results: dict[str, list[tuple[Figures, Figures]]]) -> str:
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


def main() -> None:
    """Train what is missing, measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/recipes"))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    shipped = _config("default", 1)
    dataset = dataset_for(shipped, None, arguments.work / "dataset", report=logging.info)
    # On the same posts as the plain fine-tune: no corpora beside them, no added ones.
    results = {"TF-IDF + LR": [measure_tfidf(_config(_PLAIN, 1), dataset)]}
    for recipe in _RECIPES:
        results[recipe] = []
        for seed in range(1, arguments.seeds + 1):
            print(f"{recipe}, seed {seed}", file=sys.stderr)
            work = arguments.work / f"{recipe}-{seed}"
            results[recipe].append(measure(_config(recipe, seed), dataset, work))
    command = f"{_COMMAND} --seeds {arguments.seeds}"
    write("recipes", {"seeds": arguments.seeds, "results": results}, _tables(results), command)


if __name__ == "__main__":
    main()
