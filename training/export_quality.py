"""What quantisation costs on posts that the model has not seen: the labelled half of the gate."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from replyrank.models.joint import intents, levels
from replyrank.models.parity import INT8_ECE_RISE, INT8_F1_DROP, Check, Probabilities
from replyrank.training.bootstrap import bootstrap
from replyrank.training.metrics import (
    FloatArray,
    classwise_calibration_error,
    confusion,
    macro_f1,
)
from replyrank.training.oof import FoldLogits
from replyrank.training.rows import TrainingRows

HEADS: Final = ("intent", "urgency", "sentiment")
#: what the checks of a head are called
DROP: Final = "drop of macro-F1 of {}, points"
RISE: Final = "rise of calibration error of {}"

_RESAMPLES: Final = 200
#: how far few posts may widen a limit
_WIDEST: Final = 4.0
#: from so many posts on a limit is never widened
MANY: Final = 5_000


def unseen_checks(parts: Sequence[FoldLogits], posts: TrainingRows, seed: int) -> list[Check]:
    """Drop of macro-F1 and rise of calibration error of each head, int8 against fp32.

    Every post is judged by the models that are blind to it. On few posts a difference beyond
    the limit is often chance, so below ``MANY`` posts the limit is half of the 95 % interval that
    the difference has over resamples of these very posts, where that is wider, but never more than
    four times what it is on many.

    Args:
        parts: what the model blind to each fold says of its posts.
        posts: all labelled posts; a post's row in ``parts`` is its place here.
        seed: of the resamples.
    """
    rows = posts.take(np.concatenate([part.rows for part in parts]))
    full, quantised = (
        Probabilities.of_logits(
            np.concatenate([logits.need for logits in graphs]),
            np.concatenate([logits.sentiment for logits in graphs]),
        )
        for graphs in ([part.fp32 for part in parts], [part.int8 for part in parts])
    )

    def losses(weights: FloatArray) -> Mapping[str, FloatArray]:
        f1 = _macro_f1(full, rows, weights), _macro_f1(quantised, rows, weights)
        error = _calibration(full, rows, weights), _calibration(quantised, rows, weights)
        drops = {DROP.format(h): 100 * (f1[0][h] - f1[1][h]) for h in f1[0]}
        rises = {RISE.format(h): error[1][h] - error[0][h] for h in error[0]}
        return drops | rises

    found = bootstrap(losses, len(rows), seed=seed, resamples=_RESAMPLES)
    checks = []
    for name, estimate in found.items():
        least = INT8_F1_DROP if name.startswith("drop") else INT8_ECE_RISE
        chance = 0.0 if len(rows) >= MANY else float(estimate.high - estimate.low) / 2
        limit = float(np.clip(chance, least, _WIDEST * least))
        checks.append(Check(name, float(estimate.value), limit))
    return checks


def _heads(p: Probabilities, rows: TrainingRows) -> dict[str, tuple[np.ndarray, FloatArray]]:
    return {
        "intent": (rows.intent, intents(p.need)),
        "urgency": (rows.urgency, levels(p.need)),
        "sentiment": (rows.sentiment, p.sentiment),
    }


def _macro_f1(p: Probabilities, rows: TrainingRows, weights: FloatArray) -> dict[str, FloatArray]:
    return {
        head: macro_f1(confusion(true, values.argmax(axis=1), values.shape[1], weights))
        for head, (true, values) in _heads(p, rows).items()
    }


def _calibration(
    p: Probabilities, rows: TrainingRows, weights: FloatArray
) -> dict[str, FloatArray]:
    return {
        head: classwise_calibration_error(true, values, weights)
        for head, (true, values) in _heads(p, rows).items()
    }
