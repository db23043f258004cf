"""What a ranked list looks like in each form, and that a message cannot steer a terminal."""

import csv
import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rich.console import Console

from replyrank.data.messages import Message
from replyrank.data.vocabulary import NEED_CELLS, SCORE_COLUMNS, Channel, Review
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.rank import rank
from replyrank.serving.ranking_view import Ranking, as_csv, as_json, excerpt, lines, table

NOW = datetime(2025, 3, 14, 12, 0, tzinfo=UTC)
MESSAGES = [
    Message(text="Lovely staff, thanks", id="m1", channel=Channel.TWITTER, created_at=NOW),
    Message(
        text="My card was stolen [bold]help[/bold]",
        id="m2",
        author="ann",
        channel=Channel.CHAT,
        created_at=datetime(2025, 3, 14, 11, 59, tzinfo=UTC),
    ),
]
#: m1 is surely praise at level none, m2 surely a support request at level critical
CELLS = (4, 3)


def _scores() -> ScoreBatch:
    need = np.zeros((2, NEED_CELLS))
    need[[0, 1], CELLS] = 1.0
    sentiment = np.array([[0.0, 0.1, 0.9], [0.7, 0.3, 0.0]])
    return ScoreBatch(need, sentiment, ("en", "en"), (None, Review.LOW_CONFIDENCE), "m-1.0")


@pytest.fixture
def ranking() -> Ranking:
    policy, scores = load_policy(), _scores()
    items = rank(MESSAGES, scores, policy, NOW)
    return Ranking(items, MESSAGES, scores, policy, 3, ZoneInfo("Europe/London"))


def test_lines_show_place_due_time_and_reason(ranking: Ranking) -> None:
    shown = list(lines(ranking))
    urgent, praise = ranking.items
    assert shown[0] == (
        f"  1  {urgent.index:>6.2f}  due 2025-03-14 12:00 GMT  m2  "
        "My card was stolen [bold]help[/bold]"
    )
    assert shown[1] == f"     {urgent.reason}"
    assert shown[2].startswith(f"  2  {praise.index:>6.2f}  due 2025-03-14")
    assert shown[2].endswith("m1  Lovely staff, thanks")
    assert len(shown) == 4


def test_json_has_every_message_with_all_its_scores(ranking: Ranking) -> None:
    document = json.loads(as_json(ranking))
    assert document["policy"] == "default"
    assert document["policy_fingerprint"] == load_policy().fingerprint
    assert (document["model"], document["rejected"]) == ("m-1.0", 3)
    first, second = document["items"]
    assert (first["rank"], first["id"], second["rank"], second["id"]) == (1, "m2", 2, "m1")
    assert first["posterior"]["critical"] == pytest.approx(1.0, abs=1e-5)
    (message,) = first["messages"]
    assert set(SCORE_COLUMNS) <= set(message)
    assert message["text"] == MESSAGES[1].text
    assert (message["intent"], message["urgency_level"]) == ("support_request", "critical")
    assert (message["urgency"], message["sentiment"]) == (1.0, -0.7)
    assert (message["review"], message["author"]) == ("low_confidence", "ann")
    assert message["created_at"] == "2025-03-14T11:59:00+00:00"


def test_csv_has_one_row_an_item(ranking: Ranking) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(ranking))))
    assert [(row["rank"], row["id"], row["messages"]) for row in rows] == [
        ("1", "m2", "1"),
        ("2", "m1", "1"),
    ]
    assert float(rows[0]["index"]) == pytest.approx(ranking.items[0].index, abs=1e-6)
    assert rows[0]["reason"] == ranking.items[0].reason
    assert rows[0]["text"] == MESSAGES[1].text


def test_table_shows_brackets_of_a_message_as_they_are(ranking: Ranking) -> None:
    out = io.StringIO()
    table(ranking, Console(file=out, width=120, force_terminal=True, color_system=None))
    shown = out.getvalue()
    assert "[bold]help[/bold]" in shown
    assert shown.index("m2") < shown.index("m1")
    assert "pts/agent-min" in shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("a\nb\t c", 20, "a b c"),
        ("red \x1b[31malert\x07", 20, "red [31malert"),
        ("left\u202eright\u200b", 20, "left right"),
        ("lone \ud83d half", 20, "lone half"),
        ("caf\u00e9 \U0001f600", 20, "caf\u00e9 \U0001f600"),
        ("twelve chars", 12, "twelve chars"),
        ("thirteen char", 12, "thirteen ch…"),
        ("", 5, ""),
    ],
)
def test_an_excerpt_is_one_line_without_control_characters(
    text: str, width: int, shown: str
) -> None:
    assert excerpt(text, width) == shown
