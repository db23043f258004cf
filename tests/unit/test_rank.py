"""The ranked list: order, ties, guard, due times, and reasons that add up."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replyrank.data.messages import Message
from replyrank.data.vocabulary import Channel, Review, Visibility
from replyrank.pipeline.policy import Policy
from replyrank.pipeline.rank import RankedItem, guarded_order, rank
from replyrank.pipeline.reason import figure
from tests.ranking import DEFAULT, NOW, message_at, need_row, policy_with, scores_of


def _ids(items: Sequence[RankedItem]) -> list[str]:
    return [item.id for item in items]


def test_urgent_before_support_before_opinion_before_praise_before_chatter() -> None:
    names = ["chatter", "praise", "opinion", "support", "support_high", "support_critical"]
    messages = [message_at(name, channel=Channel.TWITTER) for name in names]
    items = rank(messages, scores_of([need_row(**{name: 1}) for name in names]), DEFAULT, NOW)
    assert _ids(items) == names[::-1]
    assert [item.rank for item in items] == [1, 2, 3, 4, 5, 6]
    assert [item.rows for item in items] == [(5,), (4,), (3,), (2,), (1,), (0,)]


def test_the_whole_reason() -> None:
    messages = [
        message_at("a", 75, channel=Channel.TWITTER, author="ann", reach=9000),
        message_at("b", 5, channel=Channel.TWITTER, author="ann"),
    ]
    need = need_row(support=0.90, support_high=0.05, support_critical=0.01, opinion=0.04)
    later = need_row(support=0.6, support_high=0.3, opinion=0.1)
    (item,) = rank(messages, scores_of([need, later]), DEFAULT, NOW)
    assert item.message_ids == ("a", "b")
    assert item.reason == (
        "1.5 pts/agent-min = 7.52 pts/min ÷ 5.03 min; support 82.9%×3×1 (target 60 min) + "
        "high 13.5%×10×1 (target 15 min) + rest 0.00936; reach ×1.35 (critical, high, support), "
        "repeat ×1.45 (1 follow-up); waited 75 min"
    )


def test_equal_items_stand_by_arrival_then_id_whatever_the_order_of_the_file() -> None:
    messages = [
        message_at("c", 700),
        message_at("b", 700),
        message_at("a", 600),
        message_at("d", 800),
    ]
    same = need_row(chatter=1)
    # Beyond its target a message no longer grows: all four are equal.
    policy = policy_with(channels={"other": {"public": 1, "private": 1, "unknown": "private"}})
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        items = rank([messages[i] for i in order], scores_of([same] * 4), policy, NOW)
        assert _ids(items) == ["d", "b", "c", "a"]


def test_messages_without_time_or_id_count_as_now_and_say_so() -> None:
    messages = [Message(text="one"), Message(text="two", created_at=NOW + timedelta(hours=1))]
    first, second = rank(messages, scores_of([need_row(support=1)] * 2), DEFAULT, NOW)
    assert (first.id, first.age_minutes) == ("row 1", 0)
    assert first.reason.endswith("; waited 0 min; arrival unknown, counted as now")
    assert second.reason.endswith("; waited 0 min; arrival in the future, counted as now")
    assert first.due == NOW + timedelta(minutes=60)


def test_messages_to_review_rank_by_the_priors_in_their_scores() -> None:
    prior = need_row(support=0.3, support_high=0.08, praise=0.2, opinion=0.2, chatter=0.22)
    needs = [need_row(chatter=1), prior, need_row(support_high=1)]
    review = [None, Review.LANGUAGE, Review.LOW_CONFIDENCE]
    messages = [message_at(name) for name in "abc"]
    items = rank(messages, scores_of(needs, review), DEFAULT, NOW)
    assert _ids(items) == ["c", "b", "a"]
    assert items[0].reason.endswith("; labels to review: low_confidence")
    assert items[1].reason.endswith("; labels to review: language")


def test_an_unscored_follow_up_leaves_the_posterior_alone() -> None:
    messages = [message_at("a", 9, author="ann"), message_at("b", 1, author="ann")]
    scores = scores_of(
        [need_row(support=0.9, chatter=0.1), need_row(chatter=1)], [None, Review.EMPTY]
    )
    (item,) = rank(messages, scores, DEFAULT, NOW)
    assert item.posterior == pytest.approx((0, 0, 0.9, 0, 0, 0.1))


def test_the_models_priors_weigh_the_evidence_of_follow_ups() -> None:
    messages = [message_at("a", 9, author="ann"), message_at("b", 1, author="ann")]
    scores = scores_of([need_row(support=0.9, chatter=0.1), need_row(support=0.5, chatter=0.5)])
    rare = need_row(support=0.1, support_high=0.1, chatter=0.7, praise=0.1)
    common = need_row(support=0.7, support_high=0.1, chatter=0.1, praise=0.1)
    by = [rank(messages, scores, DEFAULT, NOW, priors=p)[0].posterior[2] for p in (rare, common)]
    # Where support is rare, a text that is support at 50 % is strong evidence for it.
    assert by[0] > 0.9 > by[1]


def test_an_item_has_the_shortest_target_and_the_largest_public_audience() -> None:
    messages = [
        message_at("a", 9, author="ann", visibility=Visibility.PRIVATE, reach=10**6),
        message_at("b", 5, author="ann", visibility=Visibility.PUBLIC, reach=9000),
    ]
    messages = [replace(message, channel=Channel.FACEBOOK) for message in messages]
    (item,) = rank(messages, scores_of([need_row(support=1)] * 2), DEFAULT, NOW)
    assert "(target 60 min)" in item.reason
    assert "reach ×1.35" in item.reason
    assert item.due == NOW + timedelta(minutes=51)


def test_a_private_message_earns_no_reach() -> None:
    messages = [
        message_at("a", channel=Channel.TWITTER, visibility=Visibility.PRIVATE, reach=10**6)
    ]
    (item,) = rank(messages, scores_of([need_row(support=1)]), DEFAULT, NOW)
    assert "reach ×1, " in item.reason


def test_waiting_counts_in_open_hours() -> None:
    policy = policy_with(calendar={"always_open": False})
    # Wednesday noon UTC; the team opened at nine.
    messages = [message_at("a", 24 * 60, channel=Channel.EMAIL)]
    (item,) = rank(messages, scores_of([need_row(support_high=1)]), policy, NOW)
    assert item.age_minutes == 8.5 * 60
    assert item.due == NOW - timedelta(hours=23, minutes=30)
    assert "; waited 510 min of open hours" in item.reason


def test_nothing_to_rank_is_an_empty_list() -> None:
    assert rank([], scores_of([]), DEFAULT, NOW) == []
    assert rank([], scores_of([]), DEFAULT, replay=True) == []


def test_messages_and_scores_must_match() -> None:
    with pytest.raises(ValueError, match="1 messages and 0 scores; give one score a message"):
        rank([Message(text="a")], scores_of([]), DEFAULT, NOW)


def test_the_guard_gives_one_place_in_so_many_to_the_oldest() -> None:
    policy = policy_with(guard={"one_in": 4, "limit_hours": 1})
    messages = [message_at(f"new{i}") for i in range(8)] + [
        message_at("old1", 120),
        message_at("old2", 90),
    ]
    needs = [need_row(support_high=1)] * 8 + [need_row(chatter=1)] * 2
    items = rank(messages, scores_of(needs), policy, NOW)
    assert _ids(items)[3] == "old1"
    assert _ids(items)[7] == "old2"
    assert [item.rank for item in items if item.guarded] == [4, 8]
    assert items[3].reason.endswith("; placed by the guard: over 1 h old")


orders = st.integers(0, 40).flatmap(
    lambda n: st.tuples(
        st.permutations(range(n)),
        st.lists(st.floats(0, 1000), min_size=n, max_size=n).map(lambda a: sorted(a, reverse=True)),
    )
)


@given(orders, st.integers(2, 6))
def test_guarded_order_is_a_permutation_with_at_most_one_guarded_place_in_so_many(
    case: tuple[list[int], list[float]], one_in: int
) -> None:
    order, ages = case
    guard = _GUARD.model_copy(update={"one_in": one_in})
    placed = guarded_order(np.array(order, dtype=np.intp), np.array(ages), guard)
    assert sorted(row for row, _ in placed) == list(range(len(order)))
    moved = [place for place, (_, guarded) in enumerate(placed) if guarded]
    assert all(b - a >= one_in for a, b in itertools.pairwise(moved))
    assert all(ages[placed[place][0]] > 60 * guard.limit_hours for place in moved)
    # Without the guarded ones the order is untouched.
    kept = [row for row, guarded in placed if not guarded]
    assert kept == [row for row in order if row in set(kept)]


_GUARD = DEFAULT.guard
_SMALL_GUARD = policy_with(guard={"one_in": 3, "limit_hours": 1})

cells = st.lists(st.floats(0, 1), min_size=16, max_size=16).filter(lambda w: sum(w) > 1e-3)
crowds = st.lists(
    st.tuples(cells, st.integers(0, 600), st.integers(0, 10**6)), min_size=1, max_size=8
)


def _even(policy: Policy) -> Policy:
    content = policy.model_dump(mode="json")
    for rule in content["classes"].values():
        rule["handling"] = 2.68
    return Policy.model_validate(content)


_EVEN = _even(_SMALL_GUARD)


def _crowd(case: Any, followed: bool = False) -> tuple[list[Message], list[list[float]]]:
    messages = [
        message_at(f"m{i:02d}", minutes, author=f"u{i}", channel=Channel.TWITTER, reach=followers)
        for i, (_, minutes, followers) in enumerate(case)
    ]
    needs = [list(need) for need, *_ in case]
    if followed:
        messages.append(message_at("again", 0, author="u0", channel=Channel.TWITTER))
        needs.append(needs[0])
    return messages, needs


def _place_of(name: str, messages: list[Message], needs: list[list[float]]) -> int:
    items = rank(messages, scores_of(needs), _EVEN, NOW)
    return next(item.rank for item in items if name in item.message_ids)


@settings(deadline=None, max_examples=50)
@given(crowds, st.integers(0, 15), st.sampled_from([2, 3, 6, 11, 15]), st.floats(0, 1))
def test_a_more_urgent_text_never_ranks_lower(
    case: Any, source: int, goal: int, part: float
) -> None:
    if source % 4 > goal % 4:
        source, goal = goal, source
    if source % 4 == goal % 4 or goal % 4 < 2:
        return
    messages, needs = _crowd(case)
    needs = [[p / sum(need) for p in need] for need in needs]
    before = _place_of("m00", messages, needs)
    moved = part * needs[0][source]
    needs[0][source] -= moved
    needs[0][goal] += moved
    assert _place_of("m00", messages, needs) <= before


@settings(deadline=None, max_examples=50)
@given(crowds, st.integers(0, 2000), st.integers(0, 10**7))
def test_a_longer_wait_and_a_larger_audience_never_rank_lower(
    case: Any, minutes: int, followers: int
) -> None:
    messages, needs = _crowd(case)
    before = _place_of("m00", messages, needs)
    need, waited, audience = case[0]
    for grown in ((need, waited + minutes, audience), (need, waited, audience + followers)):
        assert _place_of("m00", *_crowd([grown, *case[1:]])) <= before


@settings(deadline=None, max_examples=50)
@given(crowds)
def test_writing_the_same_again_never_ranks_lower(case: Any) -> None:
    messages, needs = _crowd(case)
    before = _place_of("m00", messages, needs)
    messages, needs = _crowd(case, followed=True)
    messages[-1] = Message(
        text=messages[0].text, id="again", author="u0", channel=Channel.TWITTER, created_at=NOW
    )
    assert _place_of("m00", messages, needs) <= before


@settings(deadline=None, max_examples=50)
@given(crowds, st.randoms())
def test_the_ranking_does_not_depend_on_the_order_of_the_file(case: Any, random: Any) -> None:
    messages, needs = _crowd(case)
    order = list(range(len(messages)))
    random.shuffle(order)
    one = rank(messages, scores_of(needs), _SMALL_GUARD, NOW)
    other = rank(
        [messages[i] for i in order], scores_of([needs[i] for i in order]), _SMALL_GUARD, NOW
    )
    assert [(i.id, i.index, i.due, i.reason) for i in one] == [
        (i.id, i.index, i.due, i.reason) for i in other
    ]


_HEAD = re.compile(r"([\d.]+) pts/agent-min = ([\d.]+) pts/min ÷ ([\d.]+) min; (.*?); reach")
_TERM = re.compile(r"(\w+) ([\d.]+)%×([\d.]+)×([\d.]+) \(target ([\d.]+) min\)")
_FACTORS = re.compile(r"reach ×([\d.]+)(?: \(([\w, ]+)\))?, repeat ×([\d.]+)")


@settings(deadline=None, max_examples=50)
@given(crowds)
def test_the_numbers_of_a_reason_make_the_index(case: Any) -> None:
    messages, needs = _crowd(case, followed=True)
    for item in rank(messages, scores_of(needs), DEFAULT, NOW):
        head, factors = _HEAD.match(item.reason), _FACTORS.search(item.reason)
        assert head is not None
        assert factors is not None
        value, harm, minutes = (float(head[i]) for i in (1, 2, 3))
        reach, repeat, reached = float(factors[1]), float(factors[3]), factors[2] or ""
        terms = [
            float(p) / 100 * float(w) * float(phi) * (reach if name in reached.split(", ") else 1)
            for name, p, w, phi, _ in _TERM.findall(head[4])
        ]
        rest = re.search(r"rest ([\d.]+)", head[4])
        total = sum(terms) + (float(rest[1]) if rest else 0.0)
        assert terms
        # Three digits a factor: at most half a percent each, and five of them.
        assert repeat * total == pytest.approx(harm, rel=0.025)
        assert harm / minutes == pytest.approx(value, rel=0.015)
        assert value == pytest.approx(item.index, rel=0.005)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1.0049, "1"),
        (12.345, "12.3"),
        (1234.5, "1230"),
        (0.0001234, "0.000123"),
    ],
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert figure(value) == text
