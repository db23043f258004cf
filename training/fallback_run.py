"""The program that makes the linear fallback: the same folds, calibration and folder."""

import tempfile
from pathlib import Path

import numpy as np

from replyrank.data.cleaning import clean
from replyrank.models.artefact import WEIGHTS
from replyrank.models.config import ModelKind
from replyrank.models.linear import LinearWeights, linear_logits, save_weights
from replyrank.training.card import papers
from replyrank.training.config import FallbackConfig
from replyrank.training.fallback import fit_linear
from replyrank.training.material import Material
from replyrank.training.oof import OutOfFold
from replyrank.training.release import finish_artefact, fit_config, publish
from replyrank.training.rows import MASKED, TrainingRows


class FallbackRun:
    """One run of the program; it takes minutes, so nothing is kept for resuming."""

    def __init__(self, config: FallbackConfig, material: Material) -> None:
        self.config = config
        self.material = material

    @property
    def start(self) -> None:
        """It makes a new model."""
        return

    def plan(self) -> str:
        """What will be fitted."""
        models = len(self.config.folds_run) + 1
        return f"{models} linear models on {len(self.material.posts):,} posts, minutes"

    def run(self, out: Path, name: str) -> Path:
        """All steps; returns the artefact's folder."""
        oof = self.out_of_fold()
        fitted = fit_config(oof, self.config, name, ModelKind.LINEAR)
        weights = self._fit(self.material.all_training())
        described = papers(name, self.config, self.material, fitted.figures, ())
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out) as place:
            folder = Path(place) / name
            folder.mkdir()
            save_weights(weights, folder / WEIGHTS)
            finish_artefact(folder, fitted, described)
            return publish(folder, out / name)

    def out_of_fold(self) -> OutOfFold:
        """Logits of every post that has a company, by the model blind to it."""
        rows = [self.material.fold_rows(fold) for fold in self.config.folds_run]
        logits = [self._fold_logits(fold, index) for fold, index in enumerate(rows)]
        both = np.concatenate(logits)
        index = np.concatenate(rows)
        return OutOfFold(
            need=both[:, :16],
            sentiment=both[:, 16:],
            rows=self.material.posts.take(index),
            folds=np.array(self.material.folds)[index],
            companies=self.material.companies[index],
        )

    def _fold_logits(self, fold: int, index: np.ndarray) -> np.ndarray:
        weights = self._fit(self.material.fold_training(fold))
        texts = [clean(self.material.posts.texts[row]) for row in index]
        return linear_logits(texts, weights).astype(np.float64)

    def _fit(self, rows: TrainingRows) -> LinearWeights:
        known = (rows.intent != MASKED) & (rows.urgency != MASKED) & (rows.sentiment != MASKED)
        full = rows.take(known)
        return fit_linear(
            [clean(text) for text in full.texts],
            (full.intent * 4 + full.urgency).tolist(),
            full.sentiment.tolist(),
            seed=self.config.seed,
        )
