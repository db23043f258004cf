"""The training program: from raw corpora to an artefact, top to bottom.

    adaptation stage     the encoder reads posts without labels and guesses masked words
    auxiliary stage      general corpora teach it what labels mean
    posts stage, folds   models that are each blind to a part of the companies say how the
                         recipe does on brands never seen; calibration is fitted on what
                         their quantised graphs predict
    posts stage, final   the model that ships, on all training posts
    release              export, int8, gate, calibration, artefact folder

Every step leaves its result in the work folder and is skipped when it is there already, so an
interrupted run goes on where it stopped when the same command is given again.
"""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch

from replyrank.data.cleaning import CLEANING_VERSION, clean
from replyrank.data.errors import UsageError
from replyrank.models.config import ModelKind
from replyrank.models.encoder import EncoderModel, TriageModel, encoder_tokenizer
from replyrank.models.parity import Check, OnnxGraph, by_length, require
from replyrank.training.adaptation import MaskedModel, MaskedStage, MaskedTexts, Masking
from replyrank.training.batches import Prepare, TokenisedRows, tokenise
from replyrank.training.card import papers
from replyrank.training.config import AdaptationConfig, StageConfig, TrainConfig
from replyrank.training.curves import CURVES, Curves, Point
from replyrank.training.export_quality import unseen_checks
from replyrank.training.fitting import LabelledStage, Stage, save_whole
from replyrank.training.material import Material
from replyrank.training.oof import FoldLogits, Logits, OutOfFold
from replyrank.training.plan import Plan, PlannedStage, rows_per_second
from replyrank.training.release import (
    GATE_TEXTS,
    RANGE_TEXTS,
    Quantised,
    fit_config,
    gate_checks,
    quantise_model,
    write_artefact,
)
from replyrank.training.rows import TrainingRows

_ModelT = TypeVar("_ModelT", bound=EncoderModel)

_LOG: Final = logging.getLogger(__name__)

_CONFIG: Final = "config.json"
#: rows that are timed for the plan
_PROBE_ROWS: Final = 1_000


class TrainingRun:
    """One run of the program, its steps as methods in their order."""

    def __init__(
        self,
        config: TrainConfig,
        material: Material,
        work: Path,
        *,
        prepare: Prepare = clean,
    ) -> None:
        self.prepare = prepare
        self.config = config
        self.material = material
        self.work = work
        self.tokenizer = encoder_tokenizer(config.encoder, config.max_tokens)
        work.mkdir(parents=True, exist_ok=True)

    def plan(self) -> Plan:
        """Count the rows of every stage and time a few updates of the real model.

        Raises:
            UsageError: if the work folder holds the results of something else.
        """
        self._check_claim()
        config, material = self.config, self.material
        stages = [
            (f"fold-{fold + 1}", "posts stage without fold", material.fold_training(fold))
            for fold in config.folds_run
        ]
        stages.append(("final", "posts stage, all companies", material.all_training()))
        speed = self._rows_per_second(material.posts, config.posts_stage)
        planned = [
            self._planned(name, what, rows, config.posts_stage, speed)
            for name, what, rows in stages
        ]
        if config.auxiliary_stage is not None and len(material.auxiliary):
            stage, rows = config.auxiliary_stage, material.auxiliary
            speed = self._rows_per_second(rows, stage)
            planned.insert(0, self._planned("auxiliary", "auxiliary stage", rows, stage, speed))
        if config.adaptation_stage is not None:
            planned.insert(0, self._planned_adaptation(config.adaptation_stage))
        return Plan(tuple(planned))

    def run(self, out: Path, name: str) -> Path:
        """All steps; returns the artefact's folder."""
        folds = self.fold_logits()
        # Before the longest stage: an export that costs too much need not wait for it.
        checks = unseen_checks(folds, self.material.posts, self.config.seed)
        require(checks)
        model = self.posts_stage("final", self.material.all_training())
        return self.release(model, folds, checks, out, name)

    def adaptation_stage(self) -> TriageModel:
        """The encoder after reading unlabelled posts; fresh from its maker without that stage."""
        torch.manual_seed(self.config.seed)
        model = TriageModel.from_encoder(self.config.encoder, dropout=self.config.dropout)
        config, texts = self.config.adaptation_stage, self.material.unlabelled
        if config is not None:
            # The masked model has the same encoder.
            masked = MaskedModel(model.encoder, model.hidden_size)
            self._finished("adaptation", masked, lambda: self._masked_stage(masked, config, texts))
        return model

    def auxiliary_stage(self) -> TriageModel:
        """The encoder after the general corpora as well, where there is such a stage."""
        model = self.adaptation_stage()
        torch.manual_seed(self.config.seed)
        stage = self.config.auxiliary_stage
        if stage is None or not len(self.material.auxiliary):
            return model
        return self._stage("auxiliary", model, self.material.auxiliary, stage)

    def posts_stage(self, name: str, rows: TrainingRows) -> TriageModel:
        """A model of the labelled posts in ``rows``, from the end of the auxiliary stage."""
        model = self.auxiliary_stage()
        torch.manual_seed(self.config.seed)
        return self._stage(name, model, rows, self.config.posts_stage)

    def fold_logits(self, folds: Sequence[int] | None = None) -> list[FoldLogits]:
        """What the model blind to each fold says of its posts.

        Args:
            folds: which, from 0; without it those that the config runs.
        """
        self._claim()
        return [self._fold(fold) for fold in (self.config.folds_run if folds is None else folds)]

    def out_of_fold(self, parts: Sequence[FoldLogits]) -> OutOfFold:
        """The quantised logits of every post that has a company."""
        rows = np.concatenate([part.rows for part in parts])
        return OutOfFold(
            need=np.concatenate([part.int8.need for part in parts]),
            sentiment=np.concatenate([part.int8.sentiment for part in parts]),
            rows=self.material.posts.take(rows),
            folds=np.array(self.material.folds)[rows],
            companies=self.material.companies[rows],
        )

    def quantise(self, model: TriageModel, name: str, posts: TrainingRows) -> Quantised:
        """The graphs of a model, its activations measured on some of the posts that trained it."""
        texts, _ = self._measured(posts)
        return quantise_model(model, self.tokenise(texts), self.work, name)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, prepared as the run's config has it."""
        return tokenise(self.tokenizer, texts, self.prepare)

    def release(
        self,
        model: TriageModel,
        folds: Sequence[FoldLogits],
        fold_checks: Sequence[Check],
        out: Path,
        name: str,
    ) -> Path:
        """Export, check and write the artefact."""
        posts = self.material.posts
        graphs = self.quantise(model, "final", posts)
        _, compared = self._measured(posts)
        checks = [*gate_checks(model, graphs, self.tokenise(compared)), *fold_checks]
        require(checks)
        oof = self.out_of_fold(folds)
        fitted = fit_config(oof, self.config, name, ModelKind.TRANSFORMER)
        described = papers(name, self.config, self.material, fitted.figures, checks)
        return write_artefact(graphs, self.tokenizer, fitted, described, out / name)

    def _fold(self, fold: int) -> FoldLogits:
        name, rows = f"fold-{fold + 1}", self.material.fold_rows(fold)
        done = self.work / f"{name}.npz"
        if not done.exists():
            model = self.posts_stage(name, self.material.fold_training(fold))
            graphs = self.quantise(model, name, self.material.fold_posts(fold))
            tokens = self.tokenise(self.material.posts.take(rows).texts)
            batches = by_length(tokens, 16)
            full, quantised = (
                OnnxGraph(graph).logits(tokens, batches) for graph in (graphs.fp32, graphs.int8)
            )
            partial = done.with_name(f"partial-{done.name}")
            np.savez(partial, full_need=full[0], full_sentiment=full[1],
                     need=quantised[0], sentiment=quantised[1])  # fmt: skip
            partial.replace(done)
        with np.load(done, allow_pickle=False) as saved:
            full_logits = Logits(saved["full_need"], saved["full_sentiment"])
            return FoldLogits(rows, full_logits, Logits(saved["need"], saved["sentiment"]))

    def _measured(self, posts: TrainingRows) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Texts on which activations are measured, and others on which graphs are compared.

        Both are of ``posts`` alone: what stands beside them is in part written for training,
        and other in its ways than what an inbox holds.
        """
        order = np.random.default_rng(self.config.seed).permutation(len(posts))
        cut = min(RANGE_TEXTS, len(posts) // 2)
        ranges, compared = order[:cut], order[cut:][:GATE_TEXTS]
        return posts.take(ranges).texts, posts.take(compared).texts

    def _stage(
        self, name: str, model: TriageModel, rows: TrainingRows, config: StageConfig
    ) -> TriageModel:
        def make() -> LabelledStage:
            tokenised = TokenisedRows(rows, self.tokenizer, config.critical_weight, self.prepare)
            return LabelledStage(model, tokenised, config, self.config.seed)

        return self._finished(name, model, make)

    def _masked_stage(
        self, model: MaskedModel, config: AdaptationConfig, texts: Sequence[str]
    ) -> MaskedStage:
        masking = Masking(config.mask_share, self.config.seed, model.vocabulary)
        rows = MaskedTexts(texts, self.tokenizer, masking, self.prepare)
        return MaskedStage(model, rows, config, self.config.seed)

    def _finished(
        self, name: str, model: _ModelT, make: Callable[[], Stage[_ModelT, Any]]
    ) -> _ModelT:
        """The model at the end of a stage: from the work folder, or trained and kept there."""
        done, checkpoint = self.work / f"{name}.pt", self.work / f"{name}.checkpoint"
        if done.exists():
            model.load_state_dict(torch.load(done, weights_only=True))
            return model
        stage, curves = make(), Curves(self.work / CURVES)
        _LOG.info("%s: %s updates", name, f"{stage.steps:,}")
        model = stage.run(checkpoint, lambda step, loss: curves.add(Point(name, step, loss)))
        save_whole(model.to("cpu").state_dict(), done)
        checkpoint.unlink(missing_ok=True)
        return model

    def _claim(self) -> None:
        """Keep the results of one config and data from being taken for those of another."""
        path, wanted = self._check_claim()
        path.write_text(f"{wanted}\n", encoding="utf-8")

    def _check_claim(self) -> tuple[Path, str]:
        """The file that names what the work folder's results are of, and what it must say."""
        # The name and the decisions play their part when all is trained.
        config = self.config.model_dump(mode="json", exclude={"name", "decisions"})
        facts = {
            "config": config,
            "rows": self.material.fingerprint(),
            "cleaning": CLEANING_VERSION,
        }
        path, wanted = self.work / _CONFIG, json.dumps(facts)
        if path.exists() and path.read_text(encoding="utf-8").strip() != wanted:
            message = (
                f"{self.work} holds the results of another config, training set or cleaning "
                f"({path}); name another folder with --work, or remove this one"
            )
            raise UsageError(message)
        return path, wanted

    def _planned(
        self, name: str, what: str, rows: TrainingRows, stage: StageConfig, speed: float
    ) -> PlannedStage:
        number = f" {name.removeprefix('fold-')}" if name.startswith("fold-") else ""
        seen = round(len(rows) * stage.epochs)
        return PlannedStage(f"{what}{number}", seen, speed, (self.work / f"{name}.pt").exists())

    def _planned_adaptation(self, config: AdaptationConfig) -> PlannedStage:
        model = TriageModel.from_encoder(self.config.encoder, dropout=self.config.dropout)
        texts = self.material.unlabelled
        masked = MaskedModel(model.encoder, model.hidden_size)
        speed = rows_per_second(self._masked_stage(masked, config, texts[:_PROBE_ROWS]))
        seen, done = round(len(texts) * config.epochs), (self.work / "adaptation.pt").exists()
        return PlannedStage("adaptation stage", seen, speed, done)

    def _rows_per_second(self, rows: TrainingRows, stage: StageConfig) -> float:
        some = rows.take(np.arange(min(len(rows), _PROBE_ROWS)))
        model = TriageModel.from_encoder(self.config.encoder, dropout=self.config.dropout)
        tokenised = TokenisedRows(some, self.tokenizer, prepare=self.prepare)
        return rows_per_second(LabelledStage(model, tokenised, stage, self.config.seed))
