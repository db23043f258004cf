"""What is removed, by age or since a person asked for it; on both kinds of database."""

from pathlib import Path

import pytest

from replyrank.data.vocabulary import Intent, UrgencyLevel
from replyrank.serving.errors import StoreError
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.items import Receipt
from replyrank.serving.queue.people import Labelling, correct, corrections, forget
from replyrank.serving.queue.schema import EventKind, State
from tests.queues import (
    held,
    inbound,
    item_of,
    opened,
    private,
    rows,
    sqlite_in,
    store,
    taken,
    taken_as,
    weighing,
)


def test_old_items_are_removed_with_all_that_is_known_of_them(database: Database) -> None:
    queue = store(database)
    done, open_ = taken(queue, inbound("1", author="a"), inbound("2", author="b"))
    lease = held(queue, "kim", done)
    queue.finish(done, lease.generation, State.CLOSED, weighing())
    with database.read() as connection:
        now = database.now(connection)
    assert queue.prune(now - 60_000) == 0
    assert queue.prune(now + 60_000) == 1
    assert (rows(database, "message"), rows(database, "item")) == (1, 1)
    assert {one.item for one in queue.events(0, 99)} == {open_}
    assert queue.counts()["conservation_error"] == 0


def test_a_number_that_was_removed_is_never_given_again(database: Database) -> None:
    queue = store(database)
    taken(queue, inbound("1", author="bo"))
    label = Labelling("acme", "twitter", "1", Intent.CHATTER, None, None, "kim")
    correct(database, label, weighing())
    last = queue.last_event()
    ((seq, _),) = corrections(database, 0, 9)
    forget(database, "bo", weighing())
    (told,) = queue.events(last, 9)
    assert told.kind is EventKind.FORGOTTEN
    ((later, record),) = corrections(database, seq, 9)
    assert later > seq
    assert '"kind": "deletion"' in record


def test_no_copy_of_what_was_forgotten_stays_in_a_file(tmp_path: Path) -> None:
    with opened(sqlite_in(tmp_path)) as database:
        queue = store(database)
        queue.ingest([private("1", "my secret is 4711", author="bo")])
        wal = tmp_path / "queue.db-wal"
        assert b"4711" in wal.read_bytes()
        forget(database, "bo", weighing())
        for file in tmp_path.iterdir():
            assert b"4711" not in file.read_bytes(), file.name


def test_who_reads_on_keeps_copies_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replyrank.serving.queue.database._PATIENCE", 0.1)
    with opened(sqlite_in(tmp_path)) as database:
        queue = store(database)
        queue.ingest([private("1", "my secret is 4711", author="bo")])
        with database.read() as connection:
            connection.exec_driver_sql("SELECT * FROM message").all()
            with pytest.raises(StoreError, match="give the same command again"):
                forget(database, "bo", weighing())
        assert queue.unscored(0, 9) == []
        forget(database, "bo", weighing())
        assert not (tmp_path / "queue.db-wal").read_bytes()


def test_labels_of_a_message_that_is_gone_by_age_are_forgotten_too(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1", "my number is 123", author="bo"))
    label = Labelling("acme", "twitter", "1", Intent.CHATTER, None, None, "kim")
    correct(database, label, weighing())
    lease = held(queue, "kim", number)
    queue.finish(number, lease.generation, State.CLOSED, weighing())
    queue.prune(queue.now() + 1)
    gone = forget(database, "bo", weighing())
    assert (gone.messages, gone.corrections) == (0, 1)
    ((_, record),) = corrections(database, 0, 9)
    assert "123" not in record
    assert queue.ingest([inbound("1", author="bo")]).received[0].receipt is Receipt.FORGOTTEN


def test_what_others_wrote_stays_without_what_the_forgotten_one_said(database: Database) -> None:
    queue = store(database)
    words = "the app is down in the whole country and nobody says a word"
    urgent = Intent.SUPPORT_REQUEST, UrgencyLevel.CRITICAL
    number = taken_as(queue, [inbound("1", words, author="bo", reach=9_000)], urgent)
    for name in ("al", "cy"):
        taken(queue, inbound(name, f"RT {words}", author=name, reach=5))
    forget(database, "bo", weighing())
    found = item_of(queue, number)
    assert [turn.external_id for turn in found.turns] == ["al", "cy"]
    assert (found.messages, found.copies, found.reach) == (1, 1, 5)
    (standing,) = queue.standings([number])
    assert standing.posterior is None
    assert queue.outdated(0, 9) == []
