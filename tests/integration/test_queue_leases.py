"""Who holds an item, until when, and what he answers with it; on both kinds of database."""

from datetime import timedelta

import pytest

from replyrank.data.vocabulary import Intent, UrgencyLevel
from replyrank.pipeline.classes import POLICY_CLASSES, PolicyClass
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.schema import EventKind, State
from tests.queues import (
    before,
    expire,
    held,
    inbound,
    item_of,
    posterior_of,
    private,
    store,
    taken,
    taken_as,
    weighing,
)

HIGH = POLICY_CLASSES.index(PolicyClass.HIGH)


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


def test_a_lease_is_of_its_team(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1"), team="north")
    lease = held(queue, "kim", number)
    assert queue.renew(number, lease.generation, 1000, "south") is None
    assert not queue.release(number, lease.generation, "south")
    assert queue.finish(number, lease.generation, State.ANSWERED, weighing(), "south") is None
    assert queue.renew(number, lease.generation, 1000, "north") is not None


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


def test_nothing_comes_into_a_held_item_behind_its_holders_back(database: Database) -> None:
    queue = store(database)
    (old,) = taken(queue, private("1", "my house is on fire", author="bo", created_at=before(60)))
    (new,) = taken(queue, private("2", author="al", customer="C1", created_at=before(5)))
    lease = held(queue, "kim", new)
    (joined,) = taken(queue, private("3", author="bo", customer="C1"))
    assert joined == new
    assert item_of(queue, old).state is State.WAITING
    done = queue.finish(new, lease.generation, State.ANSWERED, weighing())
    assert done is not None
    assert done.left_over is not None
    open_ = {turn.external_id for one in queue.standings() for turn in item_of(queue, one.id).turns}
    assert open_ == {"1", "3"}


def test_what_came_unseen_waits_on_when_the_rest_is_answered(database: Database) -> None:
    queue = store(database)
    urgent = Intent.SUPPORT_REQUEST, UrgencyLevel.HIGH
    number = taken_as(queue, [inbound("1", "where is it?", author="bo")], urgent)
    lease = held(queue, "kim", number)
    taken_as(queue, [inbound("2", "and now it is on fire", author="bo")], urgent)
    done = queue.finish(number, lease.generation, State.ANSWERED, weighing())
    assert done is not None
    assert done.left_over is not None
    left = item_of(queue, done.left_over)
    assert [turn.external_id for turn in left.turns] == ["2"]
    assert (left.state, left.preferred_agent) == (State.WAITING, "kim")
    assert posterior_of(queue, left.id)[HIGH] > 0.5
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


def test_a_left_over_has_the_reach_and_target_of_its_own_messages(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1", author="bo", reach=900_000))
    lease = held(queue, "kim", number)
    taken(queue, private("2", "my account number is 12", author="bo"))
    done = queue.finish(number, lease.generation, State.ANSWERED, weighing())
    assert done is not None
    assert done.left_over is not None
    left, answered = item_of(queue, done.left_over), item_of(queue, number)
    assert (left.is_public, left.reach, left.went_public) == (False, 0, False)
    assert (answered.is_public, answered.reach, answered.messages) == (True, 900_000, 1)


def test_the_agent_who_answered_is_preferred_next_time(database: Database) -> None:
    queue = store(database)
    (number,) = taken(queue, inbound("1", author="bo"))
    lease = held(queue, "kim", number)
    assert queue.finish(number, lease.generation, State.ANSWERED, weighing()) is not None
    (later,) = taken(queue, inbound("2", "and another thing", author="bo"))
    assert later != number
    assert item_of(queue, later).preferred_agent == "kim"
