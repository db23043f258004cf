"""The posts that were written to train on are whole, varied and apart from what measures."""

from collections import Counter

from replyrank.data.behaviour import load_cases
from replyrank.data.messages import Labels
from replyrank.data.near_copies import NearCopyGuard, normalise
from replyrank.data.samples.load import load_samples
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.data.written import load_written, written_topics

POSTS = load_written()


def test_ids_and_texts_stand_once() -> None:
    assert len({post.id for post in POSTS}) == len(POSTS)
    texts = Counter(normalise(post.text) for post in POSTS)
    assert [text for text, n in texts.items() if n > 1] == []


def test_every_topic_has_every_label() -> None:
    for topic in written_topics():
        labels = [post.labels for post in POSTS if post.topic == topic]
        assert {label.intent for label in labels} == set(INTENTS)
        assert {label.urgency for label in labels} == set(URGENCY_LEVELS)
        assert {label.sentiment for label in labels} == set(SENTIMENT_LABELS)


def test_critical_posts_are_many_and_rarely_say_so() -> None:
    critical = [post for post in POSTS if post.labels.urgency == URGENCY_LEVELS[-1]]
    alarmed = [
        post
        for post in critical
        if any(word in post.text.lower() for word in ("urgent", "emergency", "asap", "help"))
    ]
    assert len(critical) >= 4_500
    assert len(alarmed) < len(critical) / 3


def test_every_label_was_given_by_two_readers_or_more() -> None:
    assert {post.votes for post in POSTS} <= {2, 3}
    assert all(post.labels != Labels() for post in POSTS)


def test_no_written_post_is_a_near_copy_of_a_case_or_a_sample() -> None:
    guard = NearCopyGuard(
        [text for case in load_cases() for text in case.texts]
        + [sample.message.text for sample in load_samples()]
    )
    assert [post.text for post in POSTS if guard.copied(post.text) is not None] == []
