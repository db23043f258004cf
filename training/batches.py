"""Token batches: texts of like length together, in a shuffled order that the seed decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import torch
from torch import Tensor

from replyrank.data.cleaning import clean
from replyrank.data.vocabulary import UrgencyLevel
from replyrank.models.encoder import compatible_cells
from replyrank.models.tokens import PostTokenizer
from replyrank.training.augment import BrandSwaps
from replyrank.training.config import OptimisationConfig
from replyrank.training.rows import MASKED, TrainingRows
from replyrank.training.spelling import misspell

#: Batches whose rows are sorted by length among themselves: little padding, order still random.
_POOL: Final = 50

#: between the seeds of an epoch's two draws; no stage has so many epochs
_APART: Final = 500

#: what is done to a text before it is tokenised
Prepare = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's tensors; b rows of at most l tokens."""

    input_ids: Tensor  # (b, l)
    attention_mask: Tensor  # (b, l)
    cells: Tensor  # (b, 16)
    sentiment: Tensor  # (b,)
    weight: Tensor  # (b,)


def tokenise(
    tokenizer: PostTokenizer, texts: Sequence[str], prepare: Prepare = clean
) -> list[list[int]]:
    """Token ids of texts, each prepared first; a model that ships was trained on cleaned ones."""
    return tokenizer.ids([prepare(text) for text in texts])


class TokenisedRows:
    """Labelled rows, cleaned and tokenised; batches are drawn from them each epoch."""

    def __init__(
        self,
        rows: TrainingRows,
        tokenizer: PostTokenizer,
        critical_weight: float = 1.0,
        prepare: Prepare = clean,
    ) -> None:
        self._texts = rows.texts
        self._tokenizer = tokenizer
        self._prepare = prepare
        self._given = self._tokenise(rows.texts)
        self._swaps: BrandSwaps | None = None
        self.tokens = self._given
        self.cells = label_cells(rows)
        self.sentiment = torch.from_numpy(rows.sentiment)
        self.weight = torch.where(
            torch.from_numpy(rows.urgency) == UrgencyLevel.CRITICAL.value, critical_weight, 1.0
        )

    def change(self, config: OptimisationConfig, seed: int) -> None:
        """Draw what an epoch reads in place of some texts; the texts given stay as they are."""
        if self._swaps is None:
            self._swaps = BrandSwaps(self._texts)
        texts = self._swaps.draw(config.brand_swap, seed)
        # Numbers of their own: those of the next epoch's seed would pick the same texts again.
        texts = misspell(texts, config.misspelling, seed + _APART)
        pairs = enumerate(zip(texts, self._texts, strict=True))
        changed = [row for row, (text, given) in pairs if text != given]
        self.tokens = list(self._given)
        for row, ids in zip(changed, self._tokenise([texts[row] for row in changed]), strict=True):
            self.tokens[row] = ids

    def batch_rows(self, batch_size: int, seed: int) -> list[list[int]]:
        """Row numbers of each batch of an epoch."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.tokens))
        batches: list[list[int]] = []
        for start in range(0, len(order), _POOL * batch_size):
            pool = sorted(order[start : start + _POOL * batch_size], key=self._length)
            batches += [
                [int(row) for row in pool[at : at + batch_size]]
                for at in range(0, len(pool), batch_size)
            ]
        rng.shuffle(batches)
        return batches

    def batch(self, rows: Sequence[int]) -> Batch:
        """The tensors of some rows, padded to the longest of them."""
        ids, mask = pad([self.tokens[row] for row in rows])
        index = torch.tensor(rows)
        return Batch(ids, mask, self.cells[index], self.sentiment[index], self.weight[index])

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        return tokenise(self._tokenizer, texts, self._prepare)

    def _length(self, row: int) -> int:
        return len(self.tokens[row])


def label_cells(rows: TrainingRows) -> Tensor:
    """(n, 16), 1 where a cell of the joint agrees with what is known of a row's labels."""
    return torch.stack(
        [
            compatible_cells(_known(intent), _known(urgency))
            for intent, urgency in zip(rows.intent, rows.urgency, strict=True)
        ]
    )


def pad(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, both (n, longest), of token lists; the padding id is 0."""
    lengths = np.array([len(values) for values in tokens])
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(mask.shape, dtype=np.int64)
    ids[mask] = np.fromiter(chain.from_iterable(tokens), dtype=np.int64, count=lengths.sum())
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def _known(label: np.int64) -> int | None:
    return None if label == MASKED else int(label)
