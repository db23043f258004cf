"""What goes over the wire."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from replyrank.data.messages import Message
from replyrank.data.vocabulary import (
    Channel,
    Intent,
    SentimentLabel,
    UrgencyLevel,
    Visibility,
)
from replyrank.serving.queue.inbound import Inbound, writable

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")
#: an author with more is a mistake
_MOST_FOLLOWERS: Final = 10**10


def _plain(value: str) -> str:
    if _CONTROL.search(value):
        message = "holds control characters or broken ones; give a plain id"
        raise ValueError(message)
    return value


def _repaired(value: object) -> object:
    return writable(value) if isinstance(value, str) else value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        message = "has no time zone; give one, such as +00:00"
        raise ValueError(message)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        message = "lies beyond the calendar; give a time between the years 1 and 9999"
        raise ValueError(message) from None


def _level(value: object) -> object:
    return UrgencyLevel.parse(value) if isinstance(value, str) else value


#: text as people write it; what no database can hold becomes U+FFFD
Words = Annotated[str, BeforeValidator(_repaired)]
Name = Annotated[Words, AfterValidator(_plain), Field(min_length=1, max_length=200)]
Time = Annotated[datetime, AfterValidator(_aware)]
Level = Annotated[
    UrgencyLevel,
    BeforeValidator(_level, json_schema_input_type=Literal["none", "low", "high", "critical"]),
    PlainSerializer(lambda level: level.label, return_type=str),
]


class Wire(BaseModel):
    """Base: immutable, unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ScoreRequest(Wire):
    """Texts to score; nothing of them is kept."""

    texts: Annotated[list[Words], Field(min_length=1)]


class InboundMessage(Wire):
    """A message to a brand."""

    #: the platform's own id
    id: Name
    brand: Name
    channel: Channel
    text: Words
    visibility: Visibility | None = None
    author: Name | None = None
    #: the team's own id of the customer
    customer: Name | None = None
    #: followers of the author, as the platform counts them
    reach: Annotated[int, Field(ge=0, le=_MOST_FOLLOWERS)] | None = None
    thread: Name | None = None
    created_at: Time | None = None

    def inbound(self) -> Inbound:
        """As the queue takes it."""
        message = Message(
            text=self.text,
            id=self.id,
            channel=self.channel,
            visibility=self.visibility,
            brand=self.brand,
            author=self.author,
            customer=self.customer,
            reach=self.reach,
            thread=self.thread,
            created_at=self.created_at,
        )
        return Inbound(message, self.brand, self.channel.value, self.id)


class MessageBatch(Wire):
    """Several messages; one that is wrong is told, and the others are taken."""

    messages: Annotated[list[Any], Field(min_length=1)]


class Claim(Wire):
    """What an agent wants next."""

    agent: Name
    #: this one, and no other
    item: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    lease_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    team: Name | None = None
    brand: Name | None = None
    channel: Channel | None = None
    intent: Intent | None = None


class Hold(Wire):
    """Proof of a lease."""

    generation: Annotated[int, Field(ge=1, lt=2**31)]
    lease_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None


class Finish(Wire):
    """The end of an item."""

    generation: Annotated[int, Field(ge=1, lt=2**31)]
    #: closed: there was nothing to answer
    outcome: Literal["answered", "closed"] = "answered"


class Correction(Wire):
    """Labels that a person gives to a message."""

    brand: Name
    channel: Channel
    id: Name
    intent: Intent | None = None
    urgency_level: Level | None = None
    sentiment_label: SentimentLabel | None = None
    by: Name | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.intent is None and self.urgency_level is None and self.sentiment_label is None:
            message = "no label is given; give intent, urgency_level or sentiment_label"
            raise ValueError(message)
        return self
