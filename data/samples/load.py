"""Read the posts that were written for the project."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from replyrank.data.errors import UsageError
from replyrank.data.messages import Labels, Message
from replyrank.data.packaged import objects
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel, Visibility

#: the files that ``sample_path`` knows
SAMPLE_FILES: Final = ("posts.jsonl", "inbox.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSample:
    """One post of ``posts.jsonl``; all labels are None where the guideline leaves it out."""

    message: Message
    labels: Labels
    industry: str


def load_samples() -> list[LabelledSample]:
    """The labelled posts, first arrival first."""
    return list(map(_sample, objects("replyrank.data.samples", "posts")))


@contextmanager
def sample_path(name: str) -> Generator[Path]:
    """A sample file as a path, also where the package lies in an archive.

    Args:
        name: one of ``SAMPLE_FILES``. The path holds until the context ends.

    Raises:
        UsageError: if there is no sample file of that name.
    """
    if name not in SAMPLE_FILES:
        message = f"{name!r} is not a sample file; use one of {', '.join(SAMPLE_FILES)}"
        raise UsageError(message)
    source = resources.files("replyrank.data.samples").joinpath(name)
    with resources.as_file(source) as path:
        yield path


def _sample(values: Mapping[str, Any]) -> LabelledSample:
    return LabelledSample(
        message=Message(
            id=values["id"],
            channel=Channel(values["channel"]),
            visibility=Visibility(values["visibility"]),
            brand=values["brand"],
            author=values["author"],
            reach=values["reach"],
            thread=values["thread"],
            created_at=datetime.fromisoformat(values["created_at"]),
            text=values["text"],
        ),
        labels=_labels(values),
        industry=values["industry"],
    )


def _labels(values: Mapping[str, Any]) -> Labels:
    # The guideline labels all three or, for what a reader could not judge, none.
    if values["intent"] is None:
        return Labels()
    return Labels(
        intent=Intent(values["intent"]),
        urgency=UrgencyLevel(values["urgency"]),
        sentiment=SentimentLabel(values["sentiment"]),
    )
