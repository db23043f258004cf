"""The table that says what other people's labels mean."""

import pytest

from replyrank.data.corpora import CORPORA, labels_of, mapping_table
from replyrank.data.errors import UsageError
from replyrank.data.messages import Labels
from replyrank.data.vocabulary import Intent, SentimentLabel, UrgencyLevel


def test_every_row_is_of_a_corpus_and_says_why() -> None:
    rows = mapping_table().values()
    assert {row.source for row in rows} <= set(CORPORA)
    assert all(row.why for row in rows)


def test_what_is_switched_off_has_something_to_switch_on() -> None:
    assert [
        row for row in mapping_table().values() if not row.default and row.labels == Labels()
    ] == []


def test_labels_of_one_native_label() -> None:
    assert labels_of("airline", "negative") == Labels(sentiment=SentimentLabel.NEGATIVE)
    assert labels_of("banking77", "question") == Labels(intent=Intent.SUPPORT_REQUEST)


def test_what_is_switched_off_must_be_asked_for() -> None:
    assert labels_of("trec_is", "Critical") == Labels()
    assert labels_of("trec_is", "Critical", optional=True) == Labels(urgency=UrgencyLevel.CRITICAL)


def test_several_labels_must_agree() -> None:
    assert labels_of("goemotions", "joy", "love").sentiment is SentimentLabel.POSITIVE
    assert labels_of("goemotions", "joy", "anger").sentiment is None
    assert labels_of("goemotions", "joy", "surprise").sentiment is None


def test_an_unknown_label_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"'furious' of corpus 'airline'.*add a row"):
        labels_of("airline", "furious")
