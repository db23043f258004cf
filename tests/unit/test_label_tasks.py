"""Messages go to Label Studio and come back as labels."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

from replyrank.data.label_records import LabelRecord
from replyrank.data.messages import Message
from replyrank.data.vocabulary import Channel
from replyrank.pipeline.label_tasks import CONTROLS, label_tasks, labelling_config
from replyrank.training.label_files import Incoming, LabelFileOptions, read_label_file
from tests.fakes import FakeScorer

MESSAGES = [
    Message(
        text="where is my parcel",
        id="17",
        brand="oakbasket",
        channel=Channel.TWITTER,
        author="ann",
        created_at=datetime(2026, 3, 4, 12, tzinfo=UTC),
    ),
    Message(text="thanks"),
]


def test_tasks_hold_the_message_without_its_author_and_what_the_model_says() -> None:
    first, second = list(label_tasks(MESSAGES, FakeScorer()))
    assert first["data"] == {
        "text": "where is my parcel",
        "external_id": "17",
        "brand": "oakbasket",
        "channel": "twitter",
        "created_at": "2026-03-04T12:00:00+00:00",
    }
    assert second["data"] == {"text": "thanks"}
    (prediction,) = cast("list[dict[str, Any]]", first["predictions"])
    score = FakeScorer().score(["where is my parcel"])[0]
    assert prediction["model_version"] == "fake-1.0"
    assert prediction["score"] == round(max(score.p_intent), 6)
    chosen = {part["from_name"]: part["value"]["choices"] for part in prediction["result"]}
    assert chosen == {
        "intent": [score.intent],
        "urgency": [score.urgency_level.label],
        "sentiment": [score.sentiment_label],
    }
    assert len({part["id"] for part in prediction["result"]}) == 3


def test_many_messages_keep_their_order() -> None:
    scorer = FakeScorer()
    many = [Message(text=f"message {n}") for n in range(2_500)]
    found = [cast("dict[str, str]", task["data"])["text"] for task in label_tasks(many, scorer)]
    assert found == [message.text for message in many]
    assert [len(texts) for texts in scorer.seen] == [1024, 1024, 452]


def test_the_config_offers_the_words_of_the_vocabulary() -> None:
    view = ET.fromstring(labelling_config())  # noqa: S314  our own
    assert [part.get("value") for part in view.iter("Text")] == ["$text"]
    offered = {
        part.get("name"): tuple(choice.get("value") for choice in part)
        for part in view.iter("Choices")
    }
    assert offered == CONTROLS


def test_a_prediction_that_is_accepted_comes_back_as_a_label(tmp_path: Path) -> None:
    exported: list[dict[str, Any]] = []
    for task in label_tasks(MESSAGES[:1], FakeScorer()):
        (prediction,) = cast("list[dict[str, Any]]", task["predictions"])
        annotation = {
            "completed_by": {"id": 1, "email": "ann@x.test"},
            "created_at": "2026-03-05T12:00:00Z",
            "result": prediction["result"],
        }
        exported.append({**task, "annotations": [annotation]})
    path = tmp_path / "export.json"
    path.write_text(json.dumps(exported))
    (item,) = read_label_file(path, LabelFileOptions())
    assert isinstance(item, Incoming)
    score = FakeScorer().score([MESSAGES[0].text])[0]
    assert item.record == LabelRecord(
        brand="oakbasket",
        channel=Channel.TWITTER,
        external_id="17",
        text="where is my parcel",
        intent=score.intent,
        urgency_level=score.urgency_level,
        sentiment_label=score.sentiment_label,
        labelled_by="ann@x.test",
        labelled_at=datetime(2026, 3, 5, 12, tzinfo=UTC),
    )
