"""The network of a student: some layers of its teachers', the last for one token alone.

Distilled from models that have all layers (``replyrank.training.distillation``). After the last
layer only the first token is read, so that layer asks for the queries and the feed-forward of
one token, and for keys and values of all.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from replyrank.data.errors import UsageError
from replyrank.models.encoder import TriageModel

#: kinds of encoder whose layers have the parts that the last layer is computed with
KINDS: Final = ("bert", "roberta")


class StudentModel(TriageModel):
    """Some layers of an encoder; the first token after the last of them stands for the text."""

    @classmethod
    def of(cls, model: TriageModel, layers: Sequence[int]) -> "StudentModel":
        """A student that begins as some layers of ``model``, which it takes over, and its heads.

        Args:
            model: has all layers; not to be used any more.
            layers: those to keep, from 0 for the lowest.

        Raises:
            UsageError: if the encoder is of another kind than ``KINDS``, or has no such layer.
        """
        encoder: Any = model.encoder
        if encoder.config.model_type not in KINDS:
            message = (
                f"no student can be made of an encoder of the kind {encoder.config.model_type!r}; "
            )
            raise UsageError(message + f"give one of the kinds {', '.join(KINDS)}")
        depth = len(model.layers)
        if not layers or not all(0 <= layer < depth for layer in layers):
            message = f"layers {list(layers)}, and the encoder has {depth}, from 0; "
            raise UsageError(message + "name some of these")
        encoder.encoder.layer = nn.ModuleList(model.layers[layer] for layer in layers)
        encoder.config.num_hidden_layers = len(layers)
        student = cls(encoder, model.hidden_size, model.dropout.p)
        student.need, student.sentiment = model.need, model.sentiment
        return student

    def pooled(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """The first token's vector after the last layer, (batch, hidden)."""
        hidden = self.embeddings(input_ids=input_ids)
        hide = None
        if attention_mask is not None:
            hide = (1 - attention_mask[:, None, None, :].to(hidden.dtype)) * torch.finfo(
                hidden.dtype
            ).min
        below, last = self.layers[:-1], self.layers[-1]
        for layer in below:
            hidden = layer(hidden, hide)
        return self._last(last, hidden, hide)

    def _last(self, layer: Any, hidden: Tensor, hide: Tensor | None) -> Tensor:
        """What a layer makes of the first token alone."""
        attention, first = layer.attention.self, hidden[:, :1]
        query, key, value = (
            self._by_head(part)
            for part in (attention.query(first), attention.key(hidden), attention.value(hidden))
        )
        scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(query.shape[-1])
        if hide is not None:
            scores = scores + hide
        context = torch.matmul(scores.softmax(dim=-1), value).transpose(1, 2).flatten(2)
        attended = layer.attention.output(context, first)
        written: Tensor = layer.output(layer.intermediate(attended), attended)
        return written[:, 0]

    def _by_head(self, states: Tensor) -> Tensor:
        """(batch, heads, length, width of a head)."""
        encoder: Any = self.encoder
        batch, length, _ = states.shape
        return states.view(batch, length, encoder.config.num_attention_heads, -1).transpose(1, 2)
