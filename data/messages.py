"""What a message and its labels are."""

from dataclasses import dataclass
from datetime import datetime

from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel, Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that reached, or mentions, a brand. All but the text is optional."""

    text: str
    id: str | None = None
    channel: Channel | None = None
    visibility: Visibility | None = None
    brand: str | None = None
    author: str | None = None
    #: the team's own id of the customer: one person on several channels
    customer: str | None = None
    #: followers of the author, as the platform counts them
    reach: int | None = None
    thread: str | None = None
    #: timezone-aware
    created_at: datetime | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        if self.created_at is not None and self.created_at.tzinfo is None:
            message = (
                f"created_at {self.created_at.isoformat()} has no time zone; "
                "give one, such as +00:00"
            )
            raise ValueError(message)
        if self.reach is not None and self.reach < 0:
            message = f"reach {self.reach} is negative; it counts followers"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is known of a message's labels; a corpus that labels only one leaves the rest open."""

    intent: Intent | None = None
    urgency: UrgencyLevel | None = None
    sentiment: SentimentLabel | None = None
