"""What the tests of the ranking share: messages around one noon, and scores by named cells."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from replyrank.data.messages import Message
from replyrank.data.vocabulary import Review
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.policy import Policy
from replyrank.pipeline.policy_file import load_policy

DEFAULT = load_policy()
NOW = datetime(2025, 6, 4, 12, tzinfo=UTC)

# Cells of need: intent * 4 + level.
SUPPORT, SUPPORT_HIGH, SUPPORT_CRITICAL, PRAISE, OPINION, CHATTER = 1, 2, 3, 4, 8, 12


def need_row(**cells: float) -> list[float]:
    """A row of need from shares of named cells."""
    row = [0.0] * 16
    for name, share in cells.items():
        row[globals()[name.upper()]] = share
    return row


def scores_of(needs: Sequence[Sequence[float]], review: Sequence[Review | None] = ()) -> ScoreBatch:
    """Scores of n messages: their rows of need, and nothing known of their sentiment."""
    n = len(needs)
    need = np.array(needs, float).reshape(n, 16)
    return ScoreBatch(
        need=need / need.sum(axis=1, keepdims=True),
        p_sentiment=np.full((n, 3), 1 / 3),
        language=("en",) * n,
        review=tuple(review) or (None,) * n,
        model="test",
    )


def message_at(name: str, minutes: float = 0, **values: Any) -> Message:
    """A message that arrived so many minutes before noon."""
    return Message(
        text=f"text of {name}", id=name, created_at=NOW - timedelta(minutes=minutes), **values
    )


def policy_with(**changes: Any) -> Policy:
    """The default policy with some parts changed."""
    content = DEFAULT.model_dump(mode="json")
    for part, values in changes.items():
        content[part] = {**content[part], **values}
    return Policy.model_validate(content)
