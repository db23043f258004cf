"""The policy: every number by which a queue is ordered, in one validated YAML file."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from replyrank.data.vocabulary import Channel, Visibility
from replyrank.pipeline.calendar import Calendar, parse_interval
from replyrank.pipeline.classes import (
    POLICY_CLASSES,
    QUIET_CLASSES,
    URGENT_CLASSES,
    AtLeastOne,
    Chance,
    ClassRules,
    Frozen,
    NotNegative,
    Number,
    PolicyClass,
    Positive,
)

__all__ = [
    "POLICY_CLASSES",
    "ChannelRule",
    "FloatArray",
    "Guard",
    "IntArray",
    "Policy",
    "PolicyClass",
    "Reach",
    "ReachSetting",
    "Threads",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ClassNumber = Literal["weight", "target", "doublings", "handling", "share"]

_URGENT_SHARE: Final = 0.5


class HandlingClip(Frozen):
    """Bounds of expected handling minutes, in multiples of the mean over all traffic."""

    low: Chance
    high: AtLeastOne


class ChannelRule(Frozen):
    """Target in minutes for an ordinary support question on one channel."""

    public: Positive
    private: Positive
    #: what a message counts as when its visibility is not known
    unknown: Visibility


class ChannelRules(Frozen):
    """The rules of the channels; the fields are those of ``Channel``."""

    twitter: ChannelRule
    facebook: ChannelRule
    instagram: ChannelRule
    reddit: ChannelRule
    app_store: ChannelRule
    review_site: ChannelRule
    email: ChannelRule
    chat: ChannelRule
    other: ChannelRule

    def __getitem__(self, channel: Channel | None) -> ChannelRule:
        """The rule of one channel; an unknown channel counts as ``other``."""
        rule: ChannelRule = getattr(self, (channel or Channel.OTHER).value)
        return rule


class ReachSetting(StrEnum):
    """How much a big audience counts."""

    OFF = "off"
    A_LITTLE = "a_little"
    A_LOT = "a_lot"


class ReachCurve(Frozen):
    """factor = 1 + slope * log10(1 + followers / unit), at most cap."""

    slope: NotNegative
    cap: AtLeastOne


class ReachCurves(Frozen):
    """The curves of the settings; the fields are those of ``ReachSetting``."""

    off: ReachCurve
    a_little: ReachCurve
    a_lot: ReachCurve


class Reach(Frozen):
    """What the size of the audience of a public message adds."""

    setting: ReachSetting
    classes: tuple[PolicyClass, ...]
    followers_unit: Positive
    settings: ReachCurves

    @property
    def curve(self) -> ReachCurve:
        """The curve in force."""
        curve: ReachCurve = getattr(self.settings, self.setting.value)
        return curve

    @model_validator(mode="after")
    def _urgent_before_the_rest(self) -> Self:
        missing = [name for name in URGENT_CLASSES if name not in self.classes]
        if self.classes and missing:
            message = f"reach counts for {', '.join(self.classes)} but not for "
            message += f"{', '.join(missing)}; more chance of an urgent class must not lower "
            message += "a message, so add it, or empty the list"
            raise ValueError(message)
        return self


class Threads(Frozen):
    """How the messages of one customer become one item."""

    window_hours: Positive
    repeat_bonus: NotNegative
    independence: Chance
    change: Annotated[Number, Field(gt=0, lt=1)]


class Guard(Frozen):
    """One of so many places goes to the oldest item beyond the limit (open hours)."""

    one_in: Annotated[int, Field(strict=True, ge=2)]
    limit_hours: Positive


class Week(Frozen):
    """Opening times by day as ``HH:MM-HH:MM``."""

    monday: tuple[str, ...]
    tuesday: tuple[str, ...]
    wednesday: tuple[str, ...]
    thursday: tuple[str, ...]
    friday: tuple[str, ...]
    saturday: tuple[str, ...]
    sunday: tuple[str, ...]


class OpenHours(Frozen):
    """When the team is there; waiting counts in these hours only."""

    time_zone: str
    always_open: Annotated[bool, Field(strict=True)]
    week: Week

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = "no such time zone; use an IANA name, such as Europe/London"
            raise ValueError(message) from None
        return name

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        self._build(always_open=False)
        return self

    def _build(self, *, always_open: bool) -> Calendar:
        days: list[tuple[str, ...]] = [getattr(self.week, day) for day in Week.model_fields]
        week = tuple(tuple(parse_interval(text) for text in day) for day in days)
        return Calendar(ZoneInfo(self.time_zone), None if always_open else week)

    @cached_property
    def calendar(self) -> Calendar:
        """The calendar to count with."""
        return self._build(always_open=self.always_open)


class Policy(Frozen):
    """The whole of a policy file.

    Loading refuses numbers under which the promises of the index would not hold: more chance
    of an urgent class never lowers a message, and at full reach and repeats no message that is
    surely opinion, praise or chatter stands above a fresh private one that is urgent at 50 %.
    """

    schema_version: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    classes: ClassRules
    handling_clip: HandlingClip
    channels: ChannelRules
    reach: Reach
    threads: Threads
    guard: Guard
    due_chance: Chance
    calendar: OpenHours

    def column(self, field: ClassNumber) -> FloatArray:
        """One number of every class, shape (6,), in the order of ``POLICY_CLASSES``."""
        return self._columns[field]

    @cached_property
    def _columns(self) -> dict[ClassNumber, FloatArray]:
        columns: dict[ClassNumber, FloatArray] = {}
        for field in get_args(ClassNumber):
            column = np.array([getattr(self.classes[name], field) for name in POLICY_CLASSES])
            column.flags.writeable = False
            columns[field] = column
        return columns

    @cached_property
    def target_caps(self) -> FloatArray:
        """Longest targets in minutes, shape (6,); infinite where there is none."""
        caps = [self.classes[name].target_cap for name in POLICY_CLASSES]
        return np.array([np.inf if cap is None else cap for cap in caps])

    @cached_property
    def reach_mask(self) -> npt.NDArray[np.bool_]:
        """Which classes reach counts for, shape (6,)."""
        return np.array([name in self.reach.classes for name in POLICY_CLASSES])

    @cached_property
    def handling_bounds(self) -> tuple[float, float]:
        """Least and greatest expected handling minutes of a message."""
        mean = float((self.column("share") * self.column("handling")).sum())
        return self.handling_clip.low * mean, self.handling_clip.high * mean

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that name these very numbers, to log with every ranking."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def target_minutes(self, channel: Channel | None, visibility: Visibility) -> float:
        """Minutes within which an ordinary support question is due there."""
        rule = self.channels[channel]
        return rule.public if visibility is Visibility.PUBLIC else rule.private

    def visibility(self, channel: Channel | None, known: Visibility | None) -> Visibility:
        """Who can read a message, where that is not known by the default of its channel."""
        return self.channels[channel].unknown if known is None else known

    @model_validator(mode="after")
    def _urgent_beats_the_quiet(self) -> Self:
        urgent = self._least_urgent()
        quiet, names = self._greatest_quiet()
        if quiet > urgent:
            message = (
                f"at full reach and repeats a message of {' and '.join(names)} gets "
                f"{quiet:.3g} points per agent-minute, a fresh private one that is urgent at 50 % "
                f"only {urgent:.3g}; lower the weight of {names[0]}, the repeat bonus or the cap "
                "of reach, or raise the weight of high"
            )
            raise ValueError(message)
        return self

    def _clip(self, minutes: float) -> float:
        least, greatest = self.handling_bounds
        return max(least, min(minutes, greatest))

    def _least_urgent(self) -> float:
        """A lower bound of the index of a fresh private message with p(urgent) >= 0.5."""
        urgent = [self.classes[name] for name in URGENT_CLASSES]
        harm = min(rule.weight / float(np.exp2(rule.doublings)) for rule in urgent)
        longest = max(self.classes[name].handling for name in POLICY_CLASSES)
        minutes = _URGENT_SHARE * (max(rule.handling for rule in urgent) + longest)
        return _URGENT_SHARE * harm / self._clip(minutes)

    def _greatest_quiet(self) -> tuple[float, Sequence[PolicyClass]]:
        """The greatest index without any urgent or support share, and which classes get it.

        Harm and minutes are linear in the posterior, so the maximum lies on an edge between
        two classes: at an end, or where expected minutes meet a bound.
        """
        best: tuple[float, Sequence[PolicyClass]] = 0.0, QUIET_CLASSES
        for first in QUIET_CLASSES:
            for second in QUIET_CLASSES:
                for share in (0.0, *self._bends(first, second)):
                    harm = (1 - share) * self._full_harm(first) + share * self._full_harm(second)
                    minutes = self._between(first, second, share)
                    names = (first, second)[: 1 + (share > 0)]
                    best = max(best, (harm / self._clip(minutes), names), key=lambda pair: pair[0])
        return best

    def _between(self, first: PolicyClass, second: PolicyClass, share: float) -> float:
        one, two = self.classes[first].handling, self.classes[second].handling
        return (1 - share) * one + share * two

    def _bends(self, first: PolicyClass, second: PolicyClass) -> list[float]:
        """Shares of ``second`` at which expected minutes meet one of their bounds."""
        one, two = self.classes[first].handling, self.classes[second].handling
        if one == two:
            return []
        shares = [(bound - one) / (two - one) for bound in self.handling_bounds]
        return [share for share in shares if 0 < share < 1]

    def _full_harm(self, name: PolicyClass) -> float:
        reach = self.reach.curve.cap if name in self.reach.classes else 1.0
        return self.classes[name].weight * reach * (1 + self.threads.repeat_bonus)
