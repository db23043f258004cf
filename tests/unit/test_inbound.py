"""What ties a message to another."""

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")

from replyrank.data.vocabulary import Channel
from replyrank.pipeline.policy_file import load_policy
from replyrank.serving.queue.inbound import Inbound, Keys, keys_of, writable
from tests.queues import inbound, private

POLICY = load_policy()
LONG = "the app has been down in the whole country since this morning and nobody says a word"


def key_of(one: Inbound) -> Keys:
    (keys,) = keys_of([one], POLICY)
    return keys


def shared(one: str, other: str) -> int:
    first, second = (key_of(inbound("1", words)).copies for words in (one, other))
    return len({*first} & {*second})


def test_copies_share_a_key_and_others_share_none() -> None:
    assert shared(LONG, f"RT @bo: {LONG.upper()}!! https://t.co/x") > 0
    assert shared(LONG, LONG + " really") > 0
    assert shared(LONG, "where is the parcel that I ordered two weeks ago for my mother?") == 0


def test_whoever_names_another_number_copies_nobody() -> None:
    mine = "where is my order 48213? it is two weeks late and nobody answers the phone"
    assert shared(mine, f"RT @bo2: {mine} https://t.co/x7") > 0
    assert shared(mine, mine.replace("48213", "48214")) == 0
    assert shared(mine, mine.replace("48213", "")) == 0


def test_order_of_letters_counts() -> None:
    assert shared(LONG, LONG[::-1]) == 0


def test_short_or_private_texts_are_copies_of_nothing() -> None:
    assert key_of(inbound("1", "thanks!")).copies == ()
    assert key_of(private("1", LONG)).copies == ()


def test_keys_name_nobody() -> None:
    keys = key_of(inbound("1", LONG, author="bo", thread="t", customer="c"))
    assert len(keys.all) == 7
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in keys.all)


def test_keys_tell_brands_and_channels_apart() -> None:
    one = key_of(inbound("1", LONG, author="bo"))
    for other in (
        inbound("1", LONG, author="bo", brand="rival"),
        inbound("1", LONG, author="bo", channel=Channel.FACEBOOK),
    ):
        assert not {*one.within_window} & {*key_of(other).within_window}
    assert not {*one.copies} & {*key_of(inbound("1", LONG, brand="rival")).copies}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("plain \u00e9 \U0001f600", "plain \u00e9 \U0001f600"), ("a\0b\ud83d", "a\ufffdb\ufffd")],
)
def test_what_no_database_holds_is_replaced(given: str, kept: str) -> None:
    assert writable(given) == kept


def test_keys_of_many_are_those_of_each() -> None:
    words = (LONG, "thanks!", LONG.upper(), "\U0001f600" * 30, "\ud800" * 30, "x" * 25, LONG + LONG)
    many = [inbound(str(row), text) for row, text in enumerate(words)]
    many.insert(2, private("p", LONG))
    assert keys_of(many, POLICY) == [key_of(one) for one in many]


def test_keys_are_those_of_earlier_versions() -> None:
    # They lie in databases: other ones would find nothing there.
    assert key_of(inbound("1", LONG)).copies == (
        "b4476ec266f3246bc4b779edcf906ea8",
        "4f9cc0cca2c82b712989046f5096da22",
        "5615c8d804135ef1491cba69ac536a85",
        "59e4e37c73836fee334096c51d1a9eb8",
    )
