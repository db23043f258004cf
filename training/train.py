"""The training program: from raw corpora to an artefact, top to bottom.

    auxiliary stage      general corpora teach the encoder what labels mean
    posts stage, folds   models that are each blind to a part of the companies say how the
                         recipe does on brands never seen; calibration is fitted on what
                         their quantised graphs predict
    posts stage, final   the model that ships, on all training posts
    student stage        where the config has one, the models so far, of several seeds, teach those
                         that are measured and shipped in their place
    release              export, int8, gate, calibration, artefact folder

Every step leaves its result in the work folder and is skipped when it is there already, so an
interrupted run goes on where it stopped when the same command is given again.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch

from replyrank.data.cleaning import CLEANING_VERSION, clean
from replyrank.models.config import ModelKind
from replyrank.models.encoder import TriageModel, encoder_tokenizer
from replyrank.models.parity import Check, OnnxGraph, by_length, require
from replyrank.models.student import StudentModel
from replyrank.training.batches import Prepare, TokenisedRows, tokenise
from replyrank.training.card import papers
from replyrank.training.config import OptimisationConfig, StageConfig, StudentConfig, TrainConfig
from replyrank.training.distillation import (
    SoftLabels,
    SoftRows,
    StudentStage,
    said_by,
    student_rows,
)
from replyrank.training.export_quality import unseen_checks
from replyrank.training.export_record import ExportRecord
from replyrank.training.fitting import LabelledStage
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
from replyrank.training.work_folder import WorkFolder

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
        teaches: int | None = None,
    ) -> None:
        self.prepare = prepare
        #: its number, where what it makes are the teachers of another run's students
        self.teaches = teaches
        self.config = config
        self.material = material
        self.work = work
        self._folder = WorkFolder(work, self._facts)
        self.tokenizer = encoder_tokenizer(config.encoder, config.max_tokens)

    @property
    def start(self) -> None:
        """It makes a new model."""
        return

    def plan(self) -> Plan:
        """Count the rows of every stage and time a few updates of the real model.

        Raises:
            UsageError: if the work folder holds the results of something else.
        """
        self._folder.check()
        config, material = self.config, self.material
        parts = {f"fold-{at + 1}": len(material.fold_training(at)) for at in config.folds_run}
        parts["final"] = len(material.all_training())
        runs = self.teachers or (self,)
        first, speed = (
            config.auxiliary_stage,
            self._rows_per_second(material.posts, config.posts_stage),
        )
        planned = list[PlannedStage]()
        if first is not None and len(material.auxiliary):
            sizes = {"auxiliary": len(material.auxiliary)}
            pace = self._rows_per_second(material.auxiliary, first)
            planned += [stage for run in runs for stage in run.planned(sizes, first, pace)]
        planned += [
            stage for run in runs for stage in run.planned(parts, config.posts_stage, speed)
        ]
        if config.student_stage is not None:
            beside = len(material.auxiliary) + len(material.unlabelled)
            read = {name: rows + beside for name, rows in parts.items()}
            pace = self._student_rows_per_second(config.student_stage)
            planned += self.planned(read, config.student_stage, pace)
        return Plan(tuple(planned))

    def planned(
        self, sizes: Mapping[str, int], stage: OptimisationConfig, speed: float
    ) -> list[PlannedStage]:
        """One stage of some parts, by the rows of each."""
        where = "" if self.teaches is None else f"teacher {self.teaches}, "
        return [
            PlannedStage(
                f"{where}{name}",
                round(rows * stage.epochs),
                speed,
                self._folder.has(name),
            )
            for name, rows in sizes.items()
        ]

    def run(self, out: Path, name: str) -> Path:
        """All steps; returns the artefact's folder."""
        folds = self.fold_logits()
        # Before the longest stage: an export that costs too much need not wait for it.
        checks = unseen_checks(folds, self.material.posts, self.config.seed)
        require(checks)
        return self.release(self.final_model(), folds, checks, out, name)

    def auxiliary_stage(self) -> TriageModel:
        """The encoder after the general corpora; fresh from its maker without such a stage."""
        torch.manual_seed(self.config.seed)
        model, stage = self._fresh(), self.config.auxiliary_stage
        if stage is None or not len(self.material.auxiliary):
            return model
        rows = self.material.auxiliary
        return self._folder.finished("auxiliary", model, lambda: self._stage(model, rows, stage))

    def posts_stage(self, name: str, rows: Callable[[], TrainingRows]) -> TriageModel:
        """A model of labelled posts, from the end of the auxiliary stage."""
        model = self.auxiliary_stage()
        torch.manual_seed(self.config.seed)
        return self._folder.finished(
            name, model, lambda: self._stage(model, rows(), self.config.posts_stage)
        )

    def student_stage(
        self,
        config: StudentConfig,
        name: str,
        rows: Callable[[], TrainingRows],
        texts: Callable[[], tuple[str, ...]],
    ) -> TriageModel:
        """A student of the teachers that the same rows made.

        Args:
            config: of the stage.
            name: of the part.
            rows: its labelled posts.
            texts: what it may read without labels.
        """
        student = StudentModel.of(self._fresh(), config.layers)

        def make() -> StudentStage:
            teachers = [run.teacher(name, rows) for run in self.teachers]
            read = student_rows((rows(), self.material.auxiliary), texts())
            soft = self._soft_labels(name, teachers, read)
            begun = StudentModel.of(teachers[0].to("cpu"), config.layers)
            student.load_state_dict(begun.state_dict())
            soft_rows = SoftRows(read, soft, self.tokenizer, self.prepare)
            return StudentStage(student, soft_rows, config, self.config.seed)

        return self._folder.finished(name, student, make)

    def teacher(self, name: str, rows: Callable[[], TrainingRows]) -> TriageModel:
        """A model that teaches the students of another run."""
        self._folder.claim()
        return self.posts_stage(name, rows)

    def fold_model(self, fold: int) -> TriageModel:
        """The model that is blind to a fold, as the last stage leaves it."""
        name, material = f"fold-{fold + 1}", self.material
        config = self.config.student_stage
        if config is None:
            return self.posts_stage(name, lambda: material.fold_training(fold))
        return self.student_stage(
            config,
            name,
            lambda: material.fold_training(fold),
            lambda: material.fold_unlabelled(fold),
        )

    def final_model(self) -> TriageModel:
        """The model of all training posts, as the last stage leaves it."""
        config = self.config.student_stage
        if config is None:
            return self.posts_stage("final", self.material.all_training)
        return self.student_stage(
            config, "final", self.material.all_training, lambda: self.material.unlabelled
        )

    def fold_logits(self, folds: Sequence[int] | None = None) -> list[FoldLogits]:
        """What the model blind to each fold says of its posts.

        Args:
            folds: which, from 0; without it those that the config runs.
        """
        self._folder.claim()
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
        unlabelled = gate_checks(model, graphs, self.tokenise(compared))
        checks = [*unlabelled, *fold_checks]
        require(checks)
        oof = self.out_of_fold(folds)
        fitted = fit_config(oof, self.config, name, ModelKind.TRANSFORMER)
        described = papers(name, self.config, self.material, fitted.figures, checks)
        export = ExportRecord.of((unlabelled, len(compared)), (fold_checks, len(oof.rows)))
        return write_artefact(graphs, self.tokenizer, fitted, described, out / name, export=export)

    def _fold(self, fold: int) -> FoldLogits:
        name, rows = f"fold-{fold + 1}", self.material.fold_rows(fold)
        done = self.work / f"{name}.npz"
        if not done.exists():
            graphs = self.quantise(self.fold_model(fold), name, self.material.fold_posts(fold))
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

    @cached_property
    def teachers(self) -> tuple["TrainingRun", ...]:
        """The runs that make the student's teachers; none without a student stage."""
        return tuple(
            TrainingRun(config, self.material, self.work / f"teacher-{number}",
                        prepare=self.prepare, teaches=number)
            for number, config in enumerate(self.config.teachers(), start=1)
        )  # fmt: skip

    def _soft_labels(
        self, name: str, teachers: Sequence[TriageModel], rows: TrainingRows
    ) -> SoftLabels:
        """What the teachers say of the rows on average; kept for a run that is interrupted."""
        done = self.work / f"{name}-soft.npz"
        if not done.exists():
            tokens = self.tokenise(rows.texts)
            SoftLabels.mean([said_by(teacher, tokens) for teacher in teachers]).save(done)
        return SoftLabels.load(done)

    def _fresh(self) -> TriageModel:
        return TriageModel.from_encoder(self.config.encoder, dropout=self.config.dropout)

    def _stage(self, model: TriageModel, rows: TrainingRows, config: StageConfig) -> LabelledStage:
        tokenised = TokenisedRows(rows, self.tokenizer, config.critical_weight, self.prepare)
        return LabelledStage(model, tokenised, config, self.config.seed)

    def _facts(self) -> dict[str, object]:
        """All that decides what the work folder holds."""
        # The name and the decisions play their part when all is trained.
        return {
            "config": self.config.model_dump(mode="json", exclude={"name", "decisions"}),
            "rows": self.material.fingerprint(),
            "cleaning": CLEANING_VERSION,
        }

    def _rows_per_second(self, rows: TrainingRows, stage: StageConfig) -> float:
        return rows_per_second(self._stage(self._fresh(), _some(rows), stage))

    def _student_rows_per_second(self, config: StudentConfig) -> float:
        material = self.material
        labelled = (material.all_training(), material.auxiliary)
        some = _some(student_rows(labelled, material.unlabelled))
        student = StudentModel.of(self._fresh(), config.layers)
        soft = SoftRows(some, SoftLabels.even(len(some)), self.tokenizer, self.prepare)
        return rows_per_second(StudentStage(student, soft, config, self.config.seed))


def _some(rows: TrainingRows) -> TrainingRows:
    """Rows to time a stage by, drawn from all of its own: sources differ in length."""
    return rows.take(np.random.default_rng(0).permutation(len(rows))[:_PROBE_ROWS])
