"""A model that is to be corrected: how it answers, and the stage that goes on from there."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from replyrank.data.cleaning import clean
from replyrank.models.artefact import TOKENIZER
from replyrank.models.batches import Logits
from replyrank.models.config import Thresholds
from replyrank.models.cpus import available_cpus
from replyrank.models.encoder import TriageModel
from replyrank.models.find import find_artefact, open_artefact
from replyrank.models.revive import revive
from replyrank.models.scorer import TextScorer
from replyrank.models.tokens import PostTokenizer
from replyrank.training.batches import tokenise
from replyrank.training.calibrate import Fitted
from replyrank.training.config import SoftConfig
from replyrank.training.distillation import SoftLabels, SoftRows, StudentStage, logits_of
from replyrank.training.oof import Judged
from replyrank.training.rows import TrainingRows

_Float32 = npt.NDArray[np.float32]


class Corrector:
    """Begins every model as one that is there, and asks that one for its word on every text.

    Args:
        start: folder or name of that model; None: the one in use.
        encoder: that it was made of.

    Raises:
        ModelNotFoundError: if there is no such model.
    """

    def __init__(self, start: str | Path | None, encoder: str) -> None:
        self.start = find_artefact(start)
        self._encoder = encoder
        self._said: dict[str, tuple[_Float32, _Float32]] = {}

    @cached_property
    def tokenizer(self) -> PostTokenizer:
        """Of the model."""
        return PostTokenizer.from_file(self.start.path(TOKENIZER), self.start.config.max_tokens)

    def begun(self) -> TriageModel:
        """The network, its weights as they are.

        Raises:
            UsageError: see ``revive``.
        """
        return revive(self.start, self._encoder)

    def stage(
        self, model: TriageModel, rows: TrainingRows, config: SoftConfig, seed: int
    ) -> StudentStage:
        """What a model that ``begun`` gave learns: labels of rows, and what was said of them."""
        new = [text for text in dict.fromkeys(rows.texts) if text not in self._said]
        soft = SoftLabels.of(self.said(new))
        self._said.update(zip(new, zip(soft.need, soft.sentiment, strict=True), strict=True))
        told = [self._said[text] for text in rows.texts]
        labels = SoftLabels(np.stack([one[0] for one in told]), np.stack([one[1] for one in told]))
        return StudentStage(model, SoftRows(rows, labels, self.tokenizer), config, seed)

    def said(self, texts: Sequence[str]) -> Logits:
        """What the model says as it serves."""
        return self._scorer.logits([clean(text) for text in texts])

    def said_by(self, model: TriageModel, texts: Sequence[str]) -> Logits:
        """What a network says that ``begun`` gave, whatever it learnt since."""
        return logits_of(model, self.tokens(texts))

    def judge(self, said: Logits, thresholds: Thresholds | None = None) -> Judged:
        """Probabilities and decisions by the model's own calibration, and thresholds if not given.

        The calibration is that of the model to begin with, whatever network spoke.
        """
        config = self.start.config
        decided = thresholds or config.thresholds
        fitted = Fitted(
            config.calibration,
            config.priors,
            decided.support_request,
            decided.low_confidence,
        )
        return fitted.judge(said.need.astype(np.float64), said.sentiment.astype(np.float64))

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of cleaned texts."""
        return tokenise(self.tokenizer, texts)

    @cached_property
    def _scorer(self) -> TextScorer:
        scorer = open_artefact(self.start, available_cpus())
        if not isinstance(scorer, TextScorer):
            message = f"{self.start.config.name} gives no logits"
            raise TypeError(message)
        return scorer
