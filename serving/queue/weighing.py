"""From the scores of an item's messages to what it weighs in the ranking."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, bindparam, select, update

from replyrank.data.vocabulary import INTENTS, Review
from replyrank.models.joint import intents
from replyrank.pipeline.index import class_posterior
from replyrank.pipeline.policy import FloatArray, Policy
from replyrank.pipeline.threads import weigh
from replyrank.serving.queue.reading import probabilities
from replyrank.serving.queue.schema import item, message

_UNSCORED: Final = (Review.EMPTY, Review.LANGUAGE, Review.UNREADABLE)
_AT_ONCE: Final = 400


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
        prior: (6,), see ``prior_of``.
    """

    def __init__(self, policy: Policy, prior: FloatArray) -> None:
        self.policy = policy
        self._prior = prior

    def write(self, connection: Connection, items: Iterable[int]) -> None:
        """Weigh items anew, of the messages that are scored, and keep it."""
        numbers = sorted(items)
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            columns = [message.c[name] for name in ("item", "text", "need", "review", "model")]
            rows = connection.execute(
                select(*columns)
                .where(message.c.item.in_(some), ~message.c.is_copy, message.c.need.is_not(None))
                .order_by(message.c.item, message.c.arrived_at, message.c.seq)
            ).all()
            of_item: dict[int, list[Any]] = {}
            for row in rows:
                of_item.setdefault(row.item, []).append(row)
            values = [self._values(number, of) for number, of in of_item.items()]
            if values:
                connection.execute(update(item).where(item.c.id == bindparam("_id")), values)

    def _values(self, number: int, rows: Sequence[Any]) -> dict[str, object]:
        need = np.stack([probabilities(row.need) for row in rows]).astype(np.float64)
        need /= need.sum(axis=1, keepdims=True)
        scored = np.array([row.review not in _UNSCORED for row in rows])
        weighed = weigh(
            class_posterior(need), [row.text for row in rows], scored, self._prior, self.policy
        )
        reviews = sorted({row.review for row in rows if row.review})
        return {
            "_id": number,
            "posterior": weighed.posterior.astype(np.float64).tobytes(),
            "follow_ups": weighed.follow_ups,
            "intent": INTENTS[int(intents(need[-1:]).argmax())],
            "review": ", ".join(reviews) or None,
            "model": rows[-1].model,
            "policy": self.policy.fingerprint,
        }
