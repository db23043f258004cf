"""The queue's promises, on both kinds of database."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest
from sqlalchemy import delete

from replyrank.data.vocabulary import Channel, Intent, UrgencyLevel
from replyrank.pipeline.classes import POLICY_CLASSES, PolicyClass
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Receipt
from replyrank.serving.queue.schema import EventKind, State, item
from replyrank.serving.queue.store import Store
from tests.queues import (
    before,
    expire,
    held,
    inbound,
    item_of,
    opened,
    private,
    rows,
    said,
    store,
    taken,
    weighing,
)

HIGH = POLICY_CLASSES.index(PolicyClass.HIGH)
ASKING = slice(0, 3)


def posterior(into: Store, number: int) -> np.ndarray:
    (standing,) = into.standings([number])
    assert standing.posterior is not None
    return standing.posterior


def score(into: Store, messages: Sequence[Inbound], *cells: tuple[Intent, UrgencyLevel]) -> int:
    """Take messages in one by one, each scored as its cell says; the item of the last."""
    number = 0
    for one, (intent, level) in zip(messages, cells, strict=True):
        changes = into.ingest([one])
        number = changes.received[0].item or 0
        into.write_said([said(new, intent, level) for new in changes.unscored], weighing())
    return number


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


def test_what_an_agent_holds_takes_the_other_item_in(database: Database) -> None:
    queue = store(database)
    (old,) = taken(queue, private("1", author="bo", created_at=before(60)))
    (new,) = taken(queue, private("2", author="al", customer="C1", created_at=before(5)))
    lease = held(queue, "kim", new)
    (joined,) = taken(queue, private("3", author="bo", customer="C1"))
    assert joined == new
    assert item_of(queue, old).state is State.MERGED
    assert queue.renew(new, lease.generation, 1000) is not None


def test_a_follow_up_raises_what_is_known_of_the_matter(database: Database) -> None:
    queue = store(database)
    urgent = Intent.SUPPORT_REQUEST, UrgencyLevel.HIGH
    number = score(queue, [inbound("1", "locked out", author="bo")], urgent)
    once = posterior(queue, number)
    score(queue, [inbound("2", "still locked out of my account", author="bo")], urgent)
    assert posterior(queue, number)[HIGH] > once[HIGH]
    (standing,) = queue.standings([number])
    assert standing.follow_ups > 0.9


def test_closing_thanks_do_not_hide_an_open_need(database: Database) -> None:
    queue = store(database)
    messages = [
        inbound("1", "my card is blocked and I am abroad", author="bo"),
        inbound("2", "thanks", author="bo"),
    ]
    number = score(
        queue,
        messages,
        (Intent.SUPPORT_REQUEST, UrgencyLevel.HIGH),
        (Intent.PRAISE, UrgencyLevel.NONE),
    )
    # One in ten at least: with the weights of the policy it stands above any plain question.
    assert posterior(queue, number)[ASKING].sum() > 0.1


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


def test_private_messages_are_no_copies(database: Database) -> None:
    words = "my account number is in the message above, please check it"
    numbers = taken(
        store(database), private("1", words, author="a"), private("2", words, author="b")
    )
    assert len({*numbers}) == 2


def test_the_agent_who_answered_is_preferred_next_time(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1", author="bo"))
    lease = held(queue, "kim", number)
    assert queue.finish(number, lease.generation, State.ANSWERED, weighing()) is not None
    (later,) = taken(queue, inbound("2", "and another thing", author="bo"))
    assert later != number
    assert item_of(queue, later).preferred_agent == "kim"


def test_nobody_else_gets_what_is_held(database: Database) -> None:
    queue = store(database)
    first, second = taken(queue, inbound("1", author="a"), inbound("2", author="b"))
    lease = held(queue, "kim", first, second)
    assert lease.item == first
    assert held(queue, "lee", first, second).item == second
    assert queue.claim("max", [first, second], 1000) is None


def test_a_lease_that_ran_out_goes_to_another_and_the_late_one_can_do_nothing(
    database: Database,
) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1"))
    late = held(queue, "kim", number)
    expire(database, number)
    now = held(queue, "lee", number)
    assert now.generation == late.generation + 1
    assert queue.renew(number, late.generation, 1000) is None
    assert not queue.release(number, late.generation)
    assert queue.finish(number, late.generation, State.ANSWERED, weighing()) is None
    assert queue.finish(number, now.generation, State.ANSWERED, weighing()) is not None


def test_an_expired_lease_is_put_back_and_told(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1"))
    held(queue, "kim", number)
    assert queue.return_expired() == []
    expire(database, number)
    assert queue.return_expired() == [number]
    assert item_of(queue, number).state is State.WAITING
    assert queue.events(0, 9)[-1].kind is EventKind.LEASE_EXPIRED


def test_the_clock_of_the_process_decides_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1"))
    lease = held(queue, "kim", number)
    for jump in (timedelta(hours=1), timedelta(hours=-1)):
        monkeypatch.setattr("time.time", lambda jump=jump: 1.7e9 + jump.total_seconds())
        assert queue.return_expired() == []
        assert queue.renew(number, lease.generation, 60_000) is not None


def test_what_came_unseen_waits_on_when_the_rest_is_answered(database: Database) -> None:
    queue = store(database)
    urgent = Intent.SUPPORT_REQUEST, UrgencyLevel.HIGH
    number = score(queue, [inbound("1", "where is it?", author="bo")], urgent)
    lease = held(queue, "kim", number)
    score(queue, [inbound("2", "and now it is on fire", author="bo")], urgent)
    done = queue.finish(number, lease.generation, State.ANSWERED, weighing())
    assert done is not None
    assert done.left_over is not None
    left = item_of(queue, done.left_over)
    assert [turn.external_id for turn in left.turns] == ["2"]
    assert (left.state, left.preferred_agent) == (State.WAITING, "kim")
    assert posterior(queue, left.id)[HIGH] > 0.5
    assert queue.counts()["conservation_error"] == 0
    # The author's next message goes to what is open.
    assert taken(queue, inbound("3", "hello?", author="bo")) == [left.id]


def test_what_the_holder_was_shown_is_answered_with_the_rest(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1", author="bo"))
    lease = held(queue, "kim", number)
    taken(queue, inbound("2", "hello?", author="bo"))
    assert queue.renew(number, lease.generation, 60_000) is not None
    done = queue.finish(number, lease.generation, State.ANSWERED, weighing())
    assert done is not None
    assert done.left_over is None


def test_a_lesser_model_is_replaced_and_a_better_one_is_not(database: Database) -> None:
    queue = store(database)
    changes = queue.ingest([inbound("1")])
    (one,) = changes.unscored
    assert queue.write_said([said(one, provisional=True, model="small")], weighing())
    assert [new.seq for new in queue.unscored(0, 10)] == [one.seq]
    assert queue.unscored(0, 10, is_new=True) == []
    assert queue.write_said([said(one, model="large")], weighing())
    assert not queue.write_said([said(one, model="small")], weighing())
    assert item_of(queue, one.item).model == "large"
    assert queue.unscored(0, 10) == []


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


def test_a_row_that_vanishes_is_noticed(database: Database) -> None:
    queue = store(database)
    taken(queue, inbound("1", author="a"), inbound("2", author="b"))
    with database.write() as connection:
        connection.execute(delete(item).where(item.c.id == 1))
    assert queue.counts()["conservation_error"] == 1


def test_events_of_a_team_are_its_own(database: Database) -> None:
    queue = store(database)
    (mine,) = taken(queue, inbound("1", author="a"), team="north")
    taken(queue, inbound("2", author="b"), team="south")
    assert {one.item for one in queue.events(0, 10, "north")} == {mine}


def test_a_lease_is_of_its_team(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1"), team="north")
    lease = held(queue, "kim", number)
    assert queue.renew(number, lease.generation, 1000, "south") is None
    assert not queue.release(number, lease.generation, "south")
    assert queue.finish(number, lease.generation, State.ANSWERED, weighing(), "south") is None
    assert queue.renew(number, lease.generation, 1000, "north") is not None
