"""The training program: from raw corpora to an artefact, top to bottom.

    auxiliary stage      general corpora teach the encoder the language of posts
    posts stage, folds   models that are each blind to a part of the companies say how the
                         recipe does on brands never seen; calibration is fitted on what
                         their quantised graphs predict
    posts stage, final   the model that ships, on all training posts
    release              export, int8, gate, calibration, artefact folder

Every step leaves its result in the work folder and is skipped when it is there already, so an
interrupted run goes on where it stopped when the same command is given again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from replyrank.data.cleaning import clean
from replyrank.data.errors import UsageError
from replyrank.models.artefact import TOKENIZER
from replyrank.models.config import ModelKind
from replyrank.models.encoder import TriageModel, encoder_folder
from replyrank.models.parity import OnnxGraph, by_length, require
from replyrank.training.batches import Prepare, TokenisedRows, tokenise
from replyrank.training.card import model_card
from replyrank.training.config import StageConfig, TrainConfig
from replyrank.training.fitting import Progress, Stage, save_whole
from replyrank.training.material import Material
from replyrank.training.oof import OutOfFold
from replyrank.training.release import (
    GATE_TEXTS,
    fit_config,
    gate_checks,
    quantise_model,
    write_artefact,
)
from replyrank.training.rows import TrainingRows

_LOG: Final = logging.getLogger(__name__)

_CONFIG: Final = "config.json"
#: steps that are timed for the plan
_PROBE_STEPS: Final = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do and how long it should take on this machine."""

    #: (what, rows seen)
    steps: tuple[tuple[str, int], ...]
    rows_per_second: float

    @property
    def minutes(self) -> float:
        """Of optimisation; export and checks add a few."""
        return sum(rows for _, rows in self.steps) / self.rows_per_second / 60

    def __str__(self) -> str:
        lines = [
            f"{what}: {rows:,} rows, {self._minutes(rows):.0f} min" for what, rows in self.steps
        ]
        return "\n".join([*lines, f"in all about {self.minutes:.0f} min"])

    def _minutes(self, rows: int) -> float:
        return rows / self.rows_per_second / 60


def load_tokenizer(config: TrainConfig) -> Tokenizer:
    """The encoder's tokenizer, cut at the config's length, without padding."""
    tokenizer = Tokenizer.from_file(str(Path(encoder_folder(config.encoder)) / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.enable_truncation(config.max_tokens)
    return tokenizer


class TrainingRun:
    """One run of the program, its steps as methods in their order."""

    def __init__(
        self,
        config: TrainConfig,
        material: Material,
        work: Path,
        progress: Progress | None = None,
        *,
        prepare: Prepare = clean,
    ) -> None:
        self.prepare = prepare
        self.config = config
        self.material = material
        self.work = work
        self.progress = progress
        self.tokenizer = load_tokenizer(config)
        work.mkdir(parents=True, exist_ok=True)

    def plan(self) -> Plan:
        """Count the rows of every step and time a few steps of the real model."""
        config, material = self.config, self.material
        epochs, steps = config.posts_stage.epochs, []
        if config.auxiliary_stage is not None:
            rows = round(len(material.auxiliary) * config.auxiliary_stage.epochs)
            steps.append(("auxiliary stage", rows))
        for fold in config.folds_run:
            rows = round(len(material.fold_training(fold)) * epochs)
            steps.append((f"posts stage without fold {fold + 1}", rows))
        steps.append(("posts stage, all companies", round(len(material.all_training()) * epochs)))
        return Plan(tuple(steps), self._rows_per_second())

    def run(self, out: Path, name: str) -> Path:
        """All steps; returns the artefact's folder."""
        oof = self.out_of_fold()
        model = self.posts_stage("final", self.material.all_training())
        return self.release(model, oof, out, name)

    def auxiliary_stage(self) -> TriageModel:
        """The encoder after the general corpora; fresh from its maker if there is no such stage."""
        torch.manual_seed(self.config.seed)
        model = TriageModel.from_encoder(self.config.encoder, dropout=self.config.dropout)
        stage = self.config.auxiliary_stage
        if stage is None or not len(self.material.auxiliary):
            return model
        return self._stage("auxiliary", model, self.material.auxiliary, stage)

    def posts_stage(self, name: str, rows: TrainingRows) -> TriageModel:
        """A model of the labelled posts in ``rows``, from the end of the auxiliary stage."""
        model = self.auxiliary_stage()
        torch.manual_seed(self.config.seed)
        return self._stage(name, model, rows, self.config.posts_stage)

    def out_of_fold(self) -> OutOfFold:
        """Logits of every post that has a company, by the quantised model blind to it."""
        _claim(self.work, self.config)
        parts = [self._fold(fold) for fold in self.config.folds_run]
        rows = np.concatenate([index for index, _, _ in parts])
        return OutOfFold(
            need=np.concatenate([need for _, need, _ in parts]),
            sentiment=np.concatenate([sentiment for _, _, sentiment in parts]),
            rows=self.material.posts.take(rows),
        )

    def release(self, model: TriageModel, oof: OutOfFold, out: Path, name: str) -> Path:
        """Export, check and write the artefact."""
        rng = np.random.default_rng(self.config.seed)
        chosen = rng.permutation(len(self.material.posts))[:GATE_TEXTS]
        rows = self.material.posts.take(chosen)
        tokens = tokenise(self.tokenizer, rows.texts, self.prepare)
        graphs = quantise_model(model, tokens, self.work, "final")
        checks = gate_checks(model, graphs, rows, tokens)
        require(checks)
        config, figures = fit_config(
            oof,
            name=name,
            kind=ModelKind.TRANSFORMER,
            max_tokens=self.config.max_tokens,
            language_margin=self.config.language_margin,
        )
        card = model_card(name, self.config, self.material.counts, figures, checks)
        return write_artefact(graphs, self.tokenizer, config, card, out / name)

    def _fold(self, fold: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions, need logits and sentiment logits of the posts of one fold."""
        done = self.work / f"fold-{fold + 1}.npz"
        if done.exists():
            saved = np.load(done, allow_pickle=False)
            return saved["rows"], saved["need"], saved["sentiment"]
        name, training = f"fold-{fold + 1}", self.material.fold_training(fold)
        model = self.posts_stage(name, training)
        rows = self.material.fold_rows(fold)
        training_tokens = tokenise(self.tokenizer, training.texts, self.prepare)
        graphs = quantise_model(model, training_tokens, self.work, name)
        tokens = tokenise(self.tokenizer, self.material.posts.take(rows).texts, self.prepare)
        need, sentiment = OnnxGraph(graphs.int8).logits(tokens, by_length(tokens, 16))
        partial = done.with_name(f"partial-{done.name}")
        np.savez(partial, rows=rows, need=need, sentiment=sentiment)
        partial.replace(done)
        return rows, need, sentiment

    def _stage(
        self, name: str, model: TriageModel, rows: TrainingRows, config: StageConfig
    ) -> TriageModel:
        done, checkpoint = self.work / f"{name}.pt", self.work / f"{name}.checkpoint"
        if done.exists():
            model.load_state_dict(torch.load(done, weights_only=True))
            return model
        _LOG.info("%s: %d rows", name, len(rows))
        tokenised = TokenisedRows(rows, self.tokenizer, config.critical_weight, self.prepare)
        model = Stage(model, tokenised, config, self.config.seed).run(checkpoint, self.progress)
        save_whole(model.to("cpu").state_dict(), done)
        checkpoint.unlink(missing_ok=True)
        return model

    def _rows_per_second(self) -> float:
        rows = self.material.posts.take(np.arange(min(len(self.material.posts), 1_000)))
        config = self.config.posts_stage
        model = TriageModel.from_encoder(self.config.encoder, dropout=self.config.dropout)
        stage = Stage(model, TokenisedRows(rows, self.tokenizer), config, self.config.seed)
        return _timed(stage, _PROBE_STEPS)


def _claim(work: Path, config: TrainConfig) -> None:
    """Keep the results of one config from being taken for those of another."""
    path, wanted = work / _CONFIG, config.model_dump_json(indent=2)
    if not path.exists():
        path.write_text(f"{wanted}\n", encoding="utf-8")
    elif path.read_text(encoding="utf-8").strip() != wanted:
        message = (
            f"{work} holds the results of another config ({path}); "
            "name another folder with --work, or remove this one"
        )
        raise UsageError(message)


def _timed(stage: Stage, steps: int, clock: Callable[[], float] = time.monotonic) -> float:
    """Rows a second over ``steps`` updates after one to warm up."""
    # A small training set has fewer batches than are timed.
    epoch = stage.rows.batch_rows(stage.config.batch_size, stage.seed)
    batches = list(islice(cycle(epoch), steps + 1))
    stage.update(stage.rows.batch(batches[0]))
    start = clock()
    for rows in batches[1:]:
        stage.update(stage.rows.batch(rows))
    return sum(map(len, batches[1:])) / max(clock() - start, 1e-9)
