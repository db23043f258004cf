"""From the values of a row to a message; what cannot be read is left empty and told."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypedDict

from replyrank.data.messages import Message
from replyrank.data.readers.columns import ColumnMap, normal_name
from replyrank.data.readers.times import TimeRule, parse_time
from replyrank.data.vocabulary import Channel, Visibility

_EMPTY: Final = frozenset({"", "nan", "none", "null", "n/a", "na", "nat", "-"})
_SHOWN: Final = 60

_CHANNELS: Final[Mapping[str, Channel]] = {
    **{channel.value: channel for channel in Channel},
    **dict.fromkeys(("x", "x_com", "tweet", "twitter_com"), Channel.TWITTER),
    **dict.fromkeys(("fb", "facebook_page", "facebook_com", "messenger"), Channel.FACEBOOK),
    **dict.fromkeys(("ig", "insta"), Channel.INSTAGRAM),
    **dict.fromkeys(("appstore", "google_play", "play_store", "ios", "android"), Channel.APP_STORE),
    **dict.fromkeys(("review", "reviews", "trustpilot", "yelp"), Channel.REVIEW_SITE),
    **dict.fromkeys(("mail", "e_mail"), Channel.EMAIL),
    **dict.fromkeys(("live_chat", "livechat", "web_chat", "webchat"), Channel.CHAT),
    **dict.fromkeys(("whatsapp", "sms"), Channel.CHAT),
}
_VISIBILITIES: Final[Mapping[str, Visibility]] = {
    **{visibility.value: visibility for visibility in Visibility},
    **dict.fromkeys(("dm", "direct", "direct_message"), Visibility.PRIVATE),
}


class _Fields(TypedDict, total=False):
    id: str
    channel: Channel
    visibility: Visibility
    brand: str
    author: str
    customer: str
    reach: int
    thread: str
    created_at: datetime
    language: str


def make_message(
    row: Mapping[str, object], text: object, columns: ColumnMap, times: TimeRule
) -> tuple[Message, list[str]]:
    """The message of a row, and the reasons why fields of it stay empty.

    Args:
        row: the values by column.
        text: the text; what is no text gives a message with an empty one.
        columns: where the fields stand.
        times: how times are read.
    """
    found = _Fields()
    reasons: list[str] = []
    for name, column in columns.fields.items():
        value = row.get(column)
        if _is_empty(value):
            continue
        try:
            _READ[name](found, value, times)
        except (ValueError, OverflowError) as error:
            shown = repr(value)[:_SHOWN]
            reasons.append(f"column {column!r}: {shown} is left out as {name}: {error}")
    return Message(text=text if isinstance(text, str) else "", **found), reasons


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _EMPTY
    # NaN, the one value that differs from itself, is how tables write a missing number.
    return value is None or value != value  # noqa: PLR0124


def _word(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"a {type(value).__name__} is neither text nor number"
        raise ValueError(message)
    # Tables with gaps turn ids into floats: 17.0 is the id 17.
    return str(int(value)) if value == int(value) else str(value)


def _read_id(found: _Fields, value: object, _: TimeRule) -> None:
    found["id"] = _word(value)


def _read_brand(found: _Fields, value: object, _: TimeRule) -> None:
    found["brand"] = _word(value)


def _read_author(found: _Fields, value: object, _: TimeRule) -> None:
    found["author"] = _word(value)


def _read_customer(found: _Fields, value: object, _: TimeRule) -> None:
    found["customer"] = _word(value)


def _read_thread(found: _Fields, value: object, _: TimeRule) -> None:
    found["thread"] = _word(value)


def _read_language(found: _Fields, value: object, _: TimeRule) -> None:
    found["language"] = _word(value).lower()


def _read_channel(found: _Fields, value: object, _: TimeRule) -> None:
    channel = _CHANNELS.get(normal_name(_word(value).lower()))
    if channel is None:
        message = "use one of " + ", ".join(Channel)
        raise ValueError(message)
    found["channel"] = channel


def _read_visibility(found: _Fields, value: object, _: TimeRule) -> None:
    visibility = _VISIBILITIES.get(normal_name(_word(value).lower()))
    if visibility is None:
        message = "use one of " + ", ".join(Visibility)
        raise ValueError(message)
    found["visibility"] = visibility


def _read_reach(found: _Fields, value: object, _: TimeRule) -> None:
    try:
        number = float(_word(value).replace(",", ""))
    except ValueError:
        message = "give a count of followers, such as 1200"
        raise ValueError(message) from None
    if number < 0 or number != int(number):
        message = "a count of followers is a whole number from 0"
        raise ValueError(message)
    found["reach"] = int(number)


def _read_created_at(found: _Fields, value: object, times: TimeRule) -> None:
    found["created_at"] = parse_time(value, times)


_READ: Final[Mapping[str, Callable[[_Fields, object, TimeRule], None]]] = {
    "id": _read_id,
    "channel": _read_channel,
    "visibility": _read_visibility,
    "brand": _read_brand,
    "author": _read_author,
    "customer": _read_customer,
    "reach": _read_reach,
    "thread": _read_thread,
    "created_at": _read_created_at,
    "language": _read_language,
}
