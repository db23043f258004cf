"""What becomes one item, and what does not; on both kinds of database."""

from itertools import permutations

import pytest

from replyrank.data.vocabulary import Channel
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.schema import EventKind
from tests.queues import before, inbound, item_of, private, store, taken


def test_messages_of_one_author_are_one_item_with_one_clock(database: Database) -> None:
    queue = store(database)
    old, new = before(50), before(10)
    first, second = taken(
        queue,
        inbound("1", "it is broken", author="bo", created_at=old),
        inbound("2", "hello??", author="bo", created_at=new),
    )
    assert first == second
    found = item_of(queue, first)
    assert found.age_from == int(old.timestamp() * 1000)
    assert [turn.external_id for turn in found.turns] == ["1", "2"]


def test_one_who_writes_again_after_the_window_is_a_new_item(database: Database) -> None:
    queue = store(database)
    first, second = taken(
        queue,
        inbound("1", author="bo", created_at=before(60 * 24 * 8)),
        inbound("2", author="bo", created_at=before(5)),
    )
    assert first != second


def test_a_message_that_comes_late_is_tied_by_its_own_time(database: Database) -> None:
    queue = store(database)
    new, old = taken(
        queue,
        inbound("1", author="bo", created_at=before(5)),
        inbound("2", author="bo", created_at=before(60 * 24 * 30)),
    )
    assert new != old


def test_equal_handles_on_two_networks_are_two_people(database: Database) -> None:
    first, second = taken(
        store(database),
        inbound("1", author="bo"),
        inbound("2", author="bo", channel=Channel.FACEBOOK),
    )
    assert first != second


def test_a_customer_id_links_channels(database: Database) -> None:
    first, second = taken(
        store(database),
        inbound("1", author="bo", customer="C7"),
        inbound("2", author="bo.smith", customer="C7", channel=Channel.EMAIL),
    )
    assert first == second


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_message_that_belongs_to_two_items_makes_one_of_them(
    database: Database, order: tuple[int, ...]
) -> None:
    queue = store(database)
    messages = [
        private("1", "my bill is wrong", author="bo", thread="t1"),
        private("2", "charged twice", author="al", thread="t2", customer="C1"),
        private("3", "it is me again", author="bo", customer="C1"),
    ]
    for place in order:
        taken(queue, messages[place])
    (standing,) = queue.standings()
    assert len(item_of(queue, standing.id).turns) == 3
    assert queue.counts()["conservation_error"] == 0


def test_messages_of_two_teams_never_meet(database: Database) -> None:
    queue = store(database)
    words = "the app is down in the whole country and nobody says a word"
    (north,) = taken(queue, inbound("1", words, author="bo", customer="C1"), team="north")
    (south,) = taken(queue, inbound("2", words, author="bo", customer="C1"), team="south")
    assert north != south
    assert (item_of(queue, north).team, item_of(queue, south).team) == ("north", "south")


def test_a_private_case_taken_to_the_public_says_so(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, private("1", "no answer to my refund", author="bo"))
    (again,) = taken(queue, inbound("2", "@acme ignores me!", author="bo", reach=9_000))
    found = item_of(queue, number)
    assert again == number
    assert (found.went_public, found.is_public, found.reach) == (True, True, 9_000)
    assert queue.events(0, 10)[-1].kind is EventKind.WENT_PUBLIC


def test_copies_by_others_are_one_item_with_a_count(database: Database) -> None:
    queue = store(database)
    words = "the app is down in the whole country and nobody says a word"
    numbers = taken(
        queue,
        inbound("1", words, author="bo", reach=10),
        *(
            inbound(str(n), f"RT @bo: {words} @friend{n}", author=f"a{n}", reach=n)
            for n in range(2, 42)
        ),
        inbound("99", "where is my parcel from last week, please?", author="zed"),
    )
    assert len({*numbers}) == 2
    found = item_of(queue, numbers[0])
    assert (found.copies, found.reach) == (40, 41)
    # Whoever passed it on has a matter of his own when he writes again.
    (own,) = taken(queue, inbound("100", "and my money is gone too", author="a2"))
    assert own not in numbers


def test_the_same_words_on_another_order_are_another_matter(database: Database) -> None:
    words = "where is my order {}? it is two weeks late and nobody answers the phone"
    first, other, again = taken(
        store(database),
        inbound("1", words.format(48213), author="bo"),
        inbound("2", words.format(99170), author="kim"),
        inbound("3", f"RT @bo: {words.format(48213)}", author="lee"),
    )
    assert (first != other, again == first) == (True, True)


def test_private_messages_are_no_copies(database: Database) -> None:
    words = "my account number is in the message above, please check it"
    numbers = taken(
        store(database), private("1", words, author="a"), private("2", words, author="b")
    )
    assert len({*numbers}) == 2
