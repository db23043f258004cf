"""Labelled posts beside what a model said of them that had not seen them."""

import numpy as np

from replyrank.data.text_key import text_key
from replyrank.models.held_out import HeldOut, short_key
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.training.metrics import FloatArray, IntArray
from replyrank.training.rows import TrainingRows


def held_out_posts(
    rows: TrainingRows, companies: IntArray, need: FloatArray, p_sentiment: FloatArray
) -> HeldOut:
    """The form in which an artefact keeps them, and a replay draws from them.

    Args:
        rows: n posts with all three labels.
        companies: (n,) number of each post's company, -1 for none.
        need: (n, 16) calibrated probabilities.
        p_sentiment: (n, 3) calibrated probabilities.
    """
    rules = load_rules()
    return HeldOut(
        key=np.array([short_key(text_key(text)) for text in rows.texts], dtype=np.uint64),
        company=companies,
        intent=rows.intent,
        urgency=rows.urgency,
        sentiment=rows.sentiment,
        need=need,
        p_sentiment=p_sentiment,
        rule_hits=rules.hits(rows.texts),
        rules=rules.fingerprint,
    )
