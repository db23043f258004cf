"""What a trace is made of: the shares of the six classes, found from a model's probabilities."""

from collections.abc import Sequence

import numpy as np

from replyrank.data.vocabulary import Review
from replyrank.models.scorer import Scorer
from replyrank.pipeline.bulk import score_distinct
from replyrank.pipeline.class_mix import estimate_shares
from replyrank.pipeline.index import class_posterior
from replyrank.pipeline.policy import FloatArray


def trace_mix(texts: Sequence[object], scorer: Scorer) -> FloatArray | None:
    """(6,) shares of the classes among the texts; None where none of them can be scored.

    Texts that a model cannot judge (empty, another language) are left out.
    """
    scores = score_distinct(scorer, texts)
    judged = np.array(
        [review in (None, Review.LOW_CONFIDENCE) for review in scores.review], dtype=np.bool_
    )
    if not judged.any():
        return None
    prior = class_posterior(np.array([scorer.config.priors.need]))[0]
    return estimate_shares(class_posterior(scores.need[judged]), prior)
