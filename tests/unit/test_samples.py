"""The posts written for the project are what their README says."""

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from replyrank.data.errors import UsageError
from replyrank.data.messages import Labels, Message
from replyrank.data.samples.load import (
    SAMPLE_FILES,
    LabelledSample,
    load_samples,
    sample_path,
)
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel, Visibility

README = Path(__file__).resolve().parents[2] / "data/samples/README.md"
INBOX_COLUMNS = [
    *("id", "channel", "visibility", "brand", "author", "reach", "thread", "created_at", "text")
]
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
# A handle follows neither a word nor a dot, as the @ of an address does.
HANDLE = re.compile(r"(?<![\w.])@(\w+)")
DOMAIN = re.compile(r"(?:https?://|(?<=\w)@)([\w.-]+)")
RESERVED = re.compile(r"(?:[\w-]+\.)*example\.(?:com|org|net)")
LONG_NUMBER = re.compile(r"\+?\d[\d ()-]{8,}\d|\b\d{3}-\d{4}\b")


@pytest.fixture(scope="module")
def samples() -> list[LabelledSample]:
    return load_samples()


@pytest.fixture(scope="module")
def messages(samples: list[LabelledSample]) -> list[Message]:
    return [sample.message for sample in samples]


@pytest.fixture(scope="module")
def inbox() -> list[dict[str, str]]:
    with sample_path("inbox.csv") as path, path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _rows_under(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of the README, without its header."""
    section = README.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def _brands() -> dict[str, tuple[str, str]]:
    return {brand: (handle, industry) for brand, handle, industry in _rows_under("Brands")}


def _counts(samples: list[LabelledSample]) -> Iterator[tuple[str, str, int]]:
    """Field, value and number of posts, in the vocabulary's order; only values that occur."""
    industries = [industry for _, industry in _brands().values()]
    levels = [str(level.value) for level in UrgencyLevel]
    fields: dict[str, tuple[list[str], list[str]]] = {
        "industry": (industries, [sample.industry for sample in samples]),
        "channel": (list(Channel), [str(sample.message.channel) for sample in samples]),
        "visibility": (list(Visibility), [str(sample.message.visibility) for sample in samples]),
        "intent": (list(Intent), [_word(sample.labels.intent) for sample in samples]),
        "urgency": (levels, [_word(sample.labels.urgency) for sample in samples]),
        "sentiment": (list(SentimentLabel), [_word(sample.labels.sentiment) for sample in samples]),
    }
    yield "all", "posts", len(samples)
    yield "thread", "with two messages or more", len(_threads(samples))
    for field, (words, values) in fields.items():
        counts = Counter(values)
        for word in dict.fromkeys([*words, "none"]):
            if counts[word]:
                yield field, word, counts[word]


def _word(label: Intent | UrgencyLevel | SentimentLabel | None) -> str:
    if label is None:
        return "none"
    return str(label.value)


def _threads(samples: list[LabelledSample]) -> dict[str, list[Message]]:
    threads: defaultdict[str, list[Message]] = defaultdict(list)
    for sample in samples:
        if sample.message.thread is not None:
            threads[sample.message.thread].append(sample.message)
    return {thread: found for thread, found in threads.items() if len(found) > 1}


def _time(message: Message) -> datetime:
    assert message.created_at is not None
    return message.created_at


def test_there_are_enough_posts_of_every_kind(samples: list[LabelledSample]) -> None:
    assert len(samples) >= 300
    assert len({sample.industry for sample in samples}) == 10
    assert len({sample.message.channel for sample in samples}) >= 6
    assert {sample.message.visibility for sample in samples} == set(Visibility)
    assert len(_threads(samples)) >= 40


def test_every_label_occurs(samples: list[LabelledSample]) -> None:
    assert {sample.labels.intent for sample in samples} == {*Intent, None}
    assert {sample.labels.urgency for sample in samples} == {*UrgencyLevel, None}
    assert {sample.labels.sentiment for sample in samples} == {*SentimentLabel, None}


def test_labels_are_all_there_or_all_open(samples: list[LabelledSample]) -> None:
    half = [
        sample.message.id
        for sample in samples
        if sample.labels != Labels()
        and None in (sample.labels.intent, sample.labels.urgency, sample.labels.sentiment)
    ]
    assert half == []


def test_praise_and_chatter_need_no_answer(samples: list[LabelledSample]) -> None:
    urgent = [
        sample.message.id
        for sample in samples
        if sample.labels.intent in (Intent.PRAISE, Intent.CHATTER)
        and sample.labels.urgency is not UrgencyLevel.NONE
    ]
    assert urgent == []


def test_an_empty_text_has_no_labels(samples: list[LabelledSample]) -> None:
    empty = [sample for sample in samples if not sample.message.text.strip()]
    assert [sample.labels for sample in empty] == [Labels()]


def test_posts_have_their_columns_and_no_other() -> None:
    with sample_path("posts.jsonl") as path:
        rows: list[dict[str, Any]] = [
            json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()
        ]
    expected = [*INBOX_COLUMNS, "industry", "intent", "urgency", "sentiment"]
    assert {tuple(row) for row in rows} == {tuple(expected)}


def test_ids_and_texts_are_unique(messages: list[Message]) -> None:
    assert [key for key, count in Counter(m.id for m in messages).items() if count > 1] == []
    texts = Counter(" ".join(message.text.lower().split()) for message in messages)
    assert [text for text, count in texts.items() if count > 1] == []


def test_posts_arrive_in_order_within_two_days(messages: list[Message]) -> None:
    times = [_time(message) for message in messages]
    assert times == sorted(times)
    assert datetime(2026, 11, 23, tzinfo=UTC) <= times[0]
    assert times[-1] < datetime(2026, 11, 25, tzinfo=UTC)


def test_times_carry_more_than_one_offset(messages: list[Message]) -> None:
    assert len({_time(message).utcoffset() for message in messages}) > 1


def test_a_thread_is_of_one_author_and_brand(samples: list[LabelledSample]) -> None:
    for thread, found in _threads(samples).items():
        assert 2 <= len(found) <= 4, thread
        assert len({(message.author, message.brand, message.channel) for message in found}) == 1
        assert all(_time(first) < _time(second) for first, second in pairwise(found)), thread


def test_no_thread_has_a_single_message(samples: list[LabelledSample]) -> None:
    named = {sample.message.thread for sample in samples} - {None}
    assert named == set(_threads(samples))


def test_brands_are_those_of_the_readme(samples: list[LabelledSample]) -> None:
    used = {(sample.message.brand, sample.industry) for sample in samples}
    assert used == {(brand, industry) for brand, (_, industry) in _brands().items()}


def test_handles_are_of_fictional_brands_and_users(messages: list[Message]) -> None:
    brands = {handle.removeprefix("@").lower() for handle, _ in _brands().values()}
    authors = {str(message.author).lower() for message in messages}
    found = {handle.lower() for message in messages for handle in HANDLE.findall(message.text)}
    assert found - brands - authors == set()
    assert found & brands == brands


def test_domains_are_reserved_ones(messages: list[Message]) -> None:
    texts = [f"{message.author} {message.text}" for message in messages]
    domains = {domain for text in texts for domain in DOMAIN.findall(text)}
    assert domains != set()
    assert [domain for domain in domains if not RESERVED.fullmatch(domain)] == []


def test_phone_numbers_are_fictional_ones(messages: list[Message]) -> None:
    numbers = [number for message in messages for number in LONG_NUMBER.findall(message.text)]
    assert numbers != []
    assert [number for number in numbers if not re.fullmatch(r"555-01\d\d", number)] == []


def test_the_readme_counts_what_is_there(samples: list[LabelledSample]) -> None:
    counted = [[field, word, str(count)] for field, word, count in _counts(samples)]
    assert _rows_under("Counts") == counted


def test_the_inbox_is_a_part_of_the_posts(
    inbox: list[dict[str, str]], messages: list[Message]
) -> None:
    by_id = {message.id: message for message in messages}
    assert len(inbox) == 60
    for row in inbox:
        message = by_id[row["id"]]
        assert list(row) == INBOX_COLUMNS
        assert row["text"] == message.text
        assert row["channel"] == message.channel
        assert row["visibility"] == message.visibility
        assert (row["brand"], row["author"]) == (message.brand, message.author)
        assert row["reach"] == ("" if message.reach is None else str(message.reach))
        assert row["thread"] == (message.thread or "")
        assert datetime.fromisoformat(row["created_at"]) == message.created_at


def test_the_inbox_is_six_hours_old_at_most(inbox: list[dict[str, str]]) -> None:
    ages = [NOW - datetime.fromisoformat(row["created_at"]) for row in inbox]
    assert timedelta(minutes=2) <= min(ages)
    assert max(ages) <= timedelta(hours=6)


def test_the_inbox_has_something_of_everything(
    inbox: list[dict[str, str]], samples: list[LabelledSample]
) -> None:
    open_ids = {row["id"] for row in inbox}
    labels = [sample.labels for sample in samples if sample.message.id in open_ids]
    urgency = Counter(label.urgency for label in labels)
    assert urgency[UrgencyLevel.CRITICAL] >= 3
    assert urgency[UrgencyLevel.HIGH] >= 5
    assert {label.intent for label in labels} == {*Intent, None}
    repeats = Counter(row["thread"] for row in inbox if row["thread"])
    assert sum(count > 1 for count in repeats.values()) >= 2
    assert sum(not row["text"].strip() for row in inbox) == 1
    assert any(
        sample.labels.intent is Intent.OPINION and (sample.message.reach or 0) > 10_000
        for sample in samples
        if sample.message.id in open_ids
    )


@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_a_sample_file_has_a_path(name: str) -> None:
    with sample_path(name) as path:
        assert path.name == name
        assert path.is_file()


def test_another_file_is_no_sample() -> None:
    expected = "'posts.csv' is not a sample file; use one of posts.jsonl, inbox.csv"
    with pytest.raises(UsageError, match=expected), sample_path("posts.csv"):
        pass
