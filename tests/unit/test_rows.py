"""Training rows: texts with integer labels, -1 where a label is not known."""

import numpy as np

from replyrank.data.messages import Labels
from replyrank.data.vocabulary import Intent, SentimentLabel, UrgencyLevel
from replyrank.training.rows import TrainingRows


def _rows() -> TrainingRows:
    return TrainingRows.of(
        ["a", "b", "c"],
        [
            Labels(
                intent=Intent.OPINION,
                urgency=UrgencyLevel.CRITICAL,
                sentiment=SentimentLabel.NEGATIVE,
            ),
            Labels(sentiment=SentimentLabel.POSITIVE),
            Labels(urgency=UrgencyLevel.NONE),
        ],
    )


def test_labels_become_numbers_and_unknown_ones_minus_one() -> None:
    rows = _rows()
    assert rows.intent.tolist() == [2, -1, -1]
    assert rows.urgency.tolist() == [3, -1, 0]
    assert rows.sentiment.tolist() == [0, 2, -1]


def test_take_by_index_and_by_mask() -> None:
    rows = _rows()
    assert rows.take(np.array([2, 0])).texts == ("c", "a")
    masked = rows.take(rows.sentiment >= 0)
    assert masked.texts == ("a", "b")
    assert masked.sentiment.tolist() == [0, 2]
    assert len(rows.take(np.array([], dtype=np.int64))) == 0


def test_concatenate_keeps_the_order() -> None:
    rows = _rows()
    both = TrainingRows.concatenate([rows.take(np.array([1])), rows])
    assert both.texts == ("b", "a", "b", "c")
    assert both.urgency.tolist() == [-1, 3, -1, 0]
