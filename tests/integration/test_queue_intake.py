"""What is handed in is taken once, and what is there adds up; on both kinds of database."""

from sqlalchemy import delete

from replyrank.data.vocabulary import Channel
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.items import Receipt
from replyrank.serving.queue.schema import EventKind, item, message
from tests.queues import inbound, private, rows, store, taken


def test_a_message_is_there_once_however_often_it_comes(database: Database) -> None:
    queue = store(database)
    messages = [inbound(str(number), f"my parcel {number} is late") for number in range(5)]
    first = queue.ingest(messages)
    assert [one.receipt for one in first.received] == [Receipt.ACCEPTED] * 5
    again = queue.ingest([*reversed(messages), messages[0]])
    assert {one.receipt for one in again.received} == {Receipt.DUPLICATE}
    assert not again.unscored
    assert [one.item for one in again.received[:5]] == [
        one.item for one in reversed(first.received)
    ]
    assert rows(database, "message") == 5


def test_a_message_that_comes_twice_in_a_batch_is_taken_once(database: Database) -> None:
    one = inbound("1")
    changes = store(database).ingest([one, one])
    assert [r.receipt for r in changes.received] == [Receipt.ACCEPTED, Receipt.DUPLICATE]
    assert rows(database, "message") == 1


def test_ids_are_told_apart_by_brand_and_channel(database: Database) -> None:
    here = taken(
        store(database),
        inbound("1"),
        inbound("1", brand="other"),
        inbound("1", channel=Channel.EMAIL),
    )
    assert len({*here}) == 3


def test_an_item_that_was_made_and_taken_in_at_once_is_not_counted(database: Database) -> None:
    queue = store(database)
    taken(queue, private("1", author="bo"))
    taken(
        queue,
        private("2", author="al", customer="C1"),
        private("3", author="bo", customer="C1"),
    )
    assert rows(database, "item") == 1
    assert queue.counts()["conservation_error"] == 0
    assert [one.kind for one in queue.events(0, 9)].count(EventKind.CREATED) == 1


def test_a_row_that_vanishes_is_noticed(database: Database) -> None:
    queue = store(database)
    taken(queue, inbound("1", author="a"), inbound("2", author="b"))
    with database.write() as connection:
        connection.execute(delete(message).where(message.c.item == 1))
        connection.execute(delete(item).where(item.c.id == 1))
    assert queue.counts()["conservation_error"] == 1


def test_events_of_a_team_are_its_own(database: Database) -> None:
    queue = store(database)
    (mine,) = taken(queue, inbound("1", author="a"), team="north")
    taken(queue, inbound("2", author="b"), team="south")
    assert {one.item for one in queue.events(0, 10, "north")} == {mine}
