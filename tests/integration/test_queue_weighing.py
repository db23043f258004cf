"""What is known of an item: its scores, its model, its policy; on both kinds of database."""

from replyrank.data.vocabulary import Intent, UrgencyLevel
from replyrank.pipeline.classes import POLICY_CLASSES, PolicyClass
from replyrank.pipeline.policy_file import load_policy
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.items import Receipt
from replyrank.serving.queue.store import Store
from replyrank.serving.queue.weighing import Weighing
from tests.queues import inbound, item_of, posterior_of, said, store, taken, taken_as, weighing

HIGH = POLICY_CLASSES.index(PolicyClass.HIGH)

ASKING = slice(0, 3)


def test_a_follow_up_raises_what_is_known_of_the_matter(database: Database) -> None:
    queue = store(database)
    urgent = Intent.SUPPORT_REQUEST, UrgencyLevel.HIGH
    number = taken_as(queue, [inbound("1", "locked out", author="bo")], urgent)
    once = posterior_of(queue, number)
    taken_as(queue, [inbound("2", "still locked out of my account", author="bo")], urgent)
    assert posterior_of(queue, number)[HIGH] > once[HIGH]
    (standing,) = queue.standings([number])
    assert standing.follow_ups > 0.9


def test_closing_thanks_do_not_hide_an_open_need(database: Database) -> None:
    queue = store(database)
    messages = [
        inbound("1", "my card is blocked and I am abroad", author="bo"),
        inbound("2", "thanks", author="bo"),
    ]
    number = taken_as(
        queue,
        messages,
        (Intent.SUPPORT_REQUEST, UrgencyLevel.HIGH),
        (Intent.PRAISE, UrgencyLevel.NONE),
    )
    # One in ten at least: with the weights of the policy it stands above any plain question.
    assert posterior_of(queue, number)[ASKING].sum() > 0.1


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
    weigh = Weighing(faster, None)
    # What was never weighed bears no policy's name: it is weighed when it is scored.
    changes = queue.unscored(0, 9)
    store(database).write_said([said(changes[0])], weighing())
    assert queue.outdated(0, 9) == [number]
    queue.weigh_again([number], weigh)
    assert queue.outdated(0, 9) == []
    (standing,) = queue.standings([number])
    assert standing.target == 7.0


def test_a_team_sees_its_own_backlog(database: Database) -> None:
    queue = store(database)
    north = queue.ingest([inbound("1", author="bo"), inbound("2", author="al")], "north")
    queue.ingest([inbound("3", author="cy")], "south")
    queue.write_said([said(north.unscored[0], provisional=True)], weighing())
    assert queue.backlog() == {"unscored": 2, "provisional": 1}
    assert queue.backlog("north") == {"unscored": 1, "provisional": 1}
    assert queue.backlog("south") == {"unscored": 1, "provisional": 0}
    assert queue.backlog("west") == {"unscored": 0, "provisional": 0}


def test_texts_of_all_kinds_come_back_as_they_were(database: Database) -> None:
    queue = store(database)
    words = [
        "NULL",
        "a 'quoted' \"one\", {braces} and \\ backslashes",
        "\u00e9\u4e2d\U0001f600",
        "",
    ]
    given = [inbound(f"id {n} {text}", text, author=text or None) for n, text in enumerate(words)]
    numbers = taken(queue, *given)
    turns = [item_of(queue, number).turns for number in numbers]
    assert [turn[0].text for turn in turns] == words
    assert [turn[0].author for turn in turns] == [text or None for text in words]
    assert [one.receipt for one in queue.ingest(given).received] == [Receipt.DUPLICATE] * 4
