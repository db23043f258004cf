"""The optimisation loop: one stage of training, resumable, on CPU or GPU."""

import logging
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from replyrank.models.encoder import TriageModel
from replyrank.training.batches import Batch, TokenisedRows
from replyrank.training.config import OptimisationConfig, StageConfig
from replyrank.training.losses import need_loss, sentiment_loss

_LOG: Final = logging.getLogger(__name__)
_CHECKPOINT_SECONDS: Final = 300
_LOG_EVERY: Final = 50

BatchT = TypeVar("BatchT")
BatchT_co = TypeVar("BatchT_co", covariant=True)


def device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Rows(Protocol[BatchT_co]):
    """What a stage reads."""

    def batch_rows(self, batch_size: int, seed: int) -> list[list[int]]:
        """Row numbers of each batch of an epoch."""
        ...

    def change(self, config: OptimisationConfig, seed: int) -> None:
        """Draw what an epoch reads in place of some texts."""
        ...

    def batch(self, rows: Sequence[int]) -> BatchT_co:
        """The tensors of some rows."""
        ...


class Stage(ABC, Generic[BatchT]):
    """One stage: model, optimiser, moving average and the place in the data, as one state."""

    def __init__(
        self, model: TriageModel, rows: Rows[BatchT], config: OptimisationConfig, seed: int
    ) -> None:
        self.model = model.to(device())
        self.rows = rows
        self.config = config
        self.seed = seed
        self.per_epoch = len(rows.batch_rows(config.batch_size, seed))
        self.steps = max(1, round(self.per_epoch * config.epochs))
        self.step = 0
        for parameter in model.embeddings.parameters():
            parameter.requires_grad = not config.freeze_embeddings
        self.optimizer = torch.optim.AdamW(_groups(model, config), fused=True)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.average = {
            name: value.detach().clone()
            for name, value in model.named_parameters()
            if config.ema_decay and value.requires_grad
        }

    @abstractmethod
    def loss(self, batch: BatchT) -> Tensor:
        """The mean loss of a batch, of which the gradient is taken."""

    def run(
        self, checkpoint: Path | None = None, on_loss: Callable[[int, float], None] | None = None
    ) -> TriageModel:
        """Train to the end and return the model, with its averaged weights if there are any.

        Args:
            checkpoint: file that is written every few minutes and taken up where it stands.
            on_loss: told now and then of the updates so far and the mean loss of the last ones.
        """
        if checkpoint is not None and checkpoint.exists():
            self._load(checkpoint)
        saved, losses = time.monotonic(), deque[Tensor](maxlen=_LOG_EVERY)
        begun, first = saved, self.step
        while self.step < self.steps:
            epoch, offset = divmod(self.step, self.per_epoch)
            for rows in self._epoch(epoch)[offset:]:
                losses.append(self.update(self.rows.batch(rows)))
                self.step += 1
                if on_loss is not None and (self.step % _LOG_EVERY == 0 or self.step == self.steps):
                    on_loss(self.step, _mean(losses))
                if self.step % _LOG_EVERY == 0:
                    pace = (time.monotonic() - begun) / (self.step - first)
                    _LOG.info(
                        "step %s of %s, loss %.4f, %.0f min left",
                        f"{self.step:,}",
                        f"{self.steps:,}",
                        _mean(losses),
                        (self.steps - self.step) * pace / 60,
                    )
                if checkpoint is not None and time.monotonic() - saved > _CHECKPOINT_SECONDS:
                    self._save(checkpoint)
                    saved = time.monotonic()
                if self.step >= self.steps:
                    break
        if checkpoint is not None:
            self._save(checkpoint)
        self._take_average()
        return self.model

    def _epoch(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch; the seed and its number decide everything in it."""
        seed = self.seed * 1_000 + epoch
        if self.config.brand_swap or self.config.misspelling:
            self.rows.change(self.config, seed)
        return self.rows.batch_rows(self.config.batch_size, seed)

    def update(self, batch: BatchT) -> Tensor:
        """One step of optimisation; returns the loss, for which a GPU need not be waited for."""
        self.model.train()
        # By step, so that a resumed run drops out what it would have dropped out.
        torch.manual_seed(self.seed * 1_000_000 + self.step)
        loss = self.loss(batch)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * _schedule(self.step, self.steps, self.config.warmup)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self._update_average()
        return loss.detach()

    def _update_average(self) -> None:
        if not self.average:
            return
        # A young average forgets faster, or it would remember the untrained weights.
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        now = dict(self.model.named_parameters())
        follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        follow(list(self.average.values()), [now[name] for name in self.average], None)

    def _take_average(self) -> None:
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                if name in self.average:
                    value.copy_(self.average[name])

    def _save(self, path: Path) -> None:
        state: dict[str, Any] = {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
        }
        save_whole(state, path)

    def _load(self, path: Path) -> None:
        state = torch.load(path, map_location=device(), weights_only=True)
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = state["average"]
        _LOG.info("resumed at step %d of %d", self.step, self.steps)


class LabelledStage(Stage[Batch]):
    """Learns what the labels of posts say."""

    def __init__(
        self, model: TriageModel, rows: TokenisedRows, config: StageConfig, seed: int
    ) -> None:
        super().__init__(model, rows, config, seed)
        self._losses = config

    def loss(self, batch: Batch) -> Tensor:
        """Likelihood of the labels that are known, weighted by row."""
        where, config = device(), self._losses
        need, sentiment = self.model(batch.input_ids.to(where), batch.attention_mask.to(where))
        losses = need_loss(need, batch.cells.to(where), config.label_smoothing)
        losses = losses + config.sentiment_weight * sentiment_loss(
            sentiment, batch.sentiment.to(where), config.label_smoothing
        )
        return (losses * batch.weight.to(where)).mean()


def save_whole(state: Mapping[str, Any], path: Path) -> None:
    """Write ``state`` so that ``path`` holds all of it or what it held before."""
    partial = path.with_name(f"{path.name}.partial")
    torch.save(dict(state), partial)
    partial.replace(path)


def _mean(losses: Iterable[Tensor]) -> float:
    return float(torch.stack(list(losses)).mean())


def _schedule(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up, then linear decay to zero; the factor of the learning rate."""
    warm = max(1, math.ceil(steps * warmup))
    if step < warm:
        return (step + 1) / warm
    return max(0.0, (steps - step) / max(1, steps - warm))


def _groups(model: TriageModel, config: OptimisationConfig) -> list[dict[str, Any]]:
    """Parameter groups: lower layers learn slower, biases and norms do not decay."""
    depth = len(model.layers)
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = config.learning_rate * config.layer_decay ** _layers_above(name, depth)
        decay = 0.0 if parameter.ndim == 1 else config.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _layers_above(name: str, depth: int) -> int:
    parts = name.split(".")
    if "layer" in parts:
        return depth - 1 - int(parts[parts.index("layer") + 1])
    return depth if "embeddings" in parts else 0
