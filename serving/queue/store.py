"""The queue's transactions: every change of state is one, on one row, and says what it did.

    ingest -> WAITING -> claim -> LEASED -> finish -> ANSWERED or CLOSED
                 ^                   |
                 +-- release, expiry +

A claim raises the item's generation; whoever still holds an older one can do nothing any more.
Times come from the database. Order is not here: it is computed from the clock (``ranker``).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update
from sqlalchemy import delete as sql_delete

from replyrank.serving.queue.inbound import Inbound, Keys, keys_of
from replyrank.serving.queue.items import (
    Changes,
    Receipt,
    Received,
    Said,
    Standing,
    Unscored,
)
from replyrank.serving.queue.joining import Joining, Placed, placed_items
from replyrank.serving.queue.leases import Leases
from replyrank.serving.queue.readings import AT_ONCE, CREATED, REMOVED
from replyrank.serving.queue.schema import (
    OPEN,
    EventKind,
    event,
    item,
    item_key,
    message,
    tombstone,
)
from replyrank.serving.queue.statements import (
    add_to_tally,
    among,
    among_keys,
    insert_rows,
    reserve,
)
from replyrank.serving.queue.weighing import Weighing, hold_items

#: tally of the looks whether anything can be written
_CHECKED: Final = "checked"


class Store(Leases):
    """The queue in a database.

    Args:
        database: with its tables in place.
        policy: how messages are tied and weighed.
    """

    def ingest(self, messages: Sequence[Inbound], team: str | None = None) -> Changes:
        """Take messages in; when this returns they are on the disk.

        Args:
            messages: of any brands; one that is there already changes nothing.
            team: that their items belong to.
        """
        # All that needs no database, before others have to wait.
        ties = keys_of(messages, self.policy, team)
        with self.database.write() as connection:
            self.database.lock_brands(connection, {one.brand for one in messages})
            now = self.database.now(connection)
            keys = {one.key for one in messages}
            known = self._items_of(connection, keys)
            gone = self._forgotten(connection, keys)
            fresh: dict[tuple[str, str, str], tuple[Inbound, Keys]] = {}
            for one, tied in zip(messages, ties, strict=True):
                if one.key not in known and one.key not in gone:
                    fresh.setdefault(one.key, (one, tied))
            joining = Joining(connection, self.policy, now, team)
            seqs = reserve(connection, message, len(fresh))
            joining.join(
                [one for one, _ in fresh.values()], [tied for _, tied in fresh.values()], seqs
            )
            changed = joining.write()
            unscored = self._write_messages(connection, joining.placed, now)
            self._tell_joined(connection, joining, now)
            placed = {one.inbound.key: one for one in joining.placed}
            taken = set[tuple[str, str, str]]()
            received = list[Received]()
            for one in messages:
                first = one.key in placed and one.key not in taken
                taken.add(one.key)
                receipt = Receipt.ACCEPTED if first else Receipt.DUPLICATE
                if one.key in gone:
                    receipt = Receipt.FORGOTTEN
                number, of_team = known.get(one.key, (None, None))
                # A team learns nothing of another's items.
                number = number if team in (None, of_team) else None
                if one.key in placed:
                    number = placed[one.key].draft.survivor().id
                received.append(Received(one.external_id, receipt, number))
            merged = {draft.id for draft in joining.merged if draft.id is not None}
            return Changes(received, unscored, self._standings(connection, changed | merged))

    def write_said(self, said: Sequence[Said], weighing: Weighing) -> list[Standing]:
        """Keep what a model says of messages, and weigh their items anew.

        Returns:
            the items that changed, as they stand now; what is gone, or a person labelled, stays
            as it is.
        """
        with self.database.write() as connection:
            seqs = [one.seq for one in said]
            free = and_(
                among(connection, message.c.seq, seqs),
                or_(message.c.need.is_(None), message.c.provisional),
            )
            # Items first, then messages: the order in which everybody locks.
            of = select(message.c.item).where(free).distinct()
            items = hold_items(connection, connection.execute(of).scalars())
            columns = (message.c.seq, message.c.item, message.c.is_copy)
            rows = connection.execute(select(*columns).where(free).with_for_update()).all()
            # One whose item went meanwhile into another is left for the next time.
            places = {row.seq: row for row in rows if row.item in items}
            values = [_said_values(one) for one in said if one.seq in places]
            if not values:
                return []
            connection.execute(update(message).where(message.c.seq == bindparam("_seq")), values)
            changed = {row.item for row in places.values() if not row.is_copy}
            weighing.write(connection, changed)
            final = {
                places[one.seq].item
                for one in said
                if one.seq in places and not one.provisional and not places[one.seq].is_copy
            }
            self._tell(connection, final, EventKind.SCORED, self.database.now(connection))
            return self._standings(connection, changed)

    def weigh_again(self, ids: Sequence[int], weighing: Weighing) -> None:
        """Weigh items by the policy in force."""
        with self.database.write() as connection:
            weighing.write(connection, hold_items(connection, ids))

    def prune(self, before: int) -> int:
        """Remove items that were finished before a time, with all that is known of them."""
        removed = 0
        while some := self.prune_some(before):
            removed += some
        return removed

    def prune_some(self, before: int) -> int:
        """Remove some of them, in one short transaction; how many, 0 where none is left."""
        with self.database.write() as connection:
            finished = func.coalesce(item.c.finished_at, item.c.last_at)
            old = and_(item.c.state.not_in(OPEN), finished < before)
            ids = connection.execute(select(item.c.id).where(old).limit(AT_ONCE)).scalars().all()
            return remove_items(connection, ids) if ids else 0

    def check_writable(self) -> None:
        """Write a row; raises what the database raises.

        A transaction that writes nothing would be fine on a full disk.
        """
        with self.database.write() as connection:
            add_to_tally(connection, _CHECKED, 1)

    def _items_of(
        self, connection: Connection, keys: Iterable[tuple[str, str, str]]
    ) -> dict[tuple[str, str, str], tuple[int | None, str | None]]:
        columns = (message.c.brand, message.c.channel, message.c.external_id)
        query = select(*columns, item.c.id, item.c.team).join(item, item.c.id == message.c.item)
        rows = connection.execute(query.where(among_keys(connection, columns, keys)))
        return {(row[0], row[1], row[2]): (row[3], row[4]) for row in rows}

    def _forgotten(
        self, connection: Connection, keys: Iterable[tuple[str, str, str]]
    ) -> set[tuple[str, str, str]]:
        if connection.execute(select(tombstone.c.at).limit(1)).first() is None:
            return set()
        columns = (tombstone.c.brand, tombstone.c.channel, tombstone.c.external_id)
        rows = connection.execute(select(*columns).where(among_keys(connection, columns, keys)))
        return {(row[0], row[1], row[2]) for row in rows}

    def _write_messages(
        self, connection: Connection, placed: Sequence[Placed], now: int
    ) -> list[Unscored]:
        if not placed:
            return []
        items = list(placed_items(placed))
        rows = [
            _message_values(one, number, now) for one, number in zip(placed, items, strict=True)
        ]
        insert_rows(connection, message, rows)
        return [
            Unscored(one.seq, number, one.inbound.message.text)
            for number, one in zip(items, placed, strict=True)
        ]

    def _tell_joined(self, connection: Connection, joining: Joining, now: int) -> None:
        numbers_of = list(placed_items(joining.placed))
        rows = [
            # An item that was made and went into another at once was never there.
            {
                "item": number,
                "kind": EventKind.FOLLOW_UP if one.draft.merged_into else one.happened,
                "at": now,
            }
            for number, one in zip(numbers_of, joining.placed, strict=True)
        ]
        rows += [
            {"item": draft.id, "kind": EventKind.MERGED, "at": now} for draft in joining.merged
        ]
        insert_rows(connection, event, rows)
        if joining.created:
            add_to_tally(connection, CREATED, joining.created)


def remove_items(connection: Connection, ids: Sequence[int]) -> int:
    """Delete items with their messages, keys and events; returns how many were there."""
    held = hold_items(connection, ids)
    for table in (message, item_key, event):
        connection.execute(sql_delete(table).where(table.c.item.in_(held)))
    connection.execute(sql_delete(item).where(item.c.id.in_(held)))
    add_to_tally(connection, REMOVED, len(held))
    return len(held)


def _said_values(one: Said) -> dict[str, object]:
    return {
        "_seq": one.seq,
        "need": one.need.tobytes(),
        "sentiment": one.sentiment.tobytes(),
        "language": one.language,
        "review": one.review,
        "model": one.model,
        "provisional": one.provisional,
    }


def _message_values(one: Placed, number: int, now: int) -> dict[str, object]:
    given = one.inbound.message
    created = given.created_at
    return {
        "seq": one.seq,
        "item": number,
        "brand": one.inbound.brand,
        "channel": one.inbound.channel,
        "external_id": one.inbound.external_id,
        "thread": given.thread,
        "author": given.author,
        "customer": given.customer,
        "is_public": one.is_public,
        "reach": given.reach,
        "text": given.text,
        "created_at": None if created is None else int(created.timestamp() * 1_000),
        "received_at": now,
        "arrived_at": one.arrived_at,
        "is_copy": one.is_copy,
        "provisional": True,
    }
