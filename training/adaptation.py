"""The adaptation stage: an encoder reads posts without labels and guesses words that are masked.

Masked-language modelling (Devlin et al. 2019, NAACL, section 3.1) on text of the domain before
the labelled stages (Gururangan et al. 2020, ACL, "Don't Stop Pretraining").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from replyrank.data.cleaning import clean
from replyrank.data.errors import UsageError
from replyrank.models.encoder import EncoderModel
from replyrank.models.tokens import PostTokenizer
from replyrank.training.batches import Prepare, TokenisedTexts, pad
from replyrank.training.config import AdaptationConfig
from replyrank.training.fitting import Rows, Stage, device

#: of the tokens to guess, the share that is shown as the mask, and as a random token; the others
#: are shown as they are
_MASKED: Final = 0.8
_RANDOM: Final = 0.1


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """One step's tensors; b texts of at most l tokens, m of which are to be guessed."""

    input_ids: Tensor  # (b, l)
    attention_mask: Tensor  # (b, l)
    #: (b, l) whether the token that stood there is to be guessed
    hidden: Tensor
    #: (m,) what stood there, row by row
    answers: Tensor


@dataclass(frozen=True, slots=True)
class Masking:
    """How tokens are hidden."""

    #: of a text's tokens to hide
    share: float
    #: decides which
    seed: int
    #: number of tokens that may stand for a hidden one
    vocabulary: int


class MaskedTexts(TokenisedTexts):
    """Texts, cleaned and tokenised, whose batches hide some tokens.

    Args:
        texts: any posts.
        tokenizer: of the encoder.
        masking: how tokens are hidden; anew whenever a text comes in another batch.
        prepare: what is done to a text before.

    Raises:
        UsageError: if the tokenizer has no mask.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokenizer: PostTokenizer,
        masking: Masking,
        prepare: Prepare = clean,
    ) -> None:
        super().__init__(texts, tokenizer, prepare)
        if tokenizer.mask_id is None:
            message = "the encoder's tokenizer has no token for a masked word; "
            raise UsageError(message + "name another encoder, or take adaptation_stage out")
        self._mask_id = tokenizer.mask_id
        self._masking = masking

    def batch(self, rows: Sequence[int]) -> MaskedBatch:
        """The tensors of some rows; the same rows in the same order are masked alike."""
        ids, attention = pad([self.tokens[row] for row in rows])
        random = np.random.default_rng([self._masking.seed, *rows])
        inner = attention.numpy().astype(bool)
        # The first and the last token of a text are the tokenizer's own.
        inner[:, 0] = False
        inner[np.arange(len(rows)), attention.sum(dim=1).numpy() - 1] = False
        hidden = inner & (random.random(ids.shape) < self._masking.share)
        shown = random.random(ids.shape)
        answers = ids[torch.from_numpy(hidden)]
        replaced = np.where(
            shown < _MASKED, self._mask_id, random.integers(0, self._masking.vocabulary, ids.shape)
        )
        changed = hidden & (shown < _MASKED + _RANDOM)
        ids = torch.where(torch.from_numpy(changed), torch.from_numpy(replaced), ids)
        return MaskedBatch(ids, attention, torch.from_numpy(hidden), answers)


class MaskedModel(EncoderModel):
    """An encoder with a head that guesses tokens; its last matrix is the table of embeddings."""

    def __init__(self, encoder: nn.Module, hidden_size: int) -> None:
        super().__init__(encoder)
        self.transform = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.GELU(), nn.LayerNorm(hidden_size)
        )
        self.bias = nn.Parameter(torch.zeros(self._table.shape[0]))

    @property
    def _table(self) -> Tensor:
        encoder: Any = self.encoder
        table: Tensor = encoder.get_input_embeddings().weight
        return table

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return int(self._table.shape[0])

    def forward(self, input_ids: Tensor, attention_mask: Tensor, hidden: Tensor) -> Tensor:
        """(m, vocabulary) logits of the tokens that stood where ``hidden`` (b, l) is true."""
        out = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return nn.functional.linear(self.transform(out[hidden]), self._table, self.bias)


class MaskedStage(Stage[MaskedModel, MaskedBatch]):
    """Learns what stood where tokens are hidden."""

    def __init__(
        self, model: MaskedModel, rows: Rows[MaskedBatch], config: AdaptationConfig, seed: int
    ) -> None:
        super().__init__(model, rows, config, seed)

    def loss(self, batch: MaskedBatch) -> Tensor:
        """Cross-entropy of the hidden tokens, in nats."""
        where = device()
        logits = self.model(
            batch.input_ids.to(where), batch.attention_mask.to(where), batch.hidden.to(where)
        )
        total = nn.functional.cross_entropy(logits, batch.answers.to(where), reduction="sum")
        # In a batch of the shortest texts it may be that nothing is asked.
        return total / max(1, len(batch.answers))
