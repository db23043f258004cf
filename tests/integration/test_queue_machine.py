"""The state machine under any sequence of calls, on both kinds of database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from replyrank.serving.queue.database import Database
from replyrank.serving.queue.items import Lease, Receipt
from replyrank.serving.queue.schema import State
from replyrank.serving.queue.store import Store
from tests.patience import PATIENT
from tests.queues import PostgresServer, expire, inbound, item_of, sqlite_in, store, weighing

AUTHORS = ("al", "bo", "cy")
AGENTS = ("kim", "lee", "max")


class QueueMachine(RuleBasedStateMachine):
    """What is acknowledged is there once; nobody does anything with a lease that is not his."""

    leases: Any = Bundle("leases")

    def __init__(self, make_database: Callable[[], Database]) -> None:
        super().__init__()
        self.database = make_database()
        self.database.migrate()
        self.store: Store = store(self.database)
        self.acknowledged: set[str] = set()
        #: item -> generation of who holds it by the database's word
        self.holder: dict[int, int] = {}
        self.finished: set[int] = set()

    def teardown(self) -> None:
        self.database.close()

    @initialize()
    def begin(self) -> None:
        assert self.store.counts()["conservation_error"] == 0

    @rule(number=st.integers(0, 30), author=st.sampled_from(AUTHORS), thread=st.booleans())
    def ingest(self, number: int, author: str, thread: bool) -> None:
        key = f"m{number}"
        one = inbound(key, f"text {number}", author=author, thread="t" if thread else None)
        (received,) = self.store.ingest([one]).received
        expected = Receipt.DUPLICATE if key in self.acknowledged else Receipt.ACCEPTED
        assert received.receipt is expected
        self.acknowledged.add(key)

    @rule(target=leases, agent=st.sampled_from(AGENTS))  # pyright: ignore[reportUntypedFunctionDecorator]
    def claim(self, agent: str) -> Any:
        waiting = [one.id for one in self.store.standings() if one.state is State.WAITING]
        found = self.store.claim(agent, waiting, 60_000)
        if found is None:
            assert not waiting
            return multiple()
        lease, whole = found
        assert whole.id == lease.item
        assert whole.turns
        assert lease.item in waiting
        assert lease.item not in self.holder
        self.holder[lease.item] = lease.generation
        return lease

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        found = self.store.renew(lease.item, lease.generation, 60_000)
        assert (found is not None) is self._holds(lease)

    @rule(lease=consumes(leases))
    def release(self, lease: Lease) -> None:
        assert self.store.release(lease.item, lease.generation) is self._holds(lease)
        self._let_go(lease)

    @rule(lease=consumes(leases), outcome=st.sampled_from([State.ANSWERED, State.CLOSED]))
    def finish(self, lease: Lease, outcome: State) -> None:
        done = self.store.finish(lease.item, lease.generation, outcome, weighing())
        assert (done is not None) is self._holds(lease)
        if done is not None:
            assert item_of(self.store, lease.item).state is outcome
        self._let_go(lease)

    @rule(lease=leases)
    def let_it_run_out(self, lease: Lease) -> None:
        if self._holds(lease):
            expire(self.database, lease.item)
            assert self.store.return_expired() == [lease.item]
            del self.holder[lease.item]

    @invariant()
    def everything_acknowledged_is_there_once(self) -> None:
        with self.database.read() as connection:
            found = connection.exec_driver_sql("SELECT external_id, item FROM message").all()
        assert sorted(row[0] for row in found) == sorted(self.acknowledged)
        with self.database.read() as connection:
            items = set(connection.exec_driver_sql("SELECT id FROM item").scalars())
        assert {row[1] for row in found} <= items

    @invariant()
    def what_is_held_is_held_by_its_holder(self) -> None:
        held = {one.id for one in self.store.standings() if one.state is State.LEASED}
        assert held == set(self.holder)

    @invariant()
    def nothing_leaves_by_a_side_door(self) -> None:
        assert self.store.counts()["conservation_error"] == 0

    def _holds(self, lease: Lease) -> bool:
        return self.holder.get(lease.item) == lease.generation

    def _let_go(self, lease: Lease) -> None:
        if self._holds(lease):
            del self.holder[lease.item]


def _run(make: Callable[[], Database], examples: int) -> None:
    class Machine(QueueMachine):
        def __init__(self) -> None:
            super().__init__(make)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=PATIENT,
        ),
    )


def test_on_sqlite(tmp_path: Path) -> None:
    made = 0

    def make() -> Database:
        nonlocal made
        made += 1
        folder = tmp_path / str(made)
        folder.mkdir()
        return Database(sqlite_in(folder))

    _run(make, examples=25)


@pytest.mark.usefixtures("postgres")
def test_on_postgresql(postgres: PostgresServer) -> None:
    _run(lambda: Database(postgres.url()), examples=8)
