"""Token batches: texts of like length together, in a shuffled order that the seed decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from replyrank.data.cleaning import clean
from replyrank.data.vocabulary import UrgencyLevel
from replyrank.models.encoder import compatible_cells
from replyrank.models.tokens import PostTokenizer
from replyrank.training.augment import swap_brands, written_names
from replyrank.training.config import OptimisationConfig
from replyrank.training.rows import MASKED, TrainingRows
from replyrank.training.spelling import misspell

#: Batches whose rows are sorted by length among themselves: little padding, order still random.
_POOL: Final = 50

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


class TokenisedTexts:
    """Texts cleaned and tokenised; batches are drawn from them each epoch."""

    def __init__(
        self, texts: Sequence[str], tokenizer: PostTokenizer, prepare: Prepare = clean
    ) -> None:
        self._texts = texts
        self._tokenizer = tokenizer
        self._prepare = prepare
        self.tokens = self._tokenise(texts)
        self._names: dict[str, str] | None = None

    def change(self, config: OptimisationConfig, seed: int) -> None:
        """Draw what an epoch reads in place of some texts; the texts given stay as they are."""
        if self._names is None:
            self._names = written_names(self._texts)
        texts = swap_brands(self._texts, self._names, config.brand_swap, seed)
        self.tokens = self._tokenise(misspell(texts, config.misspelling, seed + 1))

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

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        return tokenise(self._tokenizer, texts, self._prepare)

    def _length(self, row: int) -> int:
        return len(self.tokens[row])


class TokenisedRows(TokenisedTexts):
    """Labelled rows, cleaned and tokenised."""

    def __init__(
        self,
        rows: TrainingRows,
        tokenizer: PostTokenizer,
        critical_weight: float = 1.0,
        prepare: Prepare = clean,
    ) -> None:
        super().__init__(rows.texts, tokenizer, prepare)
        self.cells = label_cells(rows)
        self.sentiment = torch.from_numpy(rows.sentiment)
        self.weight = torch.where(
            torch.from_numpy(rows.urgency) == UrgencyLevel.CRITICAL.value, critical_weight, 1.0
        )

    def batch(self, rows: Sequence[int]) -> Batch:
        """The tensors of some rows, padded to the longest of them."""
        ids, mask = pad([self.tokens[row] for row in rows])
        index = torch.tensor(rows)
        return Batch(ids, mask, self.cells[index], self.sentiment[index], self.weight[index])


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
    longest = max(map(len, tokens))
    ids = torch.zeros(len(tokens), longest, dtype=torch.int64)
    mask = torch.zeros(len(tokens), longest, dtype=torch.int64)
    for row, values in enumerate(tokens):
        ids[row, : len(values)] = torch.tensor(values)
        mask[row, : len(values)] = 1
    return ids, mask


def _known(label: np.int64) -> int | None:
    return None if label == MASKED else int(label)
