"""The words of the project: one vocabulary for code, columns, API and page."""

from enum import IntEnum, StrEnum
from typing import Final


class Intent(StrEnum):
    """What the author of a message does with it (order is that of model outputs)."""

    SUPPORT_REQUEST = "support_request"
    PRAISE = "praise"
    OPINION = "opinion"
    CHATTER = "chatter"


class UrgencyLevel(IntEnum):
    """How soon a person must answer; the integer is the label in data files."""

    NONE = 0
    LOW = 1
    HIGH = 2
    CRITICAL = 3

    @property
    def label(self) -> str:
        """The word that columns, API and page use."""
        return self.name.lower()

    @classmethod
    def parse(cls, value: str) -> "UrgencyLevel":
        """Read a level from its number or its word.

        Raises:
            ValueError: if ``value`` is neither.
        """
        text = value.strip().lower()
        for level in cls:
            if text in (str(level.value), level.label):
                return level
        message = f"urgency {value!r} is not a level; use 0-3 or none, low, high, critical"
        raise ValueError(message)


class SentimentLabel(StrEnum):
    """The author's feeling toward the brand (order is that of model outputs)."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Channel(StrEnum):
    """Where a message was written."""

    TWITTER = "twitter"
    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"
    REDDIT = "reddit"
    APP_STORE = "app_store"
    REVIEW_SITE = "review_site"
    EMAIL = "email"
    CHAT = "chat"
    OTHER = "other"


class Visibility(StrEnum):
    """Who can read a message."""

    PUBLIC = "public"
    PRIVATE = "private"


class Review(StrEnum):
    """Why a person should look at the labels of a message."""

    EMPTY = "empty"
    LANGUAGE = "language"
    LOW_CONFIDENCE = "low_confidence"
    UNREADABLE = "unreadable"


INTENTS: Final = tuple(Intent)
URGENCY_LEVELS: Final = tuple(UrgencyLevel)
SENTIMENT_LABELS: Final = tuple(SentimentLabel)

# The joint of intent and urgency level, row-major: cell = intent index * 4 + level.
NEED_CELLS: Final = len(INTENTS) * len(URGENCY_LEVELS)

# What a flat file gets after its own columns, in this order.
SCORE_COLUMNS: Final = (
    "intent",
    *(f"p_{intent}" for intent in INTENTS),
    "urgency",
    "urgency_level",
    *(f"p_urgency_{level.label}" for level in URGENCY_LEVELS),
    "sentiment",
    "sentiment_label",
    *(f"p_{label}" for label in SENTIMENT_LABELS),
    "language",
    "review",
    "model",
)
#: those of them that hold words, not numbers
TEXT_SCORE_COLUMNS: Final = frozenset(
    {"intent", "urgency_level", "sentiment_label", "language", "review", "model"}
)
