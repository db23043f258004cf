"""The queue's promises, on both kinds of database."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest
from sqlalchemy import delete

from replyrank.data.vocabulary import Channel, Intent, UrgencyLevel
from replyrank.pipeline.classes import POLICY_CLASSES, PolicyClass
from replyrank.pipeline.policy_file import load_policy
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Receipt
from replyrank.serving.queue.people import Labelling, correct, corrections, forget
from replyrank.serving.queue.schema import EventKind, State, item, message
from replyrank.serving.queue.store import Store
from replyrank.serving.queue.weighing import Weighing, prior_of
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
        connection.execute(delete(message).where(message.c.item == 1))
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


def test_a_message_that_comes_late_is_tied_by_its_own_time(database: Database) -> None:
    queue = store(database)
    new, old = taken(
        queue,
        inbound("1", author="bo", created_at=before(5)),
        inbound("2", author="bo", created_at=before(60 * 24 * 30)),
    )
    assert new != old


def test_messages_of_two_teams_never_meet(database: Database) -> None:
    queue = store(database)
    words = "the app is down in the whole country and nobody says a word"
    (north,) = taken(queue, inbound("1", words, author="bo", customer="C1"), team="north")
    (south,) = taken(queue, inbound("2", words, author="bo", customer="C1"), team="south")
    assert north != south
    assert (item_of(queue, north).team, item_of(queue, south).team) == ("north", "south")


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
    number = score(queue, [inbound("1", words, author="bo", reach=9_000)], urgent)
    for name in ("al", "cy"):
        taken(queue, inbound(name, f"RT {words}", author=name, reach=5))
    forget(database, "bo", weighing())
    found = item_of(queue, number)
    assert [turn.external_id for turn in found.turns] == ["al", "cy"]
    assert (found.messages, found.copies, found.reach) == (1, 1, 5)
    (standing,) = queue.standings([number])
    assert standing.posterior is None
    assert queue.outdated(0, 9) == []


def test_another_policy_changes_targets_and_ends(database: Database) -> None:
    (number,) = taken(store(database), inbound("1"))
    policy = load_policy()
    faster = policy.model_copy(
        update={
            "channels": policy.channels.model_copy(
                update={"twitter": policy.channels.twitter.model_copy(update={"public": 7.0})}
            )
        }
    )
    queue = Store(database, faster)
    weigh = Weighing(faster, prior_of(faster, None))
    # What was never weighed bears no policy's name: it is weighed when it is scored.
    changes = queue.unscored(0, 9)
    store(database).write_said([said(changes[0])], weighing())
    assert queue.outdated(0, 9) == [number]
    queue.weigh_again([number], weigh)
    assert queue.outdated(0, 9) == []
    (standing,) = queue.standings([number])
    assert standing.target == 7.0


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
