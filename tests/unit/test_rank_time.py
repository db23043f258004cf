"""The time at which messages are ranked: given, of the clock, or of the latest message."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from replyrank.data.errors import UsageError
from replyrank.data.messages import Message
from replyrank.pipeline.rank import rank
from tests.ranking import DEFAULT, NOW, message_at, need_row, policy_with, scores_of


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"now": NOW.replace(tzinfo=None)},
            "the time 2025-06-04T12:00:00 has no time zone; give one, such as +00:00",
        ),
        (
            {"now": NOW, "replay": True},
            "replay ranks at the latest created_at, not at 2025-06-04T12:00:00+00:00; give one",
        ),
        (
            {"replay": True},
            "replay needs a created_at, and no message has one; give a time instead",
        ),
    ],
)
def test_a_time_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        rank([Message(text="a")], scores_of([need_row(support=1)]), DEFAULT, **changes)
    assert str(caught.value) == said


def test_replay_ranks_at_the_latest_message_and_the_clock_otherwise() -> None:
    messages = [message_at("a", 90), message_at("b", 30), Message(text="c")]
    scores = scores_of([need_row(support=1)] * 3)
    ages = {item.id: item.age_minutes for item in rank(messages, scores, DEFAULT, replay=True)}
    assert ages == {"a": 60, "b": 0, "row 3": 0}
    fresh = Message(text="x", created_at=datetime.now(UTC) - timedelta(minutes=5))
    (item,) = rank([fresh], scores_of([need_row(support=1)]), DEFAULT)
    assert item.age_minutes == pytest.approx(5, abs=0.5)


def test_replay_passes_over_times_that_the_clock_has_not_reached() -> None:
    years = timedelta(days=3000)
    mistyped = Message(text="x", id="x", created_at=datetime.now(UTC) + years)
    messages = [message_at("a", 90), message_at("b", 30), mistyped]
    scores = scores_of([need_row(support=1)] * 3)
    items = {item.id: item for item in rank(messages, scores, DEFAULT, replay=True)}
    assert {key: item.age_minutes for key, item in items.items()} == {"a": 60, "b": 0, "x": 0}
    assert "arrival in the future, counted as now" in items["x"].reason
    later = Message(text="y", id="y", created_at=datetime.now(UTC) + years + timedelta(hours=1))
    items = {
        item.id: item
        for item in rank(
            [mistyped, later], scores_of([need_row(support=1)] * 2), DEFAULT, replay=True
        )
    }
    ages = {key: item.age_minutes for key, item in items.items()}
    assert ages == pytest.approx({"x": 60, "y": 0}, abs=0.1)


def test_an_absurd_date_does_not_stop_the_ranking() -> None:
    ancient = Message(text="a", created_at=datetime(1, 1, 2, tzinfo=UTC))
    policy = policy_with(calendar={"always_open": False})
    (item,) = rank([ancient], scores_of([need_row(support=1)]), policy, NOW)
    assert item.due < NOW
    assert item.age_minutes > 0
