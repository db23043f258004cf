"""Messages become items, and the posteriors of a customer's messages become one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.messages import Message
from replyrank.data.vocabulary import Channel, Visibility
from replyrank.pipeline.index import asking_probability, index, repeat_factor
from replyrank.pipeline.policy import FloatArray
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.threads import evidence_rows, fuse, group

DEFAULT = load_policy()
PRIOR = DEFAULT.column("share")
NOON = datetime(2025, 6, 4, 12, tzinfo=UTC)

REQUEST = np.array([0.01, 0.05, 0.90, 0.02, 0.01, 0.01])
THANKS = np.array([0.002, 0.008, 0.06, 0.02, 0.88, 0.03])
STILL_NOTHING = np.array([0.02, 0.30, 0.60, 0.05, 0.01, 0.02])
TAME_REMINDER = np.array([0.01, 0.10, 0.50, 0.30, 0.02, 0.07])


def _grouped(*parts: dict[str, Any]) -> list[list[int]]:
    """Items as lists of rows; ``hour`` says when a message arrived."""
    arrivals = [NOON + timedelta(hours=part.pop("hour", row)) for row, part in enumerate(parts)]
    messages = [Message(text=f"text {row}", **part) for row, part in enumerate(parts)]
    return [list(item.rows) for item in group(messages, arrivals, DEFAULT)]


def _value(posteriors: list[FloatArray], age: float) -> float:
    fused = fuse(np.stack(posteriors), PRIOR, DEFAULT.threads)
    later = asking_probability(np.stack(posteriors))[1:].sum(keepdims=True)
    one = np.ones(1)
    return float(
        index(
            fused[None],
            channel_target=60 * one,
            age=age * one,
            reach=one,
            repeat=repeat_factor(later, DEFAULT),
            policy=DEFAULT,
        ).value[0]
    )


def test_one_author_and_brand_within_the_window_is_one_item() -> None:
    ann = {"author": "ann", "brand": "acme"}
    assert _grouped(ann | {"hour": 0}, ann | {"hour": 72}, ann | {"hour": 145}) == [[0, 1], [2]]
    assert _grouped(ann, {"author": "ann", "brand": "other"}, {"author": "bob"}) == [[0], [1], [2]]


def test_messages_without_author_and_thread_stand_alone() -> None:
    assert _grouped({}, {}, {"author": "ann"}) == [[0], [1], [2]]


def test_a_private_thread_is_one_item_however_long_and_by_whomever() -> None:
    case = {"thread": "t1", "channel": Channel.EMAIL}
    assert _grouped(
        case | {"author": "ann", "hour": 0},
        case | {"author": "bob", "hour": 500},
        case | {"hour": 600},
    ) == [[0, 1, 2]]
    assert _grouped(case, case | {"channel": Channel.CHAT}, case | {"brand": "acme"}) == [
        [0],
        [1],
        [2],
    ]


def test_in_a_public_thread_every_author_has_an_item() -> None:
    post = {"thread": "t1", "channel": Channel.FACEBOOK}
    ann, bob = post | {"author": "ann"}, post | {"author": "bob"}
    assert _grouped(ann, bob, ann | {"hour": 500}, bob) == [[0, 2], [1, 3]]
    private = {"visibility": Visibility.PRIVATE}
    assert _grouped(ann | private, bob | private) == [[0, 1]]


def test_threads_and_authors_chain() -> None:
    email = {"channel": Channel.EMAIL}
    assert _grouped(
        email | {"thread": "t1", "author": "ann"},
        email | {"author": "ann"},
        email | {"thread": "t1", "hour": 300},
        {"author": "bob", "hour": 1.5},
    ) == [[0, 1, 2], [3]]


def test_one_handle_on_two_channels_is_not_one_customer() -> None:
    ann = {"author": "ann", "brand": "acme"}
    assert _grouped(ann | {"channel": Channel.TWITTER}, ann | {"channel": Channel.REDDIT}) == [
        [0],
        [1],
    ]


def test_a_thread_of_an_unknown_place_joins_only_what_one_author_wrote() -> None:
    case = {"thread": "t1"}
    ann, bob = case | {"author": "ann"}, case | {"author": "bob"}
    assert _grouped(ann, bob, ann | {"hour": 500}, case, case) == [[0, 2], [1], [3], [4]]
    assert _grouped(ann | {"visibility": Visibility.PRIVATE}, bob, case) == [[0], [1], [2]]


def test_in_a_public_thread_messages_of_nobody_known_stand_alone() -> None:
    post = {"thread": "t1", "channel": Channel.FACEBOOK}
    assert _grouped(post, post | {"hour": 100}) == [[0], [1]]


@pytest.mark.parametrize("name", ["A Google user", "anonymous", "Guest", "[deleted]"])
def test_a_name_that_stands_for_anybody_joins_nothing(name: str) -> None:
    review = {"author": name, "brand": "acme", "channel": Channel.APP_STORE}
    assert _grouped(review, review) == [[0], [1]]


@pytest.mark.parametrize(
    "ids", [["8", "9", "10", "11"], [None] * 12, ["a10", "a9"], ["7", "x"], [None, "1"]]
)
def test_messages_that_arrived_together_are_read_in_the_order_of_their_ids(
    ids: list[str | None],
) -> None:
    messages = [Message(text="", id=id_, author="ann") for id_ in ids]
    (item,) = group(messages, [NOON] * len(ids), DEFAULT)
    assert item.rows == tuple(range(len(ids)))


def test_an_item_is_as_old_as_its_first_message_and_bears_its_id() -> None:
    messages = [
        Message(text="b", id="late", author="ann"),
        Message(text="a", id="early", author="ann"),
        Message(text="c"),
    ]
    first, second = group(messages, [NOON, NOON - timedelta(hours=1), NOON], DEFAULT)
    assert (first.id, first.rows, first.arrival) == ("early", (1, 0), NOON - timedelta(hours=1))
    assert (second.id, second.rows) == ("row 3", (2,))


cases = st.lists(
    st.tuples(
        st.sampled_from([None, "ann", "bob"]),
        st.sampled_from([None, "t1", "t2"]),
        st.sampled_from([None, Channel.TWITTER, Channel.EMAIL]),
        st.integers(0, 200),
    ),
    max_size=8,
)


@given(cases, st.randoms())
def test_items_partition_the_messages_whatever_their_order(case: Any, random: Any) -> None:
    messages = [
        Message(text="", id=str(i), author=author, thread=thread, channel=channel)
        for i, (author, thread, channel, _) in enumerate(case)
    ]
    arrivals = [NOON + timedelta(hours=hour) for *_, hour in case]
    items = group(messages, arrivals, DEFAULT)
    assert sorted(row for item in items for row in item.rows) == list(range(len(case)))
    assert [item.arrival for item in items] == sorted(item.arrival for item in items)
    shuffled = list(range(len(case)))
    random.shuffle(shuffled)
    again = group([messages[i] for i in shuffled], [arrivals[i] for i in shuffled], DEFAULT)
    assert [(item.id, [shuffled[row] for row in item.rows]) for item in again] == [
        (item.id, list(item.rows)) for item in items
    ]


@pytest.mark.parametrize("age", [0, 10, 30, 60, 240, 1000, 5000])
def test_thanks_lower_an_item_and_a_reminder_raises_it(age: float) -> None:
    alone = _value([REQUEST], age)
    assert _value([REQUEST, THANKS], age) < alone
    assert _value([REQUEST, STILL_NOTHING], age) > alone
    assert _value([REQUEST, TAME_REMINDER], age) > alone
    assert _value([REQUEST, STILL_NOTHING, THANKS], age) < _value([REQUEST, STILL_NOTHING], age)
    assert _value([THANKS, STILL_NOTHING], age) > _value([THANKS], age)


def test_fusion_by_hand() -> None:
    fused = fuse(np.stack([REQUEST, THANKS]), PRIOR, DEFAULT.threads)
    same = [0.67 * f * (s / q) ** 0.7 for f, s, q in zip(REQUEST, THANKS, PRIOR, strict=True)]
    weights = [a + 0.33 * s for a, s in zip(same, THANKS, strict=True)]
    assert fused.tolist() == pytest.approx([w / sum(weights) for w in weights])


def test_one_message_keeps_its_own_posterior() -> None:
    assert fuse(REQUEST[None], PRIOR, DEFAULT.threads) is not None
    assert fuse(REQUEST[None], PRIOR, DEFAULT.threads).tolist() == REQUEST.tolist()


def test_a_message_that_says_nothing_new_about_its_class_changes_little() -> None:
    fused = fuse(np.stack([PRIOR, PRIOR]), PRIOR, DEFAULT.threads)
    assert fused.tolist() == pytest.approx(PRIOR.tolist())


rows6 = st.lists(st.floats(0, 1), min_size=6, max_size=6).filter(lambda w: sum(w) > 1e-3)


@given(st.lists(rows6, min_size=2, max_size=5), st.integers(1, 5), st.floats(0, 1))
def test_fused_chances_sum_to_one_and_more_urgent_texts_make_more_urgent_items(
    rows: list[list[float]], source: int, part: float
) -> None:
    posteriors = np.array(rows) / np.array(rows).sum(axis=1, keepdims=True)
    fused = fuse(posteriors, PRIOR, DEFAULT.threads)
    assert fused.sum() == pytest.approx(1)
    assert (fused >= 0).all()
    worse = posteriors.copy()
    worse[-1, source] -= part * posteriors[-1, source]
    worse[-1, 0] += part * posteriors[-1, source]
    assert fuse(worse, PRIOR, DEFAULT.threads)[0] >= fused[0] - 1e-9


def test_certain_scores_do_not_break_the_fusion() -> None:
    sure = np.eye(6)
    fused = fuse(sure[[2, 4, 0]], PRIOR, DEFAULT.threads)
    assert np.isfinite(fused).all()
    assert fused.argmax() == 0


def test_a_text_sent_twice_or_not_scored_is_no_evidence() -> None:
    texts = ["Where is it?", "where is  IT?", "", "Hello?"]
    scored = np.array([True, True, False, True])
    assert evidence_rows([0, 1, 2, 3], texts, scored) == [0, 3]
    assert evidence_rows([2], texts, scored) == [2]
    assert evidence_rows([2, 1], texts, scored) == [1]
