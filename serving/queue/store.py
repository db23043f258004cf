"""The queue's transactions: every change of state is one, on one row, and says what it did.

    ingest -> WAITING -> claim -> LEASED -> finish -> ANSWERED or CLOSED
                 ^                   |
                 +-- release, expiry +

A claim raises the item's generation; whoever still holds an older one can do nothing any more.
Times come from the database. Order is not here: it is computed from the clock (``ranker``).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, or_, select, tuple_, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import NoResultFound

from replyrank.pipeline.policy import Policy
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import (
    Changes,
    Event,
    Finished,
    Item,
    Lease,
    Receipt,
    Received,
    Said,
    Standing,
    Turn,
    Unscored,
)
from replyrank.serving.queue.joining import Joining, Placed, placed_items
from replyrank.serving.queue.reading import item_of, numbers, standing_of, turn_of
from replyrank.serving.queue.schema import (
    OPEN,
    EventKind,
    State,
    event,
    item,
    item_key,
    message,
    tally,
    tombstone,
)
from replyrank.serving.queue.statements import (
    add_to_tally,
    claim_ids,
    claim_statement,
    reserve,
)
from replyrank.serving.queue.weighing import Weighing, hold_items

#: what items and turns are made of, in the order of their fields
ITEM: Final = select(*(item.c[name] for name in Item.__dataclass_fields__ if name != "turns"))
STANDING: Final = select(*(item.c[name] for name in Standing.__dataclass_fields__))
TURNS: Final = select(*(message.c[name] for name in Turn.__dataclass_fields__))
_FIELDS: Final = len(ITEM.selected_columns)
#: items, each with its latest turn
LISTED: Final = ITEM.add_columns(*TURNS.selected_columns).join(
    message, message.c.seq == item.c.latest
)
#: rows that one statement is given
_AT_ONCE: int = 500
CREATED, REMOVED = "created", "removed"


class Store:
    """The queue in a database.

    Args:
        database: with its tables in place.
        policy: how messages are tied and weighed.
    """

    def __init__(self, database: Database, policy: Policy) -> None:
        self.database = database
        self.policy = policy
        self._claim = claim_statement(is_sqlite=database.is_sqlite, clock=database.clock)

    def ingest(self, messages: Sequence[Inbound], team: str | None = None) -> Changes:
        """Take messages in; when this returns they are on the disk.

        Args:
            messages: of any brands; one that is there already changes nothing.
            team: that their items belong to.
        """
        with self.database.write() as connection:
            self.database.lock_brands(connection, {one.brand for one in messages})
            now = self.database.now(connection)
            keys = {one.key for one in messages}
            known = self._items_of(connection, keys)
            gone = self._forgotten(connection, keys)
            fresh: dict[tuple[str, str, str], Inbound] = {}
            for one in messages:
                if one.key not in known and one.key not in gone:
                    fresh.setdefault(one.key, one)
            joining = Joining(connection, self.policy, now, team)
            joining.join(list(fresh.values()), reserve(connection, message, len(fresh)))
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
                message.c.seq.in_(seqs), or_(message.c.need.is_(None), message.c.provisional)
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

    def claim(
        self, agent: str, candidates: Sequence[int], lease_ms: int
    ) -> tuple[Lease, Item] | None:
        """Lease the first of the candidates that is still free, and read it; None if none is."""
        with self.database.write() as connection:
            row = connection.execute(
                self._claim,
                {
                    "ids": claim_ids(candidates, is_sqlite=self.database.is_sqlite),
                    "agent": agent,
                    "lease": lease_ms,
                },
            ).one_or_none()
            if row is None:
                return None
            lease = Lease(row.id, row.generation, row.lease_until)
            begun = lease.until - lease_ms
            generation = lease.generation
            self._tell(
                connection, [row.id], EventKind.CLAIMED, begun, actor=agent, generation=generation
            )
            return lease, self._item(connection, lease.item)

    def renew(
        self, number: int, generation: int, lease_ms: int, team: str | None = None
    ) -> Lease | None:
        """Hold an item for longer; None if the lease is lost."""
        with self.database.write() as connection:
            now = self.database.now(connection)
            newest = select(func.max(message.c.seq)).where(message.c.item == number)
            row = connection.execute(
                update(item)
                .where(_held(number, generation, team))
                .values(
                    lease_until=now + lease_ms,
                    seen=newest.scalar_subquery(),
                    version=item.c.version + 1,
                )
                .returning(item.c.owner, item.c.lease_until)
            ).one_or_none()
            if row is None:
                return None
            self._tell(
                connection, [number], EventKind.RENEWED, now, actor=row.owner, generation=generation
            )
            return Lease(number, generation, row.lease_until)

    def release(self, number: int, generation: int, team: str | None = None) -> bool:
        """Give an item back; False if the lease is lost."""
        with self.database.write() as connection:
            row = connection.execute(
                update(item)
                .where(_held(number, generation, team))
                .values(
                    state=State.WAITING,
                    owner=None,
                    lease_until=None,
                    version=item.c.version + 1,
                )
                .returning(item.c.id)
            ).one_or_none()
            if row is None:
                return False
            now = self.database.now(connection)
            self._tell(connection, [number], EventKind.RELEASED, now, generation=generation)
            return True

    def finish(
        self,
        number: int,
        generation: int,
        outcome: State,
        weighing: Weighing,
        team: str | None = None,
    ) -> Finished | None:
        """Answer or close an item; None if the lease is lost.

        What came in after the holder last looked is an item of its own from then on.
        """
        with self.database.write() as connection:
            now = self.database.now(connection)
            row = connection.execute(
                update(item)
                .where(_held(number, generation, team))
                .values(
                    state=outcome,
                    finished_at=now,
                    lease_until=None,
                    version=item.c.version + 1,
                )
                .returning(item)
            ).mappings().one_or_none()  # fmt: skip
            if row is None:
                return None
            kind = EventKind.ANSWERED if outcome is State.ANSWERED else EventKind.CLOSED
            self._tell(connection, [number], kind, now, actor=row["owner"], generation=generation)
            left_over = self._split_off(connection, row, weighing, now)
            return Finished(
                item=number,
                age_from=row["age_from"],
                finished_at=now,
                channel=row["channel"],
                posterior=numbers(row["posterior"]),
                target=row["target"],
                left_over=left_over,
            )

    def return_expired(self) -> list[int]:
        """Put items back whose lease ran out; returns them."""
        with self.database.write() as connection:
            now = self.database.now(connection)
            late = and_(item.c.state == State.LEASED, item.c.lease_until < now)
            # What another transaction is at just now is looked at the next time.
            free = select(item.c.id).where(late).order_by(item.c.id)
            ids = connection.execute(free.with_for_update(skip_locked=True)).scalars().all()
            rows = connection.execute(
                update(item)
                .where(item.c.id.in_(ids))
                .values(
                    state=State.WAITING,
                    owner=None,
                    lease_until=None,
                    version=item.c.version + 1,
                )
                .returning(item.c.id, item.c.generation)
            ).all()
            for row in rows:
                self._tell(
                    connection, [row.id], EventKind.LEASE_EXPIRED, now, generation=row.generation
                )
            return [row.id for row in rows]

    def standings(self, ids: Iterable[int] | None = None) -> list[Standing]:
        """What the ranker needs of items: of all open ones, or of some, open or not."""
        with self.database.read() as connection:
            if ids is None:
                rows = connection.execute(STANDING.where(item.c.state.in_(OPEN)))
                return [standing_of(row) for row in rows]
            return self._standings(connection, ids)

    def outdated(self, after: int, limit: int) -> list[int]:
        """Open items behind a number that were weighed by another policy than this one."""
        with self.database.read() as connection:
            query = (
                select(item.c.id)
                .where(
                    item.c.id > after,
                    item.c.state.in_(OPEN),
                    item.c.policy != self.policy.fingerprint,
                )
                .order_by(item.c.id)
                .limit(limit)
            )
            return list(connection.execute(query).scalars())

    def weigh_again(self, ids: Sequence[int], weighing: Weighing) -> None:
        """Weigh items by the policy in force."""
        with self.database.write() as connection:
            weighing.write(connection, hold_items(connection, ids))

    def unscored(self, after: int, limit: int, *, is_new: bool = False) -> list[Unscored]:
        """Messages that no model, or only a lesser one, has scored, oldest first.

        Args:
            after: number of a message; those before it do not count.
            limit: messages at most.
            is_new: only those that no model at all has scored.
        """
        wanted = [message.c.provisional, message.c.seq > after]
        wanted += [message.c.need.is_(None)] if is_new else []
        with self.database.read() as connection:
            query = (
                select(message.c.seq, message.c.item, message.c.text)
                .where(*wanted)
                .order_by(message.c.seq)
                .limit(limit)
            )
            return [Unscored(row.seq, row.item, row.text) for row in connection.execute(query)]

    def item(self, number: int) -> Item | None:
        """One item with all its turns."""
        with self.database.read() as connection:
            try:
                return self._item(connection, number)
            except NoResultFound:
                return None

    def items(self, ids: Sequence[int]) -> list[Item]:
        """Items, each with its latest turn alone; in the order asked, without those gone."""
        with self.database.read() as connection:
            query = LISTED.where(item.c.id.in_(ids))
            found = {
                row[0]: item_of(row[:_FIELDS], (turn_of(row[_FIELDS:]),))
                for row in connection.execute(query)
            }
        return [found[number] for number in ids if number in found]

    def events(self, after: int, limit: int, team: str | None = None) -> list[Event]:
        """What happened after an event, in order: to all items, or to those of a team."""
        with self.database.read() as connection:
            new = and_(event.c.seq > after, self.database.settled(event))
            query = select(event).where(new).order_by(event.c.seq).limit(limit)
            if team is not None:
                query = query.join(item, item.c.id == event.c.item).where(item.c.team == team)
            return [_event(row) for row in connection.execute(query)]

    def now(self) -> int:
        """The time by the database's clock, in milliseconds."""
        with self.database.read() as connection:
            return self.database.now(connection)

    def last_event(self) -> int:
        """Number of the latest event, 0 before the first."""
        with self.database.read() as connection:
            query = select(func.max(event.c.seq)).where(self.database.settled(event))
            return int(connection.execute(query).scalar() or 0)

    def states(self, team: str | None = None) -> dict[str, int]:
        """Items by state, of all or of a team."""
        with self.database.read() as connection:
            query = select(item.c.state, func.count()).group_by(item.c.state)
            rows = connection.execute(query if team is None else query.where(item.c.team == team))
            return {state.value: 0 for state in State} | {row[0]: row[1] for row in rows}

    def counts(self) -> dict[str, int]:
        """Items by state, and how many are missing or too many (0 unless something is wrong)."""
        with self.database.read() as connection:
            rows = connection.execute(select(item.c.state, func.count()).group_by(item.c.state))
            states = {state.value: 0 for state in State} | {row[0]: row[1] for row in rows}
            rows = connection.execute(select(tally.c.name, tally.c.count))
            tallies: dict[str, int] = {row[0]: row[1] for row in rows}
        there = sum(states.values())
        error = tallies.get(CREATED, 0) - tallies.get(REMOVED, 0) - there
        return {**states, "conservation_error": error}

    def backlog(self) -> dict[str, int]:
        """Messages that wait for a model: never scored, or by a lesser one alone."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(message.c.need.is_(None).label("new"), func.count())
                .where(message.c.provisional)
                .group_by(message.c.need.is_(None))
            )
            found = {bool(row[0]): row[1] for row in rows}
        return {"unscored": found.get(True, 0), "provisional": found.get(False, 0)}

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
            ids = connection.execute(select(item.c.id).where(old).limit(_AT_ONCE)).scalars().all()
            return remove_items(connection, ids) if ids else 0

    def check_writable(self) -> None:
        """Begin and end a writing transaction; raises what the database raises."""
        with self.database.write() as connection:
            connection.execute(select(func.count()).select_from(tally))

    def _item(self, connection: Connection, number: int) -> Item:
        row = connection.execute(ITEM.where(item.c.id == number)).one()
        query = TURNS.where(message.c.item == number).order_by(message.c.seq)
        return item_of(row, tuple(map(turn_of, connection.execute(query))))

    def _standings(self, connection: Connection, ids: Iterable[int]) -> list[Standing]:
        found: list[Standing] = []
        wanted = sorted(ids)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            rows = connection.execute(STANDING.where(item.c.id.in_(some)))
            found += [standing_of(row) for row in rows]
        return found

    def _items_of(
        self, connection: Connection, keys: Iterable[tuple[str, str, str]]
    ) -> dict[tuple[str, str, str], tuple[int | None, str | None]]:
        key = tuple_(message.c.brand, message.c.channel, message.c.external_id)
        columns = (message.c.brand, message.c.channel, message.c.external_id)
        query = select(*columns, item.c.id, item.c.team).join(item, item.c.id == message.c.item)
        rows = connection.execute(query.where(key.in_(sorted(keys))))
        return {(row[0], row[1], row[2]): (row[3], row[4]) for row in rows}

    def _forgotten(
        self, connection: Connection, keys: Iterable[tuple[str, str, str]]
    ) -> set[tuple[str, str, str]]:
        columns = (tombstone.c.brand, tombstone.c.channel, tombstone.c.external_id)
        rows = connection.execute(select(*columns).where(tuple_(*columns).in_(sorted(keys))))
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
        connection.execute(insert(message), rows)
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
        if rows:
            connection.execute(insert(event), rows)
        if joining.created:
            add_to_tally(connection, CREATED, joining.created)

    def _split_off(
        self, connection: Connection, row: Any, weighing: Weighing, now: int
    ) -> int | None:
        """An item of the messages that the holder has not seen; None if there are none."""
        later = and_(message.c.item == row["id"], message.c.seq > (row["seen"] or 0))
        own = select(message.c.seq).where(later, ~message.c.is_copy).limit(1)
        if connection.execute(own).scalar() is None:
            return None
        (number,) = reserve(connection, item, 1)
        kept = {name: row[name] for name in ("brand", "channel", "team")}
        # All but that follows from its messages: ``Weighing`` makes it.
        made: dict[str, object] = {
            "age_from": 0,
            "last_at": 0,
            "is_public": False,
            "went_public": False,
        }
        made |= {"messages": 0, "copies": 0, "reach": 0, "target": 0.0, "latest": 0}
        counted = {"follow_ups": 0.0, "generation": 0, "version": 1}
        connection.execute(
            insert(item).values(
                **kept, **made, **counted,
                id=number, state=State.WAITING, preferred_agent=row["owner"],
            )
        )  # fmt: skip
        connection.execute(update(message).where(later).values(item=number))
        connection.execute(update(item_key).where(item_key.c.item == row["id"]).values(item=number))
        add_to_tally(connection, CREATED, 1)
        weighing.write(connection, {number, row["id"]})
        self._tell(connection, [number], EventKind.CREATED, now)
        return number

    def _tell(
        self,
        connection: Connection,
        items: Iterable[int],
        kind: EventKind,
        at: int,
        *,
        actor: str | None = None,
        generation: int | None = None,
    ) -> None:
        rows = [
            {"item": number, "kind": kind, "at": at, "actor": actor, "generation": generation}
            for number in sorted(items)
        ]
        if rows:
            connection.execute(insert(event), rows)


def remove_items(connection: Connection, ids: Sequence[int]) -> int:
    """Delete items with their messages, keys and events; returns how many were there."""
    held = hold_items(connection, ids)
    for table in (message, item_key, event):
        connection.execute(sql_delete(table).where(table.c.item.in_(held)))
    connection.execute(sql_delete(item).where(item.c.id.in_(held)))
    add_to_tally(connection, REMOVED, len(held))
    return len(held)


def _held(number: int, generation: int, team: str | None) -> Any:
    """The row of a lease, if it is still that holder's, and of his team if he has one."""
    held = and_(item.c.id == number, item.c.generation == generation, item.c.state == State.LEASED)
    return held if team is None else and_(held, item.c.team == team)


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


def _event(row: Row[Any]) -> Event:
    return Event(row.seq, row.item, EventKind(row.kind), row.at, row.actor, row.generation)
