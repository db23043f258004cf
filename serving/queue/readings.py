"""What is read of the queue, and what every transaction on it shares."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, select
from sqlalchemy.exc import NoResultFound

from replyrank.pipeline.policy import Policy
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.from_rows import item_of, standing_of, turn_of
from replyrank.serving.queue.items import Event, Item, Standing, Turn, Unscored
from replyrank.serving.queue.schema import OPEN, EventKind, State, event, item, message, tally
from replyrank.serving.queue.statements import among, insert_rows

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
AT_ONCE: Final = 500
CREATED, REMOVED = "created", "removed"


class Readings:
    """What is read of the queue.

    Args:
        database: with its tables in place.
        policy: how messages are tied and weighed.
    """

    def __init__(self, database: Database, policy: Policy) -> None:
        self.database = database
        self.policy = policy

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
            query = LISTED.where(among(connection, item.c.id, ids))
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

    def backlog(self, team: str | None = None) -> dict[str, int]:
        """Messages, of all or of a team, that wait for a model, or for more than a lesser one."""
        with self.database.read() as connection:
            query = (
                select(message.c.need.is_(None).label("new"), func.count())
                .where(message.c.provisional)
                .group_by(message.c.need.is_(None))
            )
            if team is not None:
                query = query.join(item, item.c.id == message.c.item).where(item.c.team == team)
            rows = connection.execute(query)
            found = {bool(row[0]): row[1] for row in rows}
        return {"unscored": found.get(True, 0), "provisional": found.get(False, 0)}

    def _item(self, connection: Connection, number: int) -> Item:
        row = connection.execute(ITEM.where(item.c.id == number)).one()
        query = TURNS.where(message.c.item == number).order_by(message.c.seq)
        return item_of(row, tuple(map(turn_of, connection.execute(query))))

    def _standings(self, connection: Connection, ids: Iterable[int]) -> list[Standing]:
        found: list[Standing] = []
        wanted = sorted(ids)
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            rows = connection.execute(STANDING.where(among(connection, item.c.id, some)))
            found += [standing_of(row) for row in rows]
        return found

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
        insert_rows(connection, event, rows)


def _event(row: Row[Any]) -> Event:
    return Event(row.seq, row.item, EventKind(row.kind), row.at, row.actor, row.generation)
