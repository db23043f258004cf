"""The program for each kind of config."""

from pathlib import Path
from typing import Protocol

from replyrank.models.artefact import Artefact
from replyrank.training.config import AnyConfig, CorrectionConfig, FallbackConfig
from replyrank.training.corrections import CorrectionRun
from replyrank.training.fallback_run import FallbackRun
from replyrank.training.material import Material
from replyrank.training.train import TrainingRun


class Run(Protocol):
    """What the command line needs of a program."""

    @property
    def start(self) -> Artefact | None:
        """The model that it corrects; None where it makes a new one."""
        ...

    def plan(self) -> object:
        """What it will do and how long that should take, to be printed."""
        ...

    def run(self, out: Path, name: str) -> Path:
        """Do it; returns the artefact's folder."""
        ...


def open_run(
    config: AnyConfig,
    material: Material,
    work: Path,
) -> Run:
    """The program that a config asks for."""
    if isinstance(config, FallbackConfig):
        return FallbackRun(config, material)
    if isinstance(config, CorrectionConfig):
        return CorrectionRun(config, material, work)
    return TrainingRun(config, material, work)
