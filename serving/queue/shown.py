"""Items as a page of the order shows them, kept until they change.

Whoever works a queue asks for its first page again and again, and little of it has changed. The
ranker knows the version of each item; what was read of that version, or of a later one, holds.
"""

from collections.abc import Iterable
from typing import Final

from replyrank.serving.queue.items import Item
from replyrank.serving.queue.ranker import Place

#: more than two of the largest pages
_MOST: Final = 1_024


class Shown:
    """The items of the latest pages; of the event loop alone."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._items: dict[int, Item] = {}

    def known(self, places: Iterable[Place]) -> dict[int, Item]:
        """The items of places that need not be read: those that did not change since they were."""
        known = ((place, self._items.get(place.item)) for place in places)
        return {
            place.item: one
            for place, one in known
            if one is not None and one.version >= place.version
        }

    def keep(self, items: Iterable[Item]) -> None:
        """Take in what was read; what was taken in longest ago goes."""
        for one in items:
            self._items.pop(one.id, None)
            self._items[one.id] = one
        while len(self._items) > self._most:
            del self._items[next(iter(self._items))]

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop what changed, so that no text of it stays here."""
        for number in numbers:
            self._items.pop(number, None)
