"""Bodies of requests read by the models of the service and by hand: the same rules and results.

``bodies`` measures what each of them takes.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from replyrank.data.messages import Message
from replyrank.data.vocabulary import Channel, Visibility
from replyrank.serving.api.schemas import InboundMessage, MessageBatch, ScoreRequest
from replyrank.serving.queue.inbound import Inbound, writable

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")
_MOST_LETTERS: Final = 200
_MOST_FOLLOWERS: Final = 10**10
_CHANNELS: Final = {one.value: one for one in Channel}
_VISIBILITIES: Final = {one.value: one for one in Visibility}
_KEYS: Final = frozenset(InboundMessage.model_fields)
_NEEDED: Final = ("id", "brand", "channel", "text")


class WrongError(Exception):
    """A body that the API does not describe."""


def texts_by_pydantic(raw: bytes) -> list[str]:
    """The texts of ``POST /v1/score``."""
    return ScoreRequest.model_validate(_parsed(raw)).texts


def texts_by_hand(raw: bytes) -> list[str]:
    """The same by checks of the same rules.

    Raises:
        WrongError: at the first value that is wrong.
    """
    body = _parsed(raw)
    if not isinstance(body, dict) or body.keys() != {"texts"}:
        raise WrongError
    texts = body["texts"]
    if not isinstance(texts, list) or not texts:
        raise WrongError
    return [_words(text) for text in texts]


def batch_by_pydantic(raw: bytes) -> list[Inbound]:
    """The messages of ``POST /v1/messages/batch``."""
    batch = MessageBatch.model_validate(_parsed(raw))
    return [InboundMessage.model_validate(one).inbound() for one in batch.messages]


def batch_by_hand(raw: bytes) -> list[Inbound]:
    """The same by checks of the same rules, of numbers and times as they are described.

    Pydantic also takes numbers in quotes, and times in seconds.

    Raises:
        WrongError: at the first value that is wrong.
    """
    body = _parsed(raw)
    if not isinstance(body, dict) or body.keys() != {"messages"}:
        raise WrongError
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise WrongError
    return [_message(one) for one in messages]


def _message(raw: object) -> Inbound:
    if not isinstance(raw, dict) or not raw.keys() <= _KEYS:
        raise WrongError
    if any(name not in raw for name in _NEEDED):
        raise WrongError
    number, brand, channel = _name(raw["id"]), _name(raw["brand"]), raw["channel"]
    visibility, reach, at = (raw.get(name) for name in ("visibility", "reach", "created_at"))
    if not isinstance(channel, str) or channel not in _CHANNELS:
        raise WrongError
    if visibility is not None and visibility not in _VISIBILITIES:
        raise WrongError
    if reach is not None and not (isinstance(reach, int) and 0 <= reach <= _MOST_FOLLOWERS):
        raise WrongError
    message = Message(
        text=_words(raw["text"]),
        id=number,
        channel=_CHANNELS[channel],
        visibility=None if visibility is None else _VISIBILITIES[visibility],
        brand=brand,
        author=_name_or_none(raw.get("author")),
        customer=_name_or_none(raw.get("customer")),
        reach=reach,
        thread=_name_or_none(raw.get("thread")),
        created_at=None if at is None else _time(at),
    )
    return Inbound(message, brand, channel, number)


def _name_or_none(value: object) -> str | None:
    return None if value is None else _name(value)


def _name(value: object) -> str:
    name = _words(value)
    if not 1 <= len(name) <= _MOST_LETTERS or _CONTROL.search(name):
        raise WrongError
    return name


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise WrongError
    return writable(value)


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise WrongError
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise WrongError
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongError from None


def _parsed(raw: bytes) -> Any:
    # As the service does it.
    return json.loads(raw, parse_constant=_no_number)


def _no_number(_: str) -> float:
    raise WrongError


def check_both_agree(messages: list[dict[str, Any]]) -> None:
    """Both ways take the same as the same, and refuse the same.

    Raises:
        AssertionError: they do not.
    """
    raw = json.dumps({"messages": messages}).encode()
    assert batch_by_hand(raw) == batch_by_pydantic(raw)
    good = messages[0]
    wrong: list[object] = [good | {name: value} for name, value in _WRONG]
    wrong += [{name: good[name] for name in good if name != gone} for gone in _NEEDED]
    bodies = [json.dumps({"messages": [one]}).encode() for one in [*wrong, "words", None]]
    for body in (*bodies, b"{}", b"[]", b'{"messages": []}', b'{"messages": [], "more": 1}'):
        assert _refuses(batch_by_hand, body), body
        assert _refuses(batch_by_pydantic, body), body
    for body in (
        b"[]",
        b'{"texts": []}',
        b'{"texts": "x"}',
        b'{"texts": [1]}',
        b'{"texts": [NaN]}',
    ):
        assert _refuses(texts_by_hand, body), body
        assert _refuses(texts_by_pydantic, body), body


_WRONG: Final[tuple[tuple[str, object], ...]] = (
    ("id", ""), ("id", 1), ("brand", "x" * 201), ("author", "a\tb"), ("customer", "\ufffd"),
    ("channel", "telegraph"), ("visibility", "secret"), ("reach", -1), ("reach", 10**11),
    ("thread", []), ("created_at", "2026-03-02T12:00:00"), ("created_at", "noon"), ("text", None),
    ("colour", "red"),
)  # fmt: skip


def _refuses(way: Callable[[bytes], object], body: bytes) -> bool:
    try:
        way(body)
    except (WrongError, ValidationError):
        return True
    return False
