"""Behaviour suites: what a model must say of texts that try it (CheckList, Ribeiro et al. 2020)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from replyrank.data.packaged import objects, subjects
from replyrank.data.vocabulary import Intent, SentimentLabel, UrgencyLevel


class Kind(StrEnum):
    """What a case asks."""

    #: the labels of one text
    MINIMUM = "minimum"
    #: that nothing changes between texts
    INVARIANCE = "invariance"
    #: that something rises from the first text to the second
    DIRECTION = "direction"


class Rising(StrEnum):
    """What a case of direction watches."""

    URGENCY = "urgency"
    SENTIMENT = "sentiment"
    SUPPORT_REQUEST = "support_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must be said of a text; None says nothing."""

    intent: Intent | None = None
    sentiment: SentimentLabel | None = None
    least_urgency: UrgencyLevel | None = None
    most_urgency: UrgencyLevel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a suite."""

    capability: str
    #: cases of one template say the same thing of different matters
    template: str
    kind: Kind
    #: one text, or two to four that belong together
    texts: tuple[str, ...]
    #: of a minimum
    expect: Expectation | None = None
    #: of a direction
    rising: Rising | None = None


def load_cases() -> list[Case]:
    """All cases, by capability, in the order of its file."""
    return [case for capability in capabilities() for case in _cases(capability)]


def capabilities() -> tuple[str, ...]:
    """The names of the suites."""
    return subjects(__name__)


def _cases(capability: str) -> Iterator[Case]:
    for values in objects(__name__, capability):
        yield Case(
            capability=values["capability"],
            template=values["template"],
            kind=Kind(values["kind"]),
            texts=tuple(values["texts"]) if "texts" in values else (values["text"],),
            expect=_expectation(values["expect"]) if "expect" in values else None,
            rising=Rising(values["rises"]) if "rises" in values else None,
        )


def _expectation(values: Mapping[str, Any]) -> Expectation:
    exact = values.get("urgency")
    least, most = values.get("urgency_at_least", exact), values.get("urgency_at_most", exact)
    return Expectation(
        intent=Intent(values["intent"]) if "intent" in values else None,
        sentiment=SentimentLabel(values["sentiment"]) if "sentiment" in values else None,
        least_urgency=None if least is None else UrgencyLevel(least),
        most_urgency=None if most is None else UrgencyLevel(most),
    )
