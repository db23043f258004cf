"""The program that corrects a model: it begins with the one in use and learns a team's own labels.

    folds     models that are each blind to a part of the team's posts say what the labels are worth
    final     the model that may be promoted, of all of them
    release   export, int8, checks, artefact folder

A few hundred posts would soon be learnt by heart and all else forgotten. So every model reads posts
written for the project as well, and of every post it is told, beside the label, what the model that
it began with says (learning without forgetting: Li & Hoiem 2016, arXiv 1606.09282). Calibration and
priors stay those of that model, since a few posts of one brand decide none of them. Its threshold
of ``support_request`` goes along with the drift of the probabilities around it
(``moved_threshold``). Whether they still hold is for the gate to say.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.cleaning import CLEANING_VERSION
from replyrank.data.vocabulary import INTENTS, Intent
from replyrank.models.artefact import Artefact
from replyrank.models.batches import Logits
from replyrank.models.config import Thresholds
from replyrank.models.encoder import TriageModel
from replyrank.models.held_out import HeldOut, has_held_out, load_held_out
from replyrank.models.parity import Check, OnnxGraph, by_length, require
from replyrank.training import oof
from replyrank.training.build_rows import Row, written_rows
from replyrank.training.calibrate import moved_threshold
from replyrank.training.card import correction_papers
from replyrank.training.config import CorrectionConfig
from replyrank.training.corrector import Corrector
from replyrank.training.distillation import StudentStage
from replyrank.training.export_quality import unseen_checks
from replyrank.training.export_record import ExportRecord
from replyrank.training.held_out_posts import held_out_posts
from replyrank.training.material import Material
from replyrank.training.oof import FoldLogits, Judged, fold_figures
from replyrank.training.plan import Plan, PlannedStage, rows_per_second
from replyrank.training.release import (
    GATE_TEXTS,
    RANGE_TEXTS,
    FittedModel,
    Quantised,
    gate_checks,
    quantise_model,
    write_artefact,
)
from replyrank.training.rows import MASKED, IntArray, TrainingRows
from replyrank.training.work_folder import WorkFolder

_FINAL: Final = "final"
_SUPPORT: Final = INTENTS.index(Intent.SUPPORT_REQUEST)
#: written posts by which a threshold moves; one in sixteen lies around it
_UNREAD: Final = 4_096


class CorrectionRun:
    """One run of the program.

    Args:
        config: of the run.
        material: the team's posts, and what stands beside them.
        work: folder for what can be resumed.

    Raises:
        ModelNotFoundError: if there is no model to begin with.
    """

    def __init__(self, config: CorrectionConfig, material: Material, work: Path) -> None:
        self.config = config
        self.material = material
        self.work = work
        self._corrector = Corrector(config.start, config.encoder)
        self._folder = WorkFolder(work, self._facts)

    @property
    def start(self) -> Artefact:
        """The model that it corrects."""
        return self._corrector.start

    def plan(self) -> Plan:
        """Count the rows of every model and time a few updates.

        Raises:
            UsageError: if the work folder holds the results of something else, or the model to
                begin with cannot be trained further.
        """
        self._folder.check()
        everything = self.material.all_training()
        speed = rows_per_second(self._stage(self._corrector.begun(), everything))
        parts = {
            self._fold_name(fold): len(self.material.fold_training(fold))
            for fold in self.config.folds_run
        }
        return Plan(
            tuple(
                PlannedStage(
                    name, round(rows * self.config.stage.epochs), speed, self._folder.has(name)
                )
                for name, rows in {**parts, _FINAL: len(everything)}.items()
            )
        )

    def run(self, out: Path, name: str) -> Path:
        """All steps; returns the artefact's folder."""
        self._folder.claim()
        rows = np.concatenate([self.material.fold_rows(fold) for fold in self.config.folds_run])
        told = self._out_of_fold()
        # Of what the model that it begins with has learnt already, no model of a fold is blind.
        known = self._known(rows)
        if known.any() and not known.all():
            told = Logits(told.need[~known], told.sentiment[~known])
            rows = rows[~known]
        posts, judge = self.material.posts.take(rows), self._corrector.judge
        before = judge(self._corrector.said(posts.texts))
        model = self._model(_FINAL, self.material.all_training())
        graphs = self._quantise(model)
        thresholds = self._thresholds(graphs, posts, before, judge(told))
        after = judge(told, thresholds)
        own = held_out_posts(posts, self.material.companies[rows], after.need, after.p_sentiment)
        figures = fold_figures(posts, before), fold_figures(posts, after)
        compared = self._corrector.tokens(self._measured()[1])
        unlabelled, (labelled, n) = gate_checks(model, graphs, compared), self._labelled(graphs)
        checks = [*unlabelled, *labelled]
        require(checks)
        config = self.start.config.model_copy(update={"name": name, "thresholds": thresholds})
        papers = correction_papers(
            config,
            self.config,
            self.start,
            self.material,
            figures=figures,
            checks=checks,
            known=int(known.sum()),
        )
        fitted = FittedModel(config, figures[1], self._with_those_of_start(own))
        export = ExportRecord.of((unlabelled, len(compared)), (labelled, n))
        return write_artefact(
            graphs, self._corrector.tokenizer, fitted, papers, out / name, export=export
        )

    def _stage(self, model: TriageModel, rows: TrainingRows) -> StudentStage:
        return self._corrector.stage(model, rows, self.config.stage, self.config.seed)

    def _model(self, name: str, rows: TrainingRows) -> TriageModel:
        model = self._corrector.begun()
        return self._folder.finished(name, model, lambda: self._stage(model, rows))

    def _out_of_fold(self) -> Logits:
        """What is said of the posts, fold by fold, each by the model blind to it."""
        parts = list[Logits]()
        for fold in self.config.folds_run:
            model = self._model(self._fold_name(fold), self.material.fold_training(fold))
            texts = self.material.posts.take(self.material.fold_rows(fold)).texts
            parts.append(self._corrector.said_by(model, texts))
        return Logits(
            np.concatenate([part.need for part in parts]),
            np.concatenate([part.sentiment for part in parts]),
        )

    def _fold_name(self, fold: int) -> str:
        return f"fold-{fold + 1}"

    def _measured(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Texts on which activations are measured, and others on which graphs are compared."""
        texts = self.material.all_training().texts
        order = np.random.default_rng(self.config.seed).permutation(len(texts)).tolist()
        cut = min(RANGE_TEXTS, len(texts) // 2)
        ranges, compared = order[:cut], order[cut:][:GATE_TEXTS]
        return tuple(texts[row] for row in ranges), tuple(texts[row] for row in compared)

    def _quantise(self, model: TriageModel) -> Quantised:
        tokens = self._corrector.tokens(self._measured()[0])
        # It begins with int8 weights, from which a few labels move it less than one step.
        seed = self.config.seed
        return quantise_model(model, tokens, self.work, _FINAL, rounding_seed=seed)

    def _labelled(self, graphs: Quantised) -> tuple[list[Check], int]:
        """What quantisation costs on all that is labelled whole, and how many posts those are.

        The team's alone may be few.
        """
        everything = self.material.all_training()
        labels = np.stack([everything.intent, everything.urgency, everything.sentiment])
        posts = everything.take(np.flatnonzero((labels != MASKED).all(axis=0)))
        tokens = self._corrector.tokens(posts.texts)
        batches = by_length(tokens, 16)
        full, small = (
            oof.Logits(*OnnxGraph(graph).logits(tokens, batches))
            for graph in (graphs.fp32, graphs.int8)
        )
        whole = FoldLogits(np.arange(len(tokens)), full, small)
        return unseen_checks([whole], posts, self.config.seed), len(posts)

    def _thresholds(
        self, graphs: Quantised, posts: TrainingRows, before: Judged, after: Judged
    ) -> Thresholds:
        """Those it began with, that of ``support_request`` moved; see ``moved_threshold``.

        It is read off posts like those that were learnt, in the same proportion, and not learnt:
        the team's, each by the model blind to it, and written ones that were not drawn.

        Args:
            graphs: of the model that ships.
            posts: of the team.
            before: what is said of them by the model it began with.
            after: the same by the models of the folds.
        """
        kept, written = self.start.config.thresholds, self._unread()
        texts = [row.text for row in written]
        tokens, judge = self._corrector.tokens(texts), self._corrector.judge
        need, mood = OnnxGraph(graphs.int8).logits(tokens, by_length(tokens, 16))
        now = judge(Logits(need.astype(np.float32), mood.astype(np.float32)))
        then = judge(self._corrector.said(texts))
        was, becomes = (
            np.concatenate([own.p_intent[:, _SUPPORT], other.p_intent[:, _SUPPORT]])
            for own, other in ((before, then), (after, now))
        )
        intent = np.concatenate([posts.intent, np.array([row.intent for row in written], np.int64)])
        each = len(self.material.companions) / max(1, len(written))
        weights = np.concatenate([np.ones(len(posts)), np.full(len(written), each)])
        moved = moved_threshold(
            kept.support_request,
            before=was,
            after=becomes,
            is_kind=intent == _SUPPORT,
            weights=weights,
        )
        return kept.model_copy(update={"support_request": moved})

    def _unread(self) -> list[Row]:
        """Written posts that this correction did not learn."""
        read = set(self.material.all_training().texts)
        unread = [row for row in written_rows() if row.text not in read]
        order = np.random.default_rng(self.config.seed).permutation(len(unread))
        return [unread[place] for place in order[:_UNREAD]]

    def _known(self, rows: IntArray) -> npt.NDArray[np.bool_]:
        """Which posts trained the model that it begins with, as far as that tells."""
        if not has_held_out(self.start):
            return np.zeros(len(rows), dtype=bool)
        places = load_held_out(self.start).places(self.material.posts.take(rows).texts)
        return np.array([place is not None for place in places], dtype=bool)

    def _with_those_of_start(self, own: HeldOut) -> HeldOut:
        """What the model it begins with says of its own held-out posts, and these."""
        if not has_held_out(self.start):
            return own
        others = load_held_out(self.start)
        if others.rules != own.rules:
            return own
        # Of a post that both know, what was said before anybody had learnt it counts.
        own = own.take(np.flatnonzero(~np.isin(own.key, others.key)))
        first = int(others.company.max(initial=-1)) + 1
        company = np.where(own.company < 0, own.company, own.company + first)
        return others.joined(replace(own, company=company))

    def _facts(self) -> dict[str, object]:
        """All that decides what the work folder holds."""
        return {
            "config": self.config.model_dump(mode="json", exclude={"name", "start"}),
            "start": self.start.manifest_sha256,
            "rows": self.material.fingerprint(),
            "cleaning": CLEANING_VERSION,
        }
