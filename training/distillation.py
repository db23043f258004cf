"""The student stage: a small model learns what several teachers say, on average, of every text.

Distillation (Hinton et al. 2015, arXiv 1503.02531) of an ensemble into one model. What teachers are
unsure of is told as such, texts without labels teach as well, and what a text is read with (another
company's name, a slip of the pen) changes nothing of what is said of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from replyrank.data.cleaning import clean
from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS
from replyrank.models.batches import Logits
from replyrank.models.calibration import softmax
from replyrank.models.encoder import TriageModel
from replyrank.models.parity import by_length
from replyrank.models.tokens import PostTokenizer
from replyrank.training.batches import Batch, Prepare, TokenisedRows, pad
from replyrank.training.config import OptimisationConfig, SoftConfig
from replyrank.training.fitting import Stage, device
from replyrank.training.losses import IGNORE, need_loss, sentiment_loss, soft_loss
from replyrank.training.rows import TrainingRows

FloatArray = npt.NDArray[np.float32]

_READ_AT_ONCE: Final = 128


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """What teachers say of n texts, as probabilities."""

    need: FloatArray  # (n, 16)
    sentiment: FloatArray  # (n, 3)

    @classmethod
    def mean(cls, parts: "Sequence[SoftLabels]") -> "SoftLabels":
        """What several say on average."""
        return cls(
            np.mean([part.need for part in parts], axis=0),
            np.mean([part.sentiment for part in parts], axis=0),
        )

    @classmethod
    def of(cls, logits: Logits) -> "SoftLabels":
        """What a model's logits say."""
        need, sentiment = softmax(logits.need), softmax(logits.sentiment)
        return cls(need.astype(np.float32), sentiment.astype(np.float32))

    @classmethod
    def even(cls, rows: int) -> "SoftLabels":
        """Everything as likely as the rest."""
        need, sentiment = NEED_CELLS, len(SENTIMENT_LABELS)
        return cls(
            np.full((rows, need), 1 / need, dtype=np.float32),
            np.full((rows, sentiment), 1 / sentiment, dtype=np.float32),
        )

    @classmethod
    def load(cls, path: Path) -> "SoftLabels":
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as saved:
            return cls(saved["need"], saved["sentiment"])

    def save(self, path: Path) -> None:
        """Write ``path`` so that it holds all or what it held before."""
        partial = path.with_name(f"partial-{path.name}")
        np.savez(partial, need=self.need, sentiment=self.sentiment)
        partial.replace(path)


@dataclass(frozen=True, slots=True)
class SoftBatch:
    """One step's tensors; b rows."""

    given: Batch
    need: Tensor  # (b, 16)
    sentiment: Tensor  # (b, 3)


class SoftRows:
    """Rows, with labels or without, and what teachers say of each."""

    def __init__(
        self,
        rows: TrainingRows,
        soft: SoftLabels,
        tokenizer: PostTokenizer,
        prepare: Prepare = clean,
    ) -> None:
        self._rows = TokenisedRows(rows, tokenizer, prepare=prepare)
        self._need = torch.from_numpy(soft.need)
        self._sentiment = torch.from_numpy(soft.sentiment)

    def batch_rows(self, batch_size: int, seed: int) -> list[list[int]]:
        """Row numbers of each batch of an epoch."""
        return self._rows.batch_rows(batch_size, seed)

    def change(self, config: OptimisationConfig, seed: int) -> None:
        """Draw what an epoch reads in place of some texts; what is said of them stays."""
        self._rows.change(config, seed)

    def batch(self, rows: Sequence[int]) -> SoftBatch:
        """The tensors of some rows, padded to the longest of them."""
        index = torch.tensor(rows)
        return SoftBatch(self._rows.batch(rows), self._need[index], self._sentiment[index])


class StudentStage(Stage[SoftBatch]):
    """Learns what teachers say, and what labels are known."""

    def __init__(self, model: TriageModel, rows: SoftRows, config: SoftConfig, seed: int) -> None:
        super().__init__(model, rows, config, seed)
        self._share = config.label_share

    def loss(self, batch: SoftBatch) -> Tensor:
        """Cross-entropy with what the teachers say; a known label takes a share of its place."""
        where, given = device(), batch.given
        need, sentiment = self.model(given.input_ids.to(where), given.attention_mask.to(where))
        cells, labels = given.cells.to(where), given.sentiment.to(where)
        share = self._share
        of_need = share * (cells.min(dim=1).values == 0)
        of_sentiment = share * (labels != IGNORE)
        losses = (
            (1 - of_need) * soft_loss(need, batch.need.to(where))
            + share * need_loss(need, cells, 0.0)
            + (1 - of_sentiment) * soft_loss(sentiment, batch.sentiment.to(where))
            + share * sentiment_loss(sentiment, labels, 0.0)
        )
        return losses.mean()


def student_rows(labelled: Sequence[TrainingRows], texts: Iterable[str]) -> TrainingRows:
    """All that a student reads, each text once: where one stands twice, its first labels count.

    Args:
        labelled: rows with labels.
        texts: others.
    """
    read = TrainingRows.concatenate([*labelled, TrainingRows.unlabelled(tuple(texts))])
    first: dict[str, int] = {}
    for row, text in enumerate(read.texts):
        first.setdefault(text, row)
    return read.take(np.array(list(first.values()), dtype=np.int64))


def logits_of(model: TriageModel, tokens: Sequence[Sequence[int]]) -> Logits:
    """What one model says of n texts, before any calibration."""
    where = device()
    model = model.eval().to(where)
    need = np.empty((len(tokens), model.need.out_features), dtype=np.float32)
    sentiment = np.empty((len(tokens), model.sentiment.out_features), dtype=np.float32)
    with torch.inference_mode():
        for rows in by_length(tokens, _READ_AT_ONCE):
            ids, mask = pad([tokens[row] for row in rows])
            logits = model(ids.to(where), mask.to(where))
            need[rows], sentiment[rows] = (part.cpu().numpy() for part in logits)
    return Logits(need, sentiment)


def said_by(model: TriageModel, tokens: Sequence[Sequence[int]]) -> SoftLabels:
    """The probabilities of one model for n texts."""
    return SoftLabels.of(logits_of(model, tokens))
