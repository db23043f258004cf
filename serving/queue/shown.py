"""Items as a page of the order shows them, kept until they change.

Whoever works a queue asks for its first page again and again, and little of it has changed. The
ranker knows the version of each item; what was read of that version, or of a later one, holds.
"""

from collections.abc import Iterable, Sequence
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

    def unknown(self, places: Sequence[Place]) -> list[int]:
        """Items that must be read: not known, or changed since."""
        return [place.item for place in places if self._of(place) is None]

    def keep(self, items: Iterable[Item]) -> None:
        """Take in what was read; what was not looked at for longest goes."""
        for one in items:
            self._items.pop(one.id, None)
            self._items[one.id] = one
        while len(self._items) > self._most:
            del self._items[next(iter(self._items))]

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop what changed, so that no text of it stays here."""
        for number in numbers:
            self._items.pop(number, None)

    def page(self, places: Sequence[Place]) -> list[tuple[Place, Item]]:
        """The places whose items are known."""
        found = [(place, self._items.get(place.item)) for place in places]
        return [(place, one) for place, one in found if one is not None]

    def _of(self, place: Place) -> Item | None:
        known = self._items.get(place.item)
        return known if known is not None and known.version >= place.version else None
