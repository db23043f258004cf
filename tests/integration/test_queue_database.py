"""How the database is opened, migrated, and what it does when it fails."""

import threading
import time
from itertools import count
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from replyrank.serving.errors import StoreError
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.schema import METADATA, message, tally
from replyrank.serving.queue.store import Store
from tests.queues import PostgresServer, inbound, opened, rows, store


def test_migrations_make_the_tables_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    store(database).ingest([inbound("1")])
    database.migrate()
    assert rows(database, "message") == 1


def test_tables_of_a_later_version_are_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="9999"):
        database.migrate()


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "oracle+none://x"])
def test_what_is_no_database_of_ours_is_refused_with_words(url: str) -> None:
    with pytest.raises(StoreError, match="postgresql://"):
        Database(url)


def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    gone = Database("postgresql://bo:secret@127.0.0.1:1/none")
    with pytest.raises(StoreError) as error:
        gone.migrate()
    gone.close()
    assert "secret" not in str(error.value)
    file = Database(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'q.db'}")
    with pytest.raises(StoreError, match="cannot be used"):
        file.migrate()
    file.close()


def test_writers_that_read_first_wait_for_each_other(database: Database) -> None:
    """With a deferred transaction SQLite would refuse the second one at once."""
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(20):
                with database.write() as connection:
                    row = connection.execute(
                        text(f"SELECT count FROM tally WHERE name = 'x'{lock}")  # noqa: S608
                    ).scalar_one()
                    connection.execute(
                        text("UPDATE tally SET count = :n WHERE name = 'x'"), {"n": row + 1}
                    )
        except BaseException as error:
            failures.append(error)

    lock = "" if database.is_sqlite else " FOR UPDATE"
    with database.write() as connection:
        connection.execute(insert(tally).values(name="x", count=0))
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as connection:
        assert connection.execute(text("SELECT count FROM tally WHERE name='x'")).scalar() == 80


def test_an_error_of_the_database_shows_no_text(database: Database) -> None:
    words = "my account number is 12345"
    with pytest.raises(DBAPIError) as error, database.write() as connection:
        connection.execute(text("INSERT INTO nothing VALUES (:t)"), {"t": words})
    assert words not in str(error.value)


def test_one_process_leads(database: Database) -> None:
    with opened(database.engine.url.render_as_string(hide_password=False)) as other:
        first = database.lead()
        assert first is not None
        second = other.lead()
        assert (second is None) is not database.is_sqlite
        first.close()
        if second is not None:
            second.close()


def test_a_server_that_was_restarted_is_used_again(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres")
    try:
        with opened(server.url()) as database:
            queue = store(database)
            queue.ingest([inbound("1")])
            server.restart()
            queue.ingest([inbound("1"), inbound("2", author="bo")])
            assert rows(database, "message") == 2
    finally:
        server.close()


def test_a_server_that_is_restarted_under_load_loses_nothing(tmp_path: Path) -> None:
    """What was acknowledged is there; what was not was refused as the database's fault."""
    server = PostgresServer(tmp_path / "postgres")
    kept, refused, wrong = list[str](), list[Exception](), list[Exception]()
    stop = threading.Event()

    def hand_in(queue: Store, name: str) -> None:
        for number in count():
            if stop.is_set():
                return
            one = f"{name}-{number}"
            try:
                queue.ingest([inbound(one, author=one)])
                kept.append(one)
            except (OperationalError, InterfaceError) as error:
                refused.append(error)
            except Exception as error:  # kept for the assertion: a thread's own is lost
                wrong.append(error)

    try:
        with opened(server.url()) as database:
            queue = store(database)
            threads = [threading.Thread(target=hand_in, args=(queue, name)) for name in "abc"]
            for thread in threads:
                thread.start()
            for _ in range(2):
                until_more(kept, 50)
                server.restart()
            until_more(kept, 50)
            stop.set()
            for thread in threads:
                thread.join()
            assert not wrong
            assert refused
            with database.read() as connection:
                found = set(connection.execute(select(message.c.external_id)).scalars())
            assert found >= set(kept)
            assert queue.counts()["conservation_error"] == 0
    finally:
        stop.set()
        server.close()


def until_more(kept: list[str], more: int) -> None:
    """Wait until so many more were acknowledged."""
    wanted, end = len(kept) + more, time.monotonic() + 60
    while len(kept) < wanted:
        assert time.monotonic() < end, f"{len(kept)} of {wanted} after a minute"
        time.sleep(0.01)
