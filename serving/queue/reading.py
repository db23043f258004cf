"""Rows of the database as values."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from replyrank.serving.queue.items import FloatArray, Item, Standing, Turn
from replyrank.serving.queue.schema import State


def numbers(raw: bytes | None) -> FloatArray | None:
    """A stored row of float64."""
    return None if raw is None else np.frombuffer(raw, dtype=np.float64)


def probabilities(raw: bytes | None) -> Any:
    """A stored row of float32; None where nothing was scored."""
    return None if raw is None else np.frombuffer(raw, dtype=np.float32)


def standing_of(row: Any) -> Standing:
    """An item as the ranker needs it."""
    return Standing(
        id=row.id,
        brand=row.brand,
        channel=row.channel,
        team=row.team,
        state=State(row.state),
        age_from=row.age_from,
        posterior=numbers(row.posterior),
        target=row.target,
        reach=row.reach,
        follow_ups=row.follow_ups,
        intent=row.intent,
        preferred_agent=row.preferred_agent,
    )


def turn_of(row: Mapping[Any, Any]) -> Turn:
    """One message."""
    values = {name: row[name] for name in Turn.__dataclass_fields__}
    return Turn(
        **values
        | {"need": probabilities(row["need"]), "sentiment": probabilities(row["sentiment"])}
    )


def item_of(row: Mapping[Any, Any], turns: tuple[Turn, ...]) -> Item:
    """One item with its messages."""
    values = {name: row[name] for name in Item.__dataclass_fields__ if name != "turns"}
    return Item(**values | {"state": State(row["state"])}, turns=turns)
