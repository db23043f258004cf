"""Labels that people gave to messages of their own, as they cross from service to training.

One JSON object a line. A later record of the same message replaces an earlier one, and a
deletion takes its text out of every set of labels that it reaches.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from replyrank.data.messages import Labels
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel

SCHEMA_VERSION: Final = 1

_SHOWN: Final = 60


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        message = "has no time zone; give one, such as +00:00"
        raise ValueError(message)
    return time


def _level(value: object) -> object:
    return UrgencyLevel.parse(value) if isinstance(value, str) else value


_Time = Annotated[datetime, AfterValidator(_aware)]
_Level = Annotated[
    UrgencyLevel, BeforeValidator(_level), PlainSerializer(lambda level: level.label)
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSaid(_Frozen):
    """What a model had said of the message when a person looked at it."""

    #: its name and version
    model: str
    intent: Intent
    urgency_level: _Level
    sentiment_label: SentimentLabel


class _OfMessage(_Frozen):
    """What tells one message of a brand from all others."""

    schema_version: Literal[1] = SCHEMA_VERSION
    brand: str | None = None
    channel: Channel | None = None
    #: the platform's own id of the message
    external_id: str | None = None


class LabelRecord(_OfMessage):
    """The labels that a person gave to a message; one that is not given is not known."""

    kind: Literal["label"] = "label"
    text: Annotated[str, Field(min_length=1)]
    intent: Intent | None = None
    urgency_level: _Level | None = None
    sentiment_label: SentimentLabel | None = None
    #: a name or pseudonym
    labelled_by: str | None = None
    labelled_at: _Time | None = None
    said: ModelSaid | None = None

    @property
    def labels(self) -> Labels:
        """The labels alone."""
        return Labels(
            intent=self.intent, urgency=self.urgency_level, sentiment=self.sentiment_label
        )

    @property
    def message_key(self) -> tuple[str, ...]:
        """Equal for records of the same message: its id at the brand, else its text."""
        if self.external_id is None:
            return (text_key(self.text),)
        return (self.brand or "", self.channel or "", self.external_id)


class Deletion(_OfMessage):
    """A message whose text must be forgotten, with all labels given before."""

    kind: Literal["deletion"]
    external_id: Annotated[str, Field(min_length=1)]
    deleted_at: _Time

    @property
    def message_key(self) -> tuple[str, ...]:
        """As that of the records it deletes."""
        return (self.brand or "", self.channel or "", self.external_id)


Record = LabelRecord | Deletion

_ANY: Final[TypeAdapter[Record]] = TypeAdapter(
    Annotated[LabelRecord | Deletion, Field(discriminator="kind")]
)


def parse_record(line: str) -> Record:
    """Read one line.

    Raises:
        ValueError: saying what is wrong, where, and what stands there.
    """
    try:
        value = json.loads(line)
    except ValueError as error:
        message = f"not JSON: {error}"
        raise ValueError(message) from None
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        message = (
            f"schema_version is {version!r} and this replyrank reads {SCHEMA_VERSION}; "
            "give records of that version"
        )
        raise ValueError(message)
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        raise ValueError("; ".join(_told(error))) from None


def format_record(record: Record) -> str:
    """The record as one line, the same for the same record; what is not known is left out."""
    return json.dumps(
        record.model_dump(mode="json", exclude_none=True), ensure_ascii=False, sort_keys=True
    )


def _told(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"][1:]) or "record"
        given = "" if fault["type"] == "missing" else f" {str(fault['input'])[:_SHOWN]!r}"
        yield f"{place}{given}: {fault['msg']}"
