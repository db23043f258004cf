"""The order of the open items: that of `replyrank rank`, kept right as time passes."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")

from hypothesis import given, settings
from hypothesis import strategies as st

from replyrank.data.messages import Message
from replyrank.data.vocabulary import Channel, Visibility
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.index import class_posterior, growth_bound
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.rank import rank
from replyrank.serving.queue.items import Standing
from replyrank.serving.queue.mirror import Filter
from replyrank.serving.queue.ranker import POOL, Ranker
from replyrank.serving.queue.schema import State
from replyrank.serving.queue.weighing import prior_of

POLICY = load_policy()
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRIOR = prior_of(POLICY, None)
_PREFERRED = re.compile(
    r"([\d.]+) pts/agent-min = ([\d.]+) pts/min ÷ ([\d.]+) min × ([\d.]+) "
    r"\(answered this customer before\);"
)


def standing(
    number: int,
    posterior: np.ndarray,
    *,
    minutes: float = 5.0,
    given: dict[str, str] | None = None,
    **fields: object,
) -> Standing:
    values: dict[str, object] = {
        "brand": "acme",
        "channel": "twitter",
        "team": None,
        "state": State.WAITING,
        "target": 60.0,
        "reach": 0,
        "follow_ups": 0.0,
        "intent": "support_request",
        "preferred_agent": None,
        "version": 1,
    }
    moment = NOW - timedelta(minutes=minutes)
    return Standing(
        id=number,
        age_from=int(moment.timestamp() * 1000),
        posterior=posterior,
        **values | (given or {}) | fields,  # type: ignore[arg-type]
    )


def needs(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(16, 0.3), n)


def filled(n: int, seed: int = 0, *, oldest: float = 300.0) -> tuple[Ranker, list[Standing]]:
    rng = np.random.default_rng(seed)
    ages = rng.uniform(0, oldest, n)
    standings = [
        standing(number, row, minutes=float(ages[number]))
        for number, row in enumerate(class_posterior(needs(n, seed)))
    ]
    ranker = Ranker(POLICY, PRIOR)
    ranker.update(standings, NOW)
    return ranker, standings


def test_the_order_and_the_reasons_are_those_of_the_command() -> None:
    need = needs(60, 3)
    ages = np.random.default_rng(3).uniform(0, 400, 60)
    messages = [
        Message(
            text=f"message {number}",
            id=f"{number}",
            channel=Channel.TWITTER,
            visibility=Visibility.PUBLIC,
            reach=number * 100,
            created_at=NOW - timedelta(minutes=float(age)),
        )
        for number, age in enumerate(ages)
    ]
    scores = ScoreBatch(need, np.tile([0.2, 0.6, 0.2], (60, 1)), ("en",) * 60, (None,) * 60, "m")
    expected = rank(messages, scores, POLICY, NOW)
    ranker = Ranker(POLICY, PRIOR)
    ranker.update(
        [
            standing(number, row, minutes=float(ages[number]), reach=number * 100)
            for number, row in enumerate(class_posterior(need))
        ],
        NOW,
    )
    places, total = ranker.top(60, NOW)
    assert total == 60
    assert [str(place.item) for place in places] == [one.id for one in expected]
    assert [place.guarded for place in places] == [one.guarded for one in expected]
    for place, one in zip(places, expected, strict=True):
        assert place.reason.split("; waited")[0] == one.reason.split("; waited")[0]
        assert abs((place.due - one.due).total_seconds()) < 0.01


def test_pages_join_to_the_whole() -> None:
    ranker, _ = filled(700)
    whole = [place.item for place in ranker.top(300, NOW)[0]]
    pages = [place.item for at in range(0, 300, 50) for place in ranker.top(50, NOW, offset=at)[0]]
    assert pages == whole
    assert ranker.top(10, NOW, offset=700) == ([], 700)


@given(seconds=st.floats(0, 60), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_what_is_taken_between_two_ticks_is_within_the_bound_of_the_best(
    seconds: float, seed: int
) -> None:
    ranker, _ = filled(4 * POOL, seed)
    ranker.tick(NOW)
    later = NOW + timedelta(seconds=seconds)
    found = ranker.top(1, later)[0][0]
    ranker.tick(later)
    best = ranker.top(1, later)[0][0]
    assert found.index >= best.index / growth_bound(60.0, seconds / 60, POLICY) - 1e-12


def test_what_is_new_stands_in_its_place_at_once() -> None:
    ranker, _ = filled(2_000)
    urgent = np.array([0.97, 0.01, 0.01, 0.005, 0.003, 0.002])
    ranker.update([standing(9_999, urgent, minutes=0)], NOW)
    assert ranker.top(1, NOW)[0][0].item == 9_999
    assert ranker.next(NOW)[0] == 9_999


def test_what_is_finished_or_gone_is_out_and_the_others_stay() -> None:
    ranker, standings = filled(50)
    before = [place.item for place in ranker.top(50, NOW)[0]]
    done = standing(before[0], PRIOR, state=State.ANSWERED, version=2)
    ranker.update([done], NOW, gone=[before[1], 12_345])
    assert [place.item for place in ranker.top(50, NOW)[0]] == before[2:]
    assert len(ranker) == 48
    ranker.update([replace(standings[before[0]], version=3)], NOW)
    assert [place.item for place in ranker.top(50, NOW)[0]] == [before[0], *before[2:]]


def test_what_is_held_is_not_offered() -> None:
    ranker, _ = filled(3)
    first = ranker.next(NOW)[0]
    ranker.update([standing(first, PRIOR, state=State.LEASED)], NOW)
    assert first not in ranker.next(NOW)
    held = ranker.top(5, NOW, Filter(state=State.LEASED))[0]
    assert [place.item for place in held] == [first]


@pytest.mark.parametrize(
    ("field", "mine", "other"),
    [("team", "north", "south"), ("brand", "acme", "rival"), ("channel", "email", "chat"),
     ("intent", "praise", "chatter")],
)  # fmt: skip
def test_a_filter_gives_what_is_asked_for(field: str, mine: str, other: str) -> None:
    ranker = Ranker(POLICY, PRIOR)
    ranker.update(
        [standing(n, PRIOR, given={field: mine if n % 3 else other}) for n in range(9)], NOW
    )
    found, total = ranker.top(9, NOW, Filter(**{field: mine}))  # type: ignore[arg-type]
    assert (total, {place.item % 3 for place in found}) == (6, {1, 2})
    assert ranker.top(9, NOW, Filter(**{field: "unheard"})) == ([], 0)  # type: ignore[arg-type]


def test_one_pull_in_so_many_takes_the_oldest_beyond_the_limit() -> None:
    urgent = np.array([0.9, 0.05, 0.02, 0.01, 0.01, 0.01])
    chatter = np.array([0.001, 0.001, 0.001, 0.001, 0.001, 0.995])
    ranker = Ranker(POLICY, PRIOR)
    limit = POLICY.guard.limit_hours * 60
    ranker.update(
        [
            standing(0, chatter, minutes=limit + 5),
            *(standing(n, urgent, minutes=1) for n in range(1, 600)),
        ],
        NOW,
    )
    firsts = [ranker.next(NOW)[0] for _ in range(2 * POLICY.guard.one_in)]
    assert firsts.count(0) == 2
    places = ranker.top(2 * POLICY.guard.one_in, NOW)[0]
    assert [place.rank for place in places if place.guarded] == [POLICY.guard.one_in]


def test_an_agent_meets_those_he_answered_before_a_little_sooner() -> None:
    ranker = Ranker(POLICY, PRIOR)
    ranker.update(
        [standing(1, PRIOR, minutes=6), standing(2, PRIOR, preferred_agent="kim", minutes=5)], NOW
    )
    assert ranker.next(NOW) == [1, 2]
    assert ranker.next(NOW, agent="kim") == [2, 1]
    assert ranker.next(NOW, agent="lee") == [1, 2]
    urgent = np.array([0.9, 0.05, 0.02, 0.01, 0.01, 0.01])
    ranker.update([standing(3, urgent)], NOW)
    assert ranker.next(NOW, agent="kim")[0] == 3


@pytest.mark.parametrize(
    ("wanted", "ticked"),
    [(Filter(), True), (Filter(brand="acme"), True), (Filter(brand="acme"), False)],
    ids=["of the pool", "of a brand", "before the first tick"],
)
def test_what_is_an_agents_own_comes_forward_from_far_behind(
    wanted: Filter, *, ticked: bool
) -> None:
    ranker = Ranker(POLICY, PRIOR)
    many = [standing(n, PRIOR, minutes=30) for n in range(1, 4 * POOL)]
    late = standing(4 * POOL, PRIOR, minutes=29, preferred_agent="kim")
    ranker.update([*many, late], NOW)
    if ticked:
        ranker.tick(NOW)
        ranker.tick(NOW)
    assert ranker.next(NOW, wanted, agent="kim")[0] == late.id
    assert ranker.top(1, NOW, wanted, agent="kim")[0][0].item == late.id
    assert ranker.next(NOW, wanted, agent="lee")[0] != late.id


def test_a_page_for_an_agent_shows_the_index_that_it_is_sorted_by_and_why() -> None:
    ranker = Ranker(POLICY, PRIOR)
    ranker.update(
        [standing(1, PRIOR, minutes=6), standing(2, PRIOR, preferred_agent="kim", minutes=5)], NOW
    )
    plain = {place.item: place for place in ranker.top(2, NOW)[0]}
    places, _ = ranker.top(2, NOW, agent="kim")
    assert [place.item for place in places] == [2, 1]
    first, second = places
    assert first.index > second.index
    assert first.index == pytest.approx(1.25 * plain[2].index)
    value, harm, minutes, factor = _PREFERRED.findall(first.reason)[0]
    assert float(value) == pytest.approx(first.index, rel=0.005)
    assert float(harm) / float(minutes) * float(factor) == pytest.approx(float(value), rel=0.015)
    # What is not preferred reads as it does for everybody.
    assert second == replace(plain[1], rank=2)
    assert all("answered" not in place.reason for place in plain.values())
    assert ranker.top(2, NOW, agent="lee")[0] == ranker.top(2, NOW)[0]


def test_it_says_who_waits_and_how_long() -> None:
    ranker = Ranker(POLICY, PRIOR)
    praise = np.array([0, 0, 0, 0, 1.0, 0])
    ranker.update([standing(n, praise, minutes=n + 1) for n in range(4)], NOW)
    ((key, (count, age)),) = ranker.waiting(NOW).items()
    assert (key, count) == (("praise", "twitter"), 4)
    assert age == pytest.approx(240)


def test_a_reading_that_comes_late_does_not_undo_a_later_one() -> None:
    ranker = Ranker(POLICY, PRIOR)
    old, new = standing(1, PRIOR, version=3), standing(1, PRIOR, state=State.LEASED, version=4)
    ranker.update([old], NOW)
    ranker.hold(1, 4)
    ranker.update([old], NOW)
    assert ranker.next(NOW) == []
    ranker.update([standing(1, PRIOR, state=State.ANSWERED, version=5)], NOW)
    ranker.update([new], NOW)
    assert len(ranker) == 0
    ranker.update([standing(1, PRIOR, version=6)], NOW)
    assert ranker.next(NOW) == [1]
    ranker.update([], NOW, gone=[1])
    ranker.update([standing(1, PRIOR, version=7)], NOW)
    assert len(ranker) == 0


def test_what_a_reading_of_all_does_not_have_goes() -> None:
    ranker, _ = filled(5)
    gone = ranker.ids() - {1, 3}
    # Comes in while the reading is on its way.
    ranker.update([standing(9, PRIOR)], NOW)
    ranker.drop(gone)
    assert len(ranker) == 3
    ranker.drop([9])
    assert sorted(place.item for place in ranker.top(9, NOW)[0]) == [1, 3]
