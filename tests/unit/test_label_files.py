"""Labels of a team as exports write them."""

import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from replyrank.data.errors import UsageError
from replyrank.data.label_records import LabelRecord, Record, format_record
from replyrank.data.vocabulary import Channel, SentimentLabel, UrgencyLevel
from replyrank.training.label_files import (
    LabelFileOptions,
)
from replyrank.training.labelled import LabelledOptions, named_words
from tests.labels import (
    CHATTER,
    PRAISE,
    REQUEST,
    day,
    deletion,
    label,
    read,
    write,
)


def test_a_table(tmp_path: Path) -> None:
    table = write(
        tmp_path / "labels.csv",
        "id,text,intent,urgency,sentiment,channel,annotator,updated_at\n"
        "1,one,praise,0,positive,X,ann,2026-03-04T12:00:00Z\n"
        "2,two,complaint,,,,,\n"
        "3,,praise,,,,,\n"
        "4,four,,,,,,\n"
        "5,five,chatter,none,neutral,,,no time\n",
    )
    options = LabelFileOptions(brand="oakbasket", channel=Channel.EMAIL)
    first, *others = read(table, options)
    assert first == LabelRecord(
        brand="oakbasket",
        channel=Channel.TWITTER,
        external_id="1",
        text="one",
        intent=PRAISE,
        urgency_level=UrgencyLevel.NONE,
        sentiment_label=SentimentLabel.POSITIVE,
        labelled_by="ann",
        labelled_at=day(4),
    )
    assert [item[:1] for item in others if isinstance(item, tuple)] == [(3,), (4,), (5,), (6,)]
    reasons = [item[1] for item in others if isinstance(item, tuple)]
    assert reasons[0] == (
        "intent 'complaint' is not one; use support_request, praise, opinion, chatter"
    )
    assert reasons[1:3] == ["no text", "no label"]
    assert "no time" in reasons[3]


def test_a_teams_own_words(tmp_path: Path) -> None:
    table = write(tmp_path / "labels.csv", "text,Type,prio\na,Complaint!,P1\nb,praise,p1\n")
    words = named_words(["intent:complaint!=support_request", "urgency:P1=critical"])
    options = LabelledOptions(label_columns={"intent": "Type", "urgency": "prio"}, words=words)
    assert read(table, LabelFileOptions(options)) == [
        LabelRecord(text="a", intent=REQUEST, urgency_level=UrgencyLevel.CRITICAL),
        LabelRecord(text="b", intent=PRAISE, urgency_level=UrgencyLevel.CRITICAL),
    ]


@pytest.mark.parametrize(
    "given", ["intent", "intent:a", "intent:=praise", "mood:a=praise", "intent:a=kudos"]
)
def test_a_word_that_says_nothing_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match=f"--word {given!r}"):
        named_words([given])


def task(text: str, *annotations: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"id": 7, "data": {"text": text, **data}, "annotations": list(annotations)}


def annotation(intent: Sequence[str], by: object = 3, **more: object) -> dict[str, Any]:
    def chosen(name: str, words: Sequence[str]) -> dict[str, Any]:
        return {"from_name": name, "type": "choices", "value": {"choices": list(words)}}

    return {
        "completed_by": by,
        "created_at": "2026-03-04T12:00:00.123Z",
        "result": [chosen("intent", intent), {"type": "rating", "value": {"rating": 3}}],
        **more,
    }


def test_label_studio_tasks(tmp_path: Path) -> None:
    tasks = [
        task("one", annotation(["praise"], {"id": 1, "email": "ann@x.test"}), tweet_id="17"),
        task("two", annotation(["praise"], was_cancelled=True)),
        task("three", annotation(["praise", "chatter"])),
        task("four", annotation(["praise"]), annotation(["chatter"])),
        task("five"),
    ]
    assert read(write(tmp_path / "export.json", tasks)) == [
        LabelRecord(
            text="one",
            intent=PRAISE,
            external_id="17",
            labelled_by="ann@x.test",
            labelled_at=datetime(2026, 3, 4, 12, 0, 0, 123000, UTC),
        ),
        (2, "intent 'praise, chatter' is not one; use support_request, praise, opinion, chatter"),
        *(
            LabelRecord(
                text="four",
                intent=intent,
                labelled_by="3",
                labelled_at=datetime(2026, 3, 4, 12, 0, 0, 123000, UTC),
            )
            for intent in (PRAISE, CHATTER)
        ),
    ]


def test_label_studio_json_min(tmp_path: Path) -> None:
    rows = [
        {"text": "one", "intent": "praise", "annotator": 1, "updated_at": "2026-03-04T12:00:00Z"}
    ]
    assert read(write(tmp_path / "export.json", rows)) == [
        LabelRecord(text="one", intent=PRAISE, labelled_by="1", labelled_at=day(4))
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[{", "begins like a JSON array and is none"),
        ([task("a"), task("b")], "holds 2 tasks and no annotation"),
        ("text,mood\na,b\n", "has no label column"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, content: object, reason: str
) -> None:
    path = write(tmp_path / ("a.csv" if "mood" in str(content) else "a.json"), content)
    with pytest.raises(UsageError, match=reason):
        read(path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read(tmp_path / "absent.json")


def test_records_and_deletions(tmp_path: Path) -> None:
    records: list[Record] = [label("one", PRAISE, 4, "1"), deletion("2", 5)]
    lines = [format_record(record) for record in records]
    path = write(tmp_path / "new.jsonl", "\n".join([lines[0], "", "{", lines[1], ""]))
    found = read(path)
    assert found[0] == records[0]
    assert found[2] == records[1]
    line, reason = found[1] if isinstance(found[1], tuple) else (None, "")
    assert line == 3
    assert reason.startswith("not JSON")


def test_the_number_of_a_task_is_no_id_of_a_message(tmp_path: Path) -> None:
    row = {"id": 1, "annotation_id": 9, "text": "one", "intent": "praise", "lead_time": 2.5}
    (record,) = read(write(tmp_path / "export.json", [row]))
    assert isinstance(record, LabelRecord)
    assert record.external_id is None
    (record,) = read(write(tmp_path / "export.json", [{**row, "external_id": "17"}]))
    assert isinstance(record, LabelRecord)
    assert record.external_id == "17"


def test_what_a_model_said_in_a_tasks_data_is_no_label(tmp_path: Path) -> None:
    tasks = [
        task("one", annotation(["praise"]), sentiment_label="negative", urgency_level="critical")
    ]
    (record,) = read(write(tmp_path / "export.json", tasks))
    assert isinstance(record, LabelRecord)
    assert (record.intent, record.urgency_level, record.sentiment_label) == (PRAISE, None, None)


def test_packed_files_and_marks_of_order(tmp_path: Path) -> None:
    lines = "".join(f"{format_record(one)}\n" for one in (label("one", PRAISE), deletion("2", 5)))
    for name, content in (
        ("a.jsonl.gz", gzip.compress(lines.encode())),
        ("b.jsonl", b"\xef\xbb\xbf" + lines.encode()),
    ):
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == [label("one", PRAISE), deletion("2", 5)]
    rows = json.dumps([{"text": "one", "intent": "praise"}]).encode()
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(rows))
    assert read(tmp_path / "c.json.gz") == [label("one", PRAISE)]
