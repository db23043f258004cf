"""Rows of the database as values."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from replyrank.serving.queue.items import FloatArray, Item, Standing, Turn
from replyrank.serving.queue.schema import State

_TURN: Final = list(Turn.__dataclass_fields__)
_NEED, _MOOD = _TURN.index("need"), _TURN.index("sentiment")
_STATE: Final = list(Item.__dataclass_fields__).index("state")


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
        version=row.version,
    )


def turn_of(row: Sequence[Any]) -> Turn:
    """One message, of a row whose columns are the fields of ``Turn``."""
    values: list[Any] = list(row)
    values[_NEED], values[_MOOD] = probabilities(values[_NEED]), probabilities(values[_MOOD])
    return Turn(*values)


def item_of(row: Sequence[Any], turns: tuple[Turn, ...]) -> Item:
    """One item, of a row whose columns are the fields of ``Item`` but for the turns."""
    values: list[Any] = list(row)
    values[_STATE] = State(values[_STATE])
    values.append(turns)
    return Item(*values)
