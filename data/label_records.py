"""Labels that people gave to messages of their own, as they cross from service to training.

One JSON object a line. A later record of the same message replaces an earlier one, and a
deletion takes its text out of every set of labels that it reaches.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
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

_LABELS: Final = ("intent", "urgency_level", "sentiment_label")

_SHOWN: Final = 60
_HALF: Final = re.compile("[\ud800-\udfff]")


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        message = "has no time zone; give one, such as +00:00"
        raise ValueError(message)
    # One instant is written in one way.
    return time.astimezone(UTC)


def _whole(value: object) -> object:
    return _HALF.sub("\ufffd", value) if isinstance(value, str) else value


def _level(value: object) -> object:
    return UrgencyLevel.parse(value) if isinstance(value, str) else value


#: text that can be written: a half character becomes U+FFFD
_Words = Annotated[str, BeforeValidator(_whole)]
_Id = Annotated[_Words, Field(min_length=1)]
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
    brand: _Words | None = None
    channel: Channel | None = None


class LabelRecord(_OfMessage):
    """The labels that a person gave to a message; one that is not given is not known."""

    kind: Literal["label"] = "label"
    #: the platform's own id of the message
    external_id: _Id | None = None
    text: Annotated[_Words, Field(min_length=1)]
    intent: Intent | None = None
    urgency_level: _Level | None = None
    sentiment_label: SentimentLabel | None = None
    #: a name or pseudonym
    labelled_by: _Words | None = None
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
    """A message whose text must be forgotten for good, whatever an old export says of it."""

    kind: Literal["deletion"]
    external_id: _Id
    deleted_at: _Time
    #: hashes of the texts that it took out: the same text without an id is the same message
    text_keys: tuple[str, ...] = ()

    @property
    def message_key(self) -> tuple[str, ...]:
        """As that of the records it deletes, where both say brand and channel."""
        return (self.brand or "", self.channel or "", self.external_id)

    def meets(self, record: LabelRecord) -> bool:
        """Whether a record is of the message; a brand or channel that is not said fits any."""
        if record.external_id is None:
            return text_key(record.text) in self.text_keys
        return (
            record.external_id == self.external_id
            and (None in (self.brand, record.brand) or self.brand == record.brand)
            and (None in (self.channel, record.channel) or self.channel == record.channel)
        )


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
    """The record as one line, the same for the same record.

    What is not known is left out, but for the labels: a table has its columns from its first rows.
    """
    facts = record.model_dump(mode="json", exclude_defaults=True)
    facts |= {"schema_version": record.schema_version, "kind": record.kind}
    if isinstance(record, LabelRecord):
        facts = dict.fromkeys(_LABELS) | facts
    return json.dumps(facts, ensure_ascii=False, sort_keys=True)


def _told(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"][1:]) or "record"
        given = "" if fault["type"] == "missing" else f" {str(fault['input'])[:_SHOWN]!r}"
        yield f"{place}{given}: {fault['msg']}"
