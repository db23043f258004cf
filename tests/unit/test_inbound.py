"""What ties a message to another."""

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")

from replyrank.data.vocabulary import Channel
from replyrank.pipeline.policy_file import load_policy
from replyrank.serving.queue.inbound import keys_of, writable
from tests.queues import inbound, private

POLICY = load_policy()
LONG = "the app has been down in the whole country since this morning and nobody says a word"


def shared(one: str, other: str) -> int:
    first, second = (keys_of(inbound("1", words), POLICY).copies for words in (one, other))
    return len({*first} & {*second})


def test_copies_share_a_key_and_others_share_none() -> None:
    assert shared(LONG, f"RT @bo: {LONG.upper()}!! https://t.co/x") > 0
    assert shared(LONG, LONG + " really") > 0
    assert shared(LONG, "where is the parcel that I ordered two weeks ago for my mother?") == 0


def test_order_of_letters_counts() -> None:
    assert shared(LONG, LONG[::-1]) == 0


def test_short_or_private_texts_are_copies_of_nothing() -> None:
    assert keys_of(inbound("1", "thanks!"), POLICY).copies == ()
    assert keys_of(private("1", LONG), POLICY).copies == ()


def test_keys_name_nobody() -> None:
    keys = keys_of(inbound("1", LONG, author="bo", thread="t", customer="c"), POLICY)
    assert len(keys.all) == 7
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in keys.all)


def test_keys_tell_brands_and_channels_apart() -> None:
    one = keys_of(inbound("1", LONG, author="bo"), POLICY)
    for other in (
        inbound("1", LONG, author="bo", brand="rival"),
        inbound("1", LONG, author="bo", channel=Channel.FACEBOOK),
    ):
        assert not {*one.within_window} & {*keys_of(other, POLICY).within_window}
    assert not {*one.copies} & {*keys_of(inbound("1", LONG, brand="rival"), POLICY).copies}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("plain \u00e9 \U0001f600", "plain \u00e9 \U0001f600"), ("a\0b\ud83d", "a\ufffdb\ufffd")],
)
def test_what_no_database_holds_is_replaced(given: str, kept: str) -> None:
    assert writable(given) == kept
