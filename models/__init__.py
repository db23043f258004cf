"""Floor 2: from text to calibrated scores.

``from replyrank.models import load_scorer; load_scorer().score(texts)``
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replyrank.models.find import load_scorer
    from replyrank.models.scorer import Scorer
    from replyrank.models.scores import Score, ScoreBatch

__all__ = ["Score", "ScoreBatch", "Scorer", "load_scorer"]

_HOME = {
    "Score": "replyrank.models.scores",
    "ScoreBatch": "replyrank.models.scores",
    "Scorer": "replyrank.models.scorer",
    "load_scorer": "replyrank.models.find",
}


def __getattr__(name: str) -> Any:
    # Importing the package must be quick: numpy and the rest come with the first use.
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME[name]), name)
