"""The life of an item: claimed, held, given back, finished; each is one transaction on one row.

A claim raises the item's generation; whoever still holds an older one can do nothing any more.
Times come from the database.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from replyrank.pipeline.policy import Policy
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.from_rows import numbers
from replyrank.serving.queue.items import Finished, Item, Lease
from replyrank.serving.queue.readings import CREATED, Readings
from replyrank.serving.queue.schema import EventKind, State, item, item_key, message
from replyrank.serving.queue.statements import add_to_tally, claim_ids, claim_statement, reserve
from replyrank.serving.queue.weighing import Weighing


class Leases(Readings):
    """Claims and what follows them."""

    def __init__(self, database: Database, policy: Policy) -> None:
        super().__init__(database, policy)
        self._claim = claim_statement(is_sqlite=database.is_sqlite, clock=database.clock)

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


def _held(number: int, generation: int, team: str | None) -> Any:
    """The row of a lease, if it is still that holder's, and of his team if he has one."""
    held = and_(item.c.id == number, item.c.generation == generation, item.c.state == State.LEASED)
    return held if team is None else and_(held, item.c.team == team)
