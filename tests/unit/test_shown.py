"""Items of a page are read again only when they changed."""

from datetime import UTC, datetime

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")

from replyrank.serving.queue.items import Item
from replyrank.serving.queue.ranker import Place
from replyrank.serving.queue.schema import State
from replyrank.serving.queue.shown import Shown


def place(item: int, version: int) -> Place:
    return Place(
        rank=1, item=item, version=version, index=1.0, due=datetime(2026, 3, 2, tzinfo=UTC),
        age_minutes=1.0, guarded=False, reason="", classes=[],
    )  # fmt: skip


def item(number: int, version: int) -> Item:
    return Item(
        id=number, brand="acme", channel="twitter", team=None, state=State.WAITING, age_from=0,
        last_at=0, is_public=True, went_public=False, copies=0, reach=0, owner=None,
        preferred_agent=None, generation=0, lease_until=None, finished_at=None, model=None,
        review=None, messages=1, version=version,
    )  # fmt: skip


def test_what_is_known_of_this_version_or_a_later_one_is_not_read_again() -> None:
    shown = Shown()
    places = [place(1, 3), place(2, 3), place(3, 3), place(4, 1)]
    assert shown.known(places) == {}
    shown.keep([item(1, 3), item(2, 4), item(3, 2)])
    assert shown.known(places) == {1: item(1, 3), 2: item(2, 4)}


def test_what_changed_is_dropped_and_the_oldest_make_room() -> None:
    shown = Shown(most=2)
    shown.keep([item(1, 1), item(2, 1)])
    shown.keep([item(1, 2), item(3, 1)])
    assert set(shown.known([place(1, 1), place(2, 1), place(3, 1)])) == {1, 3}
    shown.forget([1, 99])
    assert set(shown.known([place(1, 1), place(3, 1)])) == {3}
