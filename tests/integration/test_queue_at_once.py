"""Many who work on one queue at the same time; on both kinds of database."""

import threading
from collections.abc import Callable

import pytest

from replyrank.serving.queue.database import Database
from replyrank.serving.queue.people import forget
from replyrank.serving.queue.schema import State
from replyrank.serving.queue.store import Store
from tests.queues import inbound, opened, rows, said, store, taken, weighing


def test_two_who_take_the_same_in_make_one(database: Database) -> None:
    """Two processes are handed the same batches at the same time."""
    batches = [
        [inbound(f"{b}-{n}", f"parcel {b} {n}", author=f"a{n}") for n in range(20)]
        for b in range(5)
    ]
    failures: list[BaseException] = []

    def take() -> None:
        try:
            with opened(database.engine.url.render_as_string(hide_password=False)) as own:
                queue = store(own)
                for batch in batches:
                    queue.ingest(batch)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert rows(database, "message") == 100
    # Every author has one item, of his five messages.
    assert rows(database, "item") == 20
    assert store(database).counts()["conservation_error"] == 0


def test_taking_in_does_not_undo_what_others_did_meanwhile(url: str) -> None:
    """On PostgreSQL: an item is claimed and finished while a message for it is being taken in."""
    with opened(url) as database, opened(url) as other:
        if database.is_sqlite:
            pytest.skip("SQLite has one writer")
        queue, agents = store(database), store(other)
        taken(queue, inbound("1", author="bo"))
        stop, failures = threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                while not stop.is_set():
                    open_ = [one.id for one in agents.standings()]
                    found = agents.claim("kim", open_, 60_000)
                    if found is not None:
                        lease = found[0]
                        done = agents.finish(
                            lease.item, lease.generation, State.ANSWERED, weighing()
                        )
                        assert done is not None
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        for n in range(2, 120):
            queue.ingest([inbound(str(n), f"again {n}", author="bo")])
        stop.set()
        thread.join()
        assert failures == []
        assert queue.counts()["conservation_error"] == 0
        stuck = [one for one in queue.standings() if one.state is State.LEASED]
        assert stuck == []
        assert rows(database, "message") == 119


AUTHORS = [f"a{n}" for n in range(12)]


def hand_in(queue: Store) -> None:
    for n in range(20):
        queue.ingest(
            [
                inbound(f"{n}-{name}", f"text {n} {name}", author=name, customer=f"c{(k + n) % 12}")
                for k, name in enumerate(AUTHORS)
            ]
        )


def score_all(queue: Store) -> None:
    for _ in range(30):
        queue.write_said([said(one) for one in queue.unscored(0, 40)], weighing())


def let_go(queue: Store) -> None:
    for name in AUTHORS[:6]:
        forget(queue.database, name, weighing())


def test_taking_in_scoring_and_forgetting_at_once_never_lock_each_other_out(url: str) -> None:
    failures: list[BaseException] = []

    def run(work: Callable[[Store], None]) -> None:
        try:
            with opened(url) as own:
                work(store(own))
        except BaseException as error:
            failures.append(error)

    works = (hand_in, score_all, score_all, let_go)
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with opened(url) as database:
        assert store(database).counts()["conservation_error"] == 0
