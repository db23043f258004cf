"""How a ranked list is shown: a table on a terminal, plain lines in a pipe, JSON and CSV."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from replyrank.data.messages import Message
from replyrank.data.readers import Added
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.policy import Policy
from replyrank.pipeline.rank import RankedItem
from replyrank.pipeline.score_columns import score_columns

_EXCERPT: Final = 100
_DECIMALS: Final = 6
_CSV_COLUMNS: Final = (
    *("rank", "index", "due", "id", "channel", "author", "created_at", "messages"),
    *("age_minutes", "guarded", "reason", "text"),
)


@dataclass(frozen=True)
class Ranking:
    """A ranked list with what it was made from."""

    items: Sequence[RankedItem]
    #: n messages and their n scores, in the order of the input
    messages: Sequence[Message]
    scores: ScoreBatch
    policy: Policy
    #: rows of the input that could not be read
    rejected: int
    #: in which due times are shown
    zone: tzinfo

    def first(self, item: RankedItem) -> Message:
        """The message that an item began with."""
        return self.messages[item.rows[0]]

    def latest(self, item: RankedItem) -> Message:
        """The message that an agent answers to."""
        return self.messages[item.rows[-1]]


def excerpt(text: str, width: int = _EXCERPT) -> str:
    """A text on one line, without what could steer a terminal, cut to ``width`` characters."""
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    line = " ".join(visible.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def table(ranking: Ranking, console: Console) -> None:
    """Show the list on a terminal, each reason under its message."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0), expand=True)
    shown.add_column("rank", justify="right", style="bold")
    shown.add_column("index", justify="right")
    shown.add_column("due", no_wrap=True)
    shown.add_column("id", overflow="fold")
    shown.add_column("message", ratio=1)
    for item in ranking.items:
        shown.add_row(
            str(item.rank),
            f"{item.index:.2f}",
            _moment(item.due, ranking.zone),
            Text(excerpt(_label(item))),
            # Text objects: brackets in a message are no markup.
            Text(excerpt(ranking.latest(item).text, 2 * _EXCERPT)).append(
                f"\n{item.reason}", style="dim"
            ),
        )
    console.print(shown)


def lines(ranking: Ranking) -> Iterator[str]:
    """The list as plain text, two lines an item."""
    for item in ranking.items:
        head = f"{item.rank:>3}  {item.index:>6.2f}  due {_moment(item.due, ranking.zone)}"
        yield f"{head}  {excerpt(_label(item))}  {excerpt(ranking.latest(item).text)}"
        yield f"     {excerpt(item.reason, 10 * _EXCERPT)}"


def as_json(ranking: Ranking) -> str:
    """The list as one JSON document, with every message and its scores."""
    columns = score_columns(ranking.scores)
    document = {
        "policy": ranking.policy.name,
        "policy_fingerprint": ranking.policy.fingerprint,
        "model": ranking.scores.model,
        "rejected": ranking.rejected,
        "items": [_item(ranking, item, columns) for item in ranking.items],
    }
    return json.dumps(document, ensure_ascii=True, indent=2)


def as_csv(ranking: Ranking) -> str:
    """The list as CSV, one row an item, with the text of its latest message."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_CSV_COLUMNS)
    for item in ranking.items:
        first = ranking.first(item)
        rows.writerow(
            [
                item.rank,
                round(item.index, _DECIMALS),
                item.due.astimezone(ranking.zone).isoformat(timespec="seconds"),
                item.id,
                first.channel or "",
                first.author or "",
                first.created_at.isoformat() if first.created_at is not None else "",
                len(item.rows),
                round(item.age_minutes, 1),
                str(item.guarded).lower(),
                item.reason,
                ranking.latest(item).text,
            ]
        )
    return out.getvalue()


def _label(item: RankedItem) -> str:
    more = len(item.rows) - 1
    return f"{item.id} (+{more})" if more else item.id


def _moment(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _item(ranking: Ranking, item: RankedItem, columns: Added) -> dict[str, object]:
    return {
        "rank": item.rank,
        "id": item.id,
        "index": round(item.index, _DECIMALS),
        "due": item.due.astimezone(ranking.zone).isoformat(timespec="seconds"),
        "age_minutes": round(item.age_minutes, 1),
        "guarded": item.guarded,
        "reason": item.reason,
        "posterior": {
            name.value: round(p, _DECIMALS)
            for name, p in zip(POLICY_CLASSES, item.posterior, strict=True)
        },
        "messages": [
            {
                **_message(ranking.messages[row]),
                **{name: values[row] for name, values in columns.items()},
            }
            for row in item.rows
        ],
    }


def _message(message: Message) -> dict[str, object]:
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        # The scores say which language was found.
        if value is not None and name != "language"
    }
