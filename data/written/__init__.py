"""Posts written for the project that only ever train: rare needs, and what looks like them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from replyrank.data.messages import Labels
from replyrank.data.packaged import objects, subjects
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel

#: what these posts are called where a corpus has its name
WRITTEN: Final = "written"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPost:
    """One post, of an invented company."""

    id: str
    #: the file that it stands in: a group of industries, or a kind of post
    topic: str
    channel: Channel
    brand: str
    text: str
    labels: Labels
    #: readers behind the labels: 2 (writer and reader agreed) or 3 (a third decided)
    votes: int


def load_written() -> list[WrittenPost]:
    """All posts, by topic, in the order of its file."""
    return [post for topic in written_topics() for post in _posts(topic)]


def written_topics() -> tuple[str, ...]:
    """The names of the files."""
    return subjects(__name__)


def _posts(topic: str) -> Iterator[WrittenPost]:
    for values in objects(__name__, topic):
        yield WrittenPost(
            id=values["id"],
            topic=topic,
            channel=Channel(values["channel"]),
            brand=values["brand"],
            text=values["text"],
            labels=Labels(
                intent=Intent(values["intent"]),
                urgency=UrgencyLevel(values["urgency"]),
                sentiment=SentimentLabel(values["sentiment"]),
            ),
            votes=values["votes"],
        )
