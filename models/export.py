"""From a trained model to an ONNX graph in fp32.

The graph takes ``input_ids`` (batch, length) and no attention mask: serving puts only texts
of equal length into one batch, so there is never any padding to mask, and the scores of a
message cannot depend on its neighbours.
"""

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from replyrank.models.encoder import TriageModel
from replyrank.models.session import INPUT, NEED, SENTIMENT

_OPSET: Final = 17


class _WithoutPadding(nn.Module):
    """The same network for batches without padding."""

    def __init__(self, model: TriageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.heads(self.model.pooled(input_ids, None))


def export_fp32(model: TriageModel, target: Path) -> None:
    """Write ``model`` as an ONNX file in fp32.

    The tracing exporter is used since the graph of the newer one was measured 17 % slower.

    Args:
        model: on the CPU; it is put into evaluation mode.
        target: file to write.
    """
    model = model.eval().to("cpu")
    # Which ids are traced does not matter; these are in every vocabulary.
    example = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]])
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        # The exporter warns of its own deprecation and of every traced shape.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _WithoutPadding(model),
            (example,),
            str(target),
            input_names=[INPUT],
            output_names=[NEED, SENTIMENT],
            dynamic_axes={
                INPUT: {0: "batch", 1: "length"},
                NEED: {0: "batch"},
                SENTIMENT: {0: "batch"},
            },
            opset_version=_OPSET,
            do_constant_folding=True,
            dynamo=False,
        )


def torch_logits(model: TriageModel, tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Logits of texts of any lengths, one at a time: what exports are held against."""
    model = model.eval()
    network = _WithoutPadding(model)
    with torch.inference_mode():
        rows = [network(torch.tensor([ids])) for ids in tokens]
    return torch.cat([row[0] for row in rows]), torch.cat([row[1] for row in rows])
