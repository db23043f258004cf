"""What agents say of messages, and what is forgotten of a person."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from replyrank.data.label_records import Deletion, LabelRecord, ModelSaid, Record, format_record
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import (
    INTENTS,
    NEED_CELLS,
    SENTIMENT_LABELS,
    URGENCY_LEVELS,
    Channel,
    Intent,
    SentimentLabel,
    UrgencyLevel,
)
from replyrank.models.joint import intents, levels, stated
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.from_rows import probabilities
from replyrank.serving.queue.schema import (
    EventKind,
    correction,
    event,
    item,
    item_key,
    message,
    tombstone,
)
from replyrank.serving.queue.statements import insert_new, insert_rows
from replyrank.serving.queue.store import remove_items
from replyrank.serving.queue.weighing import Weighing, hold_items

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
        found = connection.execute(select(message.c.item).where(_is(labelling))).scalar()
        if found is None or not hold_items(connection, [found]):
            return None
        query = select(message).where(_is(labelling)).with_for_update()
        row = connection.execute(query).mappings().one_or_none()
        if row is None or row["item"] != found:
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
        _keep(connection, record, row["author"])
        values = _labelled(row, labelling, weighing)
        connection.execute(update(message).where(message.c.seq == row["seq"]).values(values))
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
            .where(correction.c.seq > after, database.settled(correction))
            .order_by(correction.c.seq)
            .limit(limit)
        )
        for row in connection.execute(query).all():
            yield row.seq, row.record


def forget(
    database: Database,
    author: str,
    weighing: Weighing,
    *,
    brand: str | None = None,
    channel: str | None = None,
) -> Forgotten:
    """Remove every message of an author, with what was said of it.

    Ids remain as tombstones, so that a platform that sends the message again does not bring it
    back, and a deletion record tells training to drop the text.

    Args:
        database: of the queue.
        author: as the platform has it.
        weighing: of items that others wrote to as well.
        brand: of this brand alone.
        channel: on this channel alone.

    Raises:
        StoreError: if all was removed, but a file may still hold copies.
    """

    def of(table: Table) -> ColumnElement[bool]:
        wanted = [table.c.author == author]
        wanted += [] if brand is None else [table.c.brand == brand]
        wanted += [] if channel is None else [table.c.channel == channel]
        return and_(*wanted)

    with database.write() as connection:
        brands = connection.execute(select(message.c.brand).where(of(message)).distinct())
        # Nothing of his can come in meanwhile, and no item can grow.
        database.lock_brands(connection, brands.scalars().all())
        now = database.now(connection)
        items = select(message.c.item).where(of(message)).distinct()
        held = hold_items(connection, connection.execute(items).scalars())
        columns = [message.c[name] for name in ("brand", "channel", "external_id", "text")]
        rows = connection.execute(select(*columns).where(of(message))).all()
        keys = {(row.brand, row.channel, row.external_id): row.text for row in rows}
        labels = connection.execute(select(correction).where(of(correction))).all()
        for row in labels:
            # The message itself may be gone by age.
            text = json.loads(row.record).get("text")
            keys.setdefault((row.brand, row.channel, row.external_id), text)
        removed = connection.execute(delete(correction).where(of(correction))).rowcount
        for key, text in keys.items():
            _bury(connection, key, text, now)
        connection.execute(delete(message).where(of(message)))
        emptied = _without(connection, held, weighing, now)
    database.scrub()
    return Forgotten(len(rows), emptied, int(removed))


def _without(connection: Connection, items: set[int], weighing: Weighing, now: int) -> int:
    """Put items right that lost messages; returns how many had no other and went."""
    count = select(message.c.item, func.min(message.c.seq).label("first"), func.sum(
        case((message.c.is_copy, 0), else_=1)).label("own"))  # fmt: skip
    of = count.where(message.c.item.in_(items)).group_by(message.c.item)
    left = {row.item: row for row in connection.execute(of)}
    empty = sorted(items - left.keys())
    if empty:
        remove_items(connection, empty)
    # Where only copies are left, the first of them stands for the others.
    first = [row.first for row in left.values() if not row.own]
    connection.execute(update(message).where(message.c.seq.in_(first)).values(is_copy=False))
    # No later message of that author may be tied to what others wrote.
    connection.execute(delete(item_key).where(item_key.c.item.in_(items)))
    connection.execute(update(item).where(item.c.id.in_(left)).values(preferred_agent=None))
    weighing.write(connection, left)
    rows = [{"item": number, "kind": EventKind.FORGOTTEN, "at": now} for number in sorted(items)]
    insert_rows(connection, event, rows)
    return len(empty)


def _bury(connection: Connection, key: tuple[str, str, str], text: str | None, now: int) -> None:
    """Leave the id of a message as a tombstone, and a record that says so."""
    brand, channel, external_id = key
    row = {"brand": brand, "channel": channel, "external_id": external_id, "at": now}
    insert_new(connection, tombstone, row)
    deletion = Deletion(
        kind="deletion",
        brand=brand,
        channel=Channel(channel),
        external_id=external_id,
        deleted_at=datetime.fromtimestamp(now / 1_000, UTC),
        text_keys=() if text is None else (text_key(text),),
    )
    _keep(connection, deletion, None)


def _keep(connection: Connection, record: Record, author: str | None) -> None:
    connection.execute(
        insert(correction).values(
            author=author,
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


def _labelled(row: Any, labelling: Labelling, weighing: Weighing) -> dict[str, object]:
    """Probabilities that agree with a person's labels."""
    need, sentiment = probabilities(row["need"]), probabilities(row["sentiment"])
    cells = np.full(NEED_CELLS, 1 / NEED_CELLS) if need is None else need.astype(np.float64)
    moods = np.full(3, 1 / 3) if sentiment is None else sentiment.astype(np.float64)
    intent = None if labelling.intent is None else INTENTS.index(labelling.intent)
    level = None if labelling.urgency is None else labelling.urgency.value
    if labelling.sentiment is not None:
        moods = np.eye(3)[SENTIMENT_LABELS.index(labelling.sentiment)]
    return {
        "need": stated(cells, intent, level, weighing.cells).astype(np.float32).tobytes(),
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
