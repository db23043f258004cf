"""What agents say of messages, and what is forgotten of a person."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from replyrank.data.label_records import Deletion, LabelRecord, ModelSaid, Record, format_record
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import (
    INTENTS,
    SENTIMENT_LABELS,
    URGENCY_LEVELS,
    Channel,
    Intent,
    SentimentLabel,
    UrgencyLevel,
)
from replyrank.models.joint import intents, levels
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.reading import probabilities
from replyrank.serving.queue.schema import (
    EventKind,
    correction,
    event,
    item,
    item_key,
    message,
    tombstone,
)
from replyrank.serving.queue.statements import insert_new
from replyrank.serving.queue.store import remove_items
from replyrank.serving.queue.weighing import Weighing

#: what stands as the model of a message that a person labelled
PERSON: Final = "person"


@dataclass(frozen=True, slots=True)
class Labelling:
    """Labels that a person gives to a message; None: not said."""

    brand: str
    channel: str
    external_id: str
    intent: Intent | None
    urgency: UrgencyLevel | None
    sentiment: SentimentLabel | None
    by: str | None
    #: of whoever says so; None may label every team's messages
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed of a person."""

    messages: int
    items: int
    corrections: int


def correct(database: Database, labelling: Labelling, weighing: Weighing) -> int | None:
    """Keep a person's labels of a message, and let its item rank by them.

    Returns:
        the item; None if there is no such message.
    """
    with database.write() as connection:
        row = connection.execute(select(message).where(_is(labelling))).mappings().one_or_none()
        if row is None:
            return None
        now = database.now(connection)
        record = LabelRecord(
            brand=labelling.brand,
            channel=Channel(labelling.channel),
            external_id=labelling.external_id,
            text=row["text"] or "\ufffd",
            intent=labelling.intent,
            urgency_level=labelling.urgency,
            sentiment_label=labelling.sentiment,
            labelled_by=labelling.by,
            labelled_at=datetime.fromtimestamp(now / 1_000, UTC),
            said=_said(row),
        )
        _keep(connection, record)
        connection.execute(
            update(message).where(message.c.seq == row["seq"]).values(_labelled(row, labelling))
        )
        number: int = row["item"]
        weighing.write(connection, {number})
        connection.execute(
            insert(event).values(item=number, kind=EventKind.CORRECTED, at=now, actor=labelling.by)
        )
        return number


def corrections(database: Database, after: int, limit: int) -> Iterator[tuple[int, str]]:
    """Records after a number, in order, each with its own: labels, and what to forget."""
    with database.read() as connection:
        query = (
            select(correction.c.seq, correction.c.record)
            .where(correction.c.seq > after)
            .order_by(correction.c.seq)
            .limit(limit)
        )
        for row in connection.execute(query).all():
            yield row.seq, row.record


def forget(
    database: Database, author: str, *, brand: str | None = None, channel: str | None = None
) -> Forgotten:
    """Remove every message of an author, with what was said of it.

    Ids remain as tombstones, so that a platform that sends the message again does not bring it
    back, and a deletion record tells training to drop the text.
    """
    wanted = [message.c.author == author]
    wanted += [] if brand is None else [message.c.brand == brand]
    wanted += [] if channel is None else [message.c.channel == channel]
    with database.write() as connection:
        now = database.now(connection)
        rows = connection.execute(select(message).where(and_(*wanted))).mappings().all()
        removed = 0
        for row in rows:
            removed += _forget_labels(connection, row, now)
            key = {name: row[name] for name in ("brand", "channel", "external_id")}
            insert_new(connection, tombstone, {**key, "at": now})
        seqs = [row["seq"] for row in rows]
        connection.execute(delete(message).where(message.c.seq.in_(seqs)))
        emptied = _without(connection, {row["item"] for row in rows}, now)
        return Forgotten(len(rows), emptied, removed)


def _without(connection: Connection, items: set[int], now: int) -> int:
    """Put items right that lost messages; returns how many had no other and went."""
    left = {
        row.item: row
        for row in connection.execute(
            select(
                message.c.item,
                func.count().label("count"),
                func.min(message.c.arrived_at).label("first"),
                func.max(message.c.seq).label("latest"),
            )
            .where(message.c.item.in_(items))
            .group_by(message.c.item)
        )
    }
    empty = sorted(items - left.keys())
    if empty:
        remove_items(connection, empty)
    for number, row in left.items():
        connection.execute(
            update(item)
            .where(item.c.id == number)
            .values(messages=row.count, age_from=row.first, latest=row.latest, preferred_agent=None)
        )
        # No later message of that author may be tied to what others wrote.
        connection.execute(delete(item_key).where(item_key.c.item == number))
    rows = [{"item": number, "kind": EventKind.FORGOTTEN, "at": now} for number in sorted(items)]
    if rows:
        connection.execute(insert(event), rows)
    return len(empty)


def _forget_labels(connection: Connection, row: Any, now: int) -> int:
    """Take the labels of a message out, and leave a record that says so; returns how many."""
    same = and_(
        correction.c.brand == row["brand"],
        correction.c.channel == row["channel"],
        correction.c.external_id == row["external_id"],
    )
    removed = connection.execute(delete(correction).where(same)).rowcount
    _keep(
        connection,
        Deletion(
            kind="deletion",
            brand=row["brand"],
            channel=Channel(row["channel"]),
            external_id=row["external_id"],
            deleted_at=datetime.fromtimestamp(now / 1_000, UTC),
            text_keys=(text_key(row["text"]),),
        ),
    )
    return int(removed)


def _keep(connection: Connection, record: Record) -> None:
    connection.execute(
        insert(correction).values(
            brand=record.brand,
            channel=record.channel,
            external_id=record.external_id,
            record=format_record(record),
        )
    )


def _is(labelling: Labelling) -> Any:
    of_team = select(item.c.id).where(item.c.team == labelling.team)
    return and_(
        *([] if labelling.team is None else [message.c.item.in_(of_team)]),
        message.c.brand == labelling.brand,
        message.c.channel == labelling.channel,
        message.c.external_id == labelling.external_id,
    )


def _said(row: Any) -> ModelSaid | None:
    """What the model had said; nothing where none had, or a person labelled it before."""
    need, sentiment = probabilities(row["need"]), probabilities(row["sentiment"])
    if need is None or sentiment is None or row["model"] == PERSON:
        return None
    return ModelSaid(
        model=row["model"],
        intent=INTENTS[int(intents(need[None]).argmax())],
        urgency_level=URGENCY_LEVELS[int(levels(need[None]).argmax())],
        sentiment_label=SENTIMENT_LABELS[int(sentiment.argmax())],
    )


def _labelled(row: Any, labelling: Labelling) -> dict[str, object]:
    """Probabilities that agree with a person's labels; what he does not say stays in proportion."""
    need, sentiment = probabilities(row["need"]), probabilities(row["sentiment"])
    cells = np.full(16, 1 / 16) if need is None else need.astype(np.float64)
    moods = np.full(3, 1 / 3) if sentiment is None else sentiment.astype(np.float64)
    grid = cells.reshape(len(INTENTS), len(URGENCY_LEVELS)) + 1e-9
    allowed = np.zeros_like(grid)
    which = slice(None) if labelling.intent is None else INTENTS.index(labelling.intent)
    level = slice(None) if labelling.urgency is None else labelling.urgency.value
    allowed[which, level] = 1
    grid = grid * allowed
    if labelling.sentiment is not None:
        moods = np.eye(3)[SENTIMENT_LABELS.index(labelling.sentiment)]
    return {
        "need": (grid / grid.sum()).astype(np.float32).tobytes(),
        "sentiment": (moods / moods.sum()).astype(np.float32).tobytes(),
        "model": PERSON,
        "review": None,
        "provisional": False,
    }


def export_lines(database: Database, after: int = 0) -> Iterator[str]:
    """All records after a number, as lines of JSON."""
    while True:
        found = list(corrections(database, after, 1_000))
        if not found:
            return
        for seq, record in found:
            after = seq
            yield json.dumps(json.loads(record), ensure_ascii=False, sort_keys=True)
