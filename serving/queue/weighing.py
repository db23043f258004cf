"""From an item's messages to all that follows from them: what it weighs, its age, its target."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, bindparam, func, select, update

from replyrank.data.vocabulary import INTENTS, Channel, Review, Visibility
from replyrank.models.joint import intents
from replyrank.pipeline.index import class_posterior
from replyrank.pipeline.policy import FloatArray, Policy
from replyrank.pipeline.threads import weigh
from replyrank.serving.queue.from_rows import probabilities
from replyrank.serving.queue.schema import item, message
from replyrank.serving.queue.statements import among

_UNSCORED: Final = (Review.EMPTY, Review.LANGUAGE, Review.UNREADABLE)
_AT_ONCE: Final = 400
_READ: Final = (
    *("item", "seq", "text", "need", "review", "model", "channel", "is_public", "reach"),
    "arrived_at",
)


def prior_of(policy: Policy, priors: Sequence[float] | None) -> FloatArray:
    """(6,) shares of the classes that posteriors hold for.

    Args:
        policy: gives them where no model does.
        priors: (16,), the need priors of a model.
    """
    if priors is None:
        return policy.column("share")
    posterior: FloatArray = class_posterior(np.array([priors], dtype=np.float64))[0]
    return posterior


class Weighing:
    """Weighs items by a policy and the priors of the model that scores.

    Args:
        policy: the numbers.
        priors: (16,), the need priors of the model; None: there is none.
    """

    def __init__(self, policy: Policy, priors: Sequence[float] | None) -> None:
        self.policy = policy
        #: (16,) shares of the cells among all posts; None where no model tells them
        self.cells = None if priors is None else np.asarray(priors, dtype=np.float64)
        self._prior = prior_of(policy, priors)

    def write(self, connection: Connection, items: Iterable[int]) -> None:
        """Make everything of items that follows from their messages anew, and keep it.

        Whoever calls holds the items (``hold_items``), so that two do not miss each other's scores.
        """
        numbers = sorted(items)
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            columns = [message.c[name] for name in _READ]
            own: dict[int, list[Any]] = {number: [] for number in some}
            rows = connection.execute(
                select(*columns)
                .where(among(connection, message.c.item, some), ~message.c.is_copy)
                .order_by(message.c.item, message.c.arrived_at, message.c.seq)
            )
            for row in rows:
                own[row.item].append(row)
            copies = {row.item: row for row in connection.execute(_copies(connection, some))}
            values = [
                self._values(number, of, copies.get(number)) for number, of in own.items() if of
            ]
            if values:
                changing = update(item).where(item.c.id == bindparam("_id"))
                connection.execute(changing.values(version=item.c.version + 1), values)

    def _values(self, number: int, own: Sequence[Any], copies: Any) -> dict[str, object]:
        policy, scored = self.policy, [row for row in own if row.need is not None]
        reached = [row.reach or 0 for row in own if row.is_public]
        reviews = sorted({row.review for row in own if row.review})
        values: dict[str, object] = {
            "_id": number,
            "messages": len(own),
            "copies": 0 if copies is None else copies.count,
            "age_from": own[0].arrived_at,
            "last_at": max(row.arrived_at for row in own),
            "latest": max(row.seq for row in own),
            "is_public": bool(reached),
            # Somebody answers a public question in private; the other way he has lost patience.
            "went_public": bool(reached) and not own[0].is_public,
            "reach": max([0, *reached, (copies.reach if copies is not None else 0) or 0]),
            "target": min(policy.target_minutes(_channel(row), _visibility(row)) for row in own),
            "review": ", ".join(reviews) or None,
            "policy": policy.fingerprint,
            "posterior": None,
            "follow_ups": 0.0,
            "intent": None,
            "model": None,
        }
        if not scored:
            return values
        need = np.stack([probabilities(row.need) for row in scored]).astype(np.float64)
        need /= need.sum(axis=1, keepdims=True)
        readable = np.array([row.review not in _UNSCORED for row in scored])
        texts = [row.text for row in scored]
        weighed = weigh(class_posterior(need), texts, readable, self._prior, policy)
        return values | {
            "posterior": weighed.posterior.astype(np.float64).tobytes(),
            "follow_ups": weighed.follow_ups,
            "intent": INTENTS[int(intents(need[-1:]).argmax())],
            "model": scored[-1].model,
        }


def hold_items(connection: Connection, items: Iterable[int]) -> set[int]:
    """Lock items until the end of the transaction, in the order of their numbers; those there."""
    query = select(item.c.id).where(among(connection, item.c.id, items)).order_by(item.c.id)
    return set(connection.execute(query.with_for_update()).scalars())


def _copies(connection: Connection, items: Sequence[int]) -> Any:
    """How many copies items have, and the largest audience of one."""
    return (
        select(
            message.c.item,
            func.count().label("count"),
            func.max(message.c.reach).label("reach"),
        )
        .where(among(connection, message.c.item, items), message.c.is_copy)
        .group_by(message.c.item)
    )


def _channel(row: Any) -> Channel:
    return Channel(row.channel)


def _visibility(row: Any) -> Visibility:
    return Visibility.PUBLIC if row.is_public else Visibility.PRIVATE
