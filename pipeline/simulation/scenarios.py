"""The scenario file: traffic, handling and cost of a simulated queue."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from replyrank.data.vocabulary import Channel
from replyrank.pipeline.classes import (
    POLICY_CLASSES,
    AtLeastOne,
    Chance,
    Frozen,
    NotNegative,
    Number,
    PolicyClass,
    Positive,
)
from replyrank.pipeline.policy import FloatArray
from replyrank.pipeline.settings_file import SettingsFile

_TOLERANCE: Final = 1e-6
_MINUTES: Final = 60.0

Share = Annotated[Number, Field(ge=0, le=1)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]


class ClassFacts(Frozen):
    """What is true of one class; ``scenarios.yaml`` says what each number is."""

    share: Share
    handling: Positive
    weight: Positive
    target: Positive
    target_cap: Positive | None


class ClassTable(Frozen):
    """The facts of the six classes; the fields are those of ``PolicyClass``."""

    critical: ClassFacts
    high: ClassFacts
    support: ClassFacts
    opinion: ClassFacts
    praise: ClassFacts
    chatter: ClassFacts

    def column(self, field: Literal["share", "handling", "weight", "target"]) -> FloatArray:
        """(6,) one number of every class."""
        return np.array([getattr(self._of(name), field) for name in POLICY_CLASSES])

    @property
    def target_caps(self) -> FloatArray:
        """(6,) longest targets in minutes, infinite where there is none."""
        caps = [self._of(name).target_cap for name in POLICY_CLASSES]
        return np.array([np.inf if cap is None else cap for cap in caps])

    def _of(self, name: PolicyClass) -> ClassFacts:
        facts: ClassFacts = getattr(self, name.value)
        return facts


class Mix(Frozen):
    """Shares of the six classes; the fields are those of ``PolicyClass``."""

    critical: Share
    high: Share
    support: Share
    opinion: Share
    praise: Share
    chatter: Share

    @property
    def shares(self) -> FloatArray:
        """(6,)."""
        return np.array([getattr(self, name.value) for name in POLICY_CLASSES])

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        _require_one(self.shares, "a mix")
        return self


class CostRule(Frozen):
    """How the cost of a minute grows with the wait."""

    on_arrival: Share
    at_most: AtLeastOne


class Incident(Frozen):
    """What an incident does to the arrivals."""

    share: Chance
    mix: Mix


class Segment(Frozen):
    """Hours of one load."""

    hours: Positive
    load: Positive
    #: of the load within a day, 0.3 for 30 % more and less
    swing: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    incident: bool = False


class Scenario(Frozen):
    """Segments one after the other."""

    name: Annotated[str, Field(min_length=1)]
    segments: Annotated[tuple[Segment, ...], Field(min_length=1)]


class Sensitivity(Frozen):
    """What is varied, one at a time."""

    scenarios: tuple[str, ...]
    #: agents more or fewer, with the arrivals as they are
    agents: tuple[Whole, ...]
    #: whether agents follow the usual rhythm of the day
    rosters: tuple[bool, ...]
    #: factors of every target
    targets: tuple[Positive, ...]
    #: powers of the probabilities
    sharpness: tuple[Positive, ...]


class Scenarios(Frozen):
    """The whole of a scenario file."""

    schema_version: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    agents: Count
    seeds: Annotated[int, Field(strict=True, ge=2)]
    channel: Channel
    classes: ClassTable
    handling_sigma: NotNegative
    cost: CostRule
    incident: Incident
    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1)]
    sensitivity: Sensitivity

    @cached_property
    def reference_mix(self) -> FloatArray:
        """(6,) shares of the classes."""
        return self.classes.column("share")

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that name these very numbers."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def incident_mix(self, mix: FloatArray) -> FloatArray:
        """(6,) shares during an incident, where ``mix`` is what they are without."""
        return (1 - self.incident.share) * mix + self.incident.share * self.incident.mix.shares

    def messages(self, segment: Segment, mix: FloatArray) -> int:
        """How many arrivals make the load of a segment with classes in the shares of ``mix``."""
        within = self.incident_mix(mix) if segment.incident else mix
        minutes = float(within @ self.classes.column("handling"))
        return max(1, round(segment.load * self.agents * segment.hours * _MINUTES / minutes))

    def named(self, name: str) -> Scenario:
        """The scenario of a name; raises ``KeyError`` where there is none."""
        return {scenario.name: scenario for scenario in self.scenarios}[name]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _require_one(self.classes.column("share"), "the classes")
        names = [scenario.name for scenario in self.scenarios]
        if len(set(names)) < len(names):
            message = f"two scenarios have one name among {', '.join(names)}; rename one"
            raise ValueError(message)
        if missing := [name for name in self.sensitivity.scenarios if name not in names]:
            message = f"sensitivity names {', '.join(missing)}; the scenarios are "
            raise ValueError(message + ", ".join(names))
        if too_few := [change for change in self.sensitivity.agents if self.agents + change < 1]:
            message = f"sensitivity takes {-too_few[0]} of {self.agents} agents away; leave one"
            raise ValueError(message)
        return self


def _require_one(shares: FloatArray, whose: str) -> None:
    if abs(shares.sum() - 1) > _TOLERANCE:
        message = f"the shares of {whose} sum to {shares.sum():.4f}; make them sum to 1"
        raise ValueError(message)


_FILE: Final = SettingsFile(
    Scenarios, "scenario file", "replyrank.pipeline.simulation", "scenarios.yaml"
)


def load_scenarios(path: str | Path | None = None) -> Scenarios:
    """The shipped scenarios, or those of a file, which may state only what differs from them.

    Raises:
        SettingsError: if the file cannot be read, or says what is refused.
    """
    return _FILE.load(path)
