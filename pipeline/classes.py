"""The six classes of the policy, and what it says of each."""

from enum import StrEnum
from typing import Annotated, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from replyrank.data.vocabulary import Intent, UrgencyLevel

# Numbers are strict: "yes" and "3" in a policy file are mistakes, not numbers.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
AtLeastOne = Annotated[Number, Field(ge=1)]
Chance = Annotated[Number, Field(gt=0, le=1)]

_SUM_TOLERANCE: Final = 1e-6


class PolicyClass(StrEnum):
    """What the policy tells apart (order is that of all arrays of six classes)."""

    CRITICAL = "critical"
    HIGH = "high"
    SUPPORT = "support"
    OPINION = "opinion"
    PRAISE = "praise"
    CHATTER = "chatter"


POLICY_CLASSES: Final = tuple(PolicyClass)
URGENT_CLASSES: Final = (PolicyClass.CRITICAL, PolicyClass.HIGH)
#: classes whose author asks for something
ASKING_CLASSES: Final = (*URGENT_CLASSES, PolicyClass.SUPPORT)
QUIET_CLASSES: Final = (PolicyClass.OPINION, PolicyClass.PRAISE, PolicyClass.CHATTER)

_CLASS_OF_INTENT: Final = {
    Intent.SUPPORT_REQUEST: PolicyClass.SUPPORT,
    Intent.OPINION: PolicyClass.OPINION,
    Intent.PRAISE: PolicyClass.PRAISE,
    Intent.CHATTER: PolicyClass.CHATTER,
}


def policy_class(intent: Intent, urgency: UrgencyLevel) -> PolicyClass:
    """The class of a message whose labels are known: its urgency first, else its intent."""
    if urgency is UrgencyLevel.CRITICAL:
        return PolicyClass.CRITICAL
    if urgency is UrgencyLevel.HIGH:
        return PolicyClass.HIGH
    return _CLASS_OF_INTENT[intent]


class Frozen(BaseModel):
    """Base of the parts of a policy: immutable, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassRule(Frozen):
    """What the policy says of one class."""

    #: harm points per minute once the target is reached
    weight: Positive
    #: target as a multiple of the channel's
    target: Positive
    #: longest target in minutes, None for no limit
    target_cap: Positive | None
    #: how often harm doubles between no time left at all and the whole target left
    doublings: Annotated[NotNegative, Field(le=20)]
    #: mean minutes an agent needs
    handling: Positive
    #: share of the class in ordinary traffic
    share: Chance


class ClassRules(Frozen):
    """The rules of the six classes; the fields are those of ``PolicyClass``."""

    critical: ClassRule
    high: ClassRule
    support: ClassRule
    opinion: ClassRule
    praise: ClassRule
    chatter: ClassRule

    def __getitem__(self, name: PolicyClass) -> ClassRule:
        """The rule of one class."""
        rule: ClassRule = getattr(self, name.value)
        return rule

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = sum(self[name].share for name in POLICY_CLASSES)
        if abs(total - 1) > _SUM_TOLERANCE:
            message = f"the shares of the six classes sum to {total:.4f}; make them sum to 1"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _urgent_comes_first(self) -> Self:
        """More probability of an urgent class must never lower a message."""
        for upper, lower in _must_not_fall_behind():
            if message := _falls_behind(upper, self[upper], lower, self[lower]):
                raise ValueError(message)
        return self


def _must_not_fall_behind() -> list[tuple[PolicyClass, PolicyClass]]:
    critical, high, support = ASKING_CLASSES
    return [(critical, high), (high, support), *((high, quiet) for quiet in QUIET_CLASSES)]


def _falls_behind(
    upper: PolicyClass, above: ClassRule, lower: PolicyClass, below: ClassRule
) -> str | None:
    if above.weight < below.weight:
        return (
            f"the weight of {upper}, {above.weight:g}, is below that of {lower}, "
            f"{below.weight:g}; more chance of {upper} must not lower a message, so raise it"
        )
    if above.doublings > below.doublings:
        return (
            f"{upper} has {above.doublings:g} doublings, {lower} {below.doublings:g}; a fresh "
            f"{upper} message must not weigh less for its freshness, so give it no more than those"
        )
    # A cap that only the lower class has could turn its target into the shorter one.
    cap_turns = below.target_cap is not None and (above.target_cap or np.inf) > below.target_cap
    if above.target > below.target or cap_turns:
        return (
            f"the target of {upper}, {_target(above)}, can come later than that of {lower}, "
            f"{_target(below)}; make it the shorter one"
        )
    return None


def _target(rule: ClassRule) -> str:
    cap = "" if rule.target_cap is None else f" (at most {rule.target_cap:g} minutes)"
    return f"{rule.target:g} of the channel's{cap}"
