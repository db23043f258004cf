"""The work folder of a run: what is finished there is kept, and what was begun goes on."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from replyrank.data.errors import UsageError
from replyrank.models.encoder import TriageModel
from replyrank.training.curves import CURVES, Curves, Point
from replyrank.training.fitting import Stage, save_whole

_LOG: Final = logging.getLogger(__name__)
_CLAIM: Final = "config.json"


class WorkFolder:
    """A folder that belongs to one config and one set of data.

    Args:
        path: of the folder; it is made when something is to be kept in it.
        facts: all that decides what lies in it.
    """

    def __init__(self, path: Path, facts: Callable[[], Mapping[str, object]]) -> None:
        self.path = path
        self._facts = facts

    def check(self) -> None:
        """Refuse a folder that holds the results of something else; nothing is written.

        Raises:
            UsageError: if it does.
        """
        self._wanted()

    def claim(self) -> None:
        """Keep what is left here from being taken for the results of another config or data.

        Raises:
            UsageError: if it holds such results already.
        """
        wanted = self._wanted()
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / _CLAIM).write_text(f"{wanted}\n", encoding="utf-8")

    def has(self, name: str) -> bool:
        """Whether a stage is finished."""
        return self._done(name).exists()

    def finished(
        self, name: str, model: TriageModel, make: Callable[[], Stage[Any]]
    ) -> TriageModel:
        """The model at the end of a stage: from here, or trained and kept here."""
        done, checkpoint = self._done(name), self.path / f"{name}.checkpoint"
        if done.exists():
            model.load_state_dict(torch.load(done, weights_only=True))
            return model
        self.path.mkdir(parents=True, exist_ok=True)
        stage, curves = make(), Curves(self.path / CURVES)
        _LOG.info("%s: %s updates", name, f"{stage.steps:,}")
        model = stage.run(checkpoint, lambda step, loss: curves.add(Point(name, step, loss)))
        save_whole(model.to("cpu").state_dict(), done)
        checkpoint.unlink(missing_ok=True)
        return model

    def _done(self, name: str) -> Path:
        return self.path / f"{name}.pt"

    def _wanted(self) -> str:
        path, wanted = self.path / _CLAIM, json.dumps(self._facts())
        if path.exists() and path.read_text(encoding="utf-8").strip() != wanted:
            message = (
                f"{self.path} holds the results of another config, training set or cleaning "
                f"({path}); name another folder with --work, or remove this one"
            )
            raise UsageError(message)
        return wanted
