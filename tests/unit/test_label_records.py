"""What crosses from the service to training: one line a label or a deletion."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from replyrank.data.label_records import (
    Deletion,
    LabelRecord,
    ModelSaid,
    format_record,
    parse_record,
)
from replyrank.data.messages import Labels
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel

GOLDEN = Path(__file__).parents[1] / "golden" / "label_records.jsonl"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)

RECORDS = (
    LabelRecord(
        brand="oakbasket",
        channel=Channel.TWITTER,
        external_id="17",
        text="where's my parcel?\u2028 größe 😀",
        intent=Intent.SUPPORT_REQUEST,
        urgency_level=UrgencyLevel.LOW,
        sentiment_label=SentimentLabel.NEUTRAL,
        labelled_by="ann",
        labelled_at=NOON,
        said=ModelSaid(
            model="minilm-l6-0.2",
            intent=Intent.OPINION,
            urgency_level=UrgencyLevel.NONE,
            sentiment_label=SentimentLabel.NEGATIVE,
        ),
    ),
    LabelRecord(text="thanks", intent=Intent.PRAISE),
    Deletion(
        kind="deletion",
        brand="oakbasket",
        channel=Channel.TWITTER,
        external_id="17",
        deleted_at=NOON,
    ),
)


def test_records_are_what_the_golden_file_has() -> None:
    lines = GOLDEN.read_text(encoding="utf-8").split("\n")
    assert [format_record(record) for record in RECORDS] == lines[:-1]
    assert [parse_record(line) for line in lines[:-1]] == list(RECORDS)


def test_labels_and_keys() -> None:
    first, second, deletion = RECORDS
    assert isinstance(first, LabelRecord)
    assert isinstance(second, LabelRecord)
    assert first.labels == Labels(
        intent=Intent.SUPPORT_REQUEST, urgency=UrgencyLevel.LOW, sentiment=SentimentLabel.NEUTRAL
    )
    assert second.labels == Labels(intent=Intent.PRAISE)
    assert first.message_key == deletion.message_key == ("oakbasket", "twitter", "17")
    # Without an id a message is known by its text, white space and entities apart.
    assert second.message_key == LabelRecord(text=" thanks ", intent=None).message_key
    assert second.message_key != LabelRecord(text="Thanks", intent=None).message_key


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "schema_version is None and this replyrank reads 1"),
        ('{"schema_version": 2}', "schema_version is 2 and this replyrank reads 1"),
        ('{"schema_version":1,"kind":"label"}', "text: Field required"),
        (
            '{"schema_version":1,"kind":"label","text":"a","intent":"x","other":1}',
            "intent 'x': Input should be 'support_request', 'praise', 'opinion' or 'chatter'; "
            "other '1': Extra inputs are not permitted",
        ),
        ('{"schema_version":1,"kind":"label","text":"a","urgency_level":"soon"}', "'soon'"),
        (
            '{"schema_version":1,"kind":"deletion","external_id":"1",'
            '"deleted_at":"2024-01-01T00:00:00"}',
            "deleted_at '2024-01-01T00:00:00': Value error, has no time zone",
        ),
        ('{"schema_version":1,"kind":"what"}', "'label', 'deletion'"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line: str, reason: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  the words are what is tested
        parse_record(line)
    assert reason in str(error.value)
