"""A message as it comes in, and the keys that tie it to an open item."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from replyrank.data.messages import Message
from replyrank.data.near_copies import numbers
from replyrank.data.vocabulary import Visibility
from replyrank.pipeline.policy import Policy
from replyrank.pipeline.threads import ties
from replyrank.serving.queue.copies import copy_keys, short_hash

#: what no database of ours can hold as text
_UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message of one brand, with the id that its platform gave it."""

    message: Message
    brand: str
    channel: str
    external_id: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other message."""
        return self.brand, self.channel, self.external_id


def writable(text: str) -> str:
    """The text with what no database can hold (NUL, half characters) as U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text) if _UNWRITABLE.search(text) else text


@dataclass(frozen=True, slots=True)
class Keys:
    """Hashes that tie messages: equal ones belong together. No name can be read from them."""

    always: tuple[str, ...]
    within_window: tuple[str, ...]
    #: of a public text: messages that share one may say the same
    copies: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every one."""
        return (*self.always, *self.within_window, *self.copies)


def keys_of(messages: Sequence[Inbound], policy: Policy, team: str | None = None) -> list[Keys]:
    """The keys of each message; those of two teams never meet."""
    public = [
        row
        for row, one in enumerate(messages)
        if policy.visibility(one.message.channel, one.message.visibility) is Visibility.PUBLIC
    ]
    copies = dict(
        zip(
            public,
            copy_keys(
                [messages[row].message.text for row in public],
                [_whose(messages[row], team) for row in public],
            ),
            strict=True,
        )
    )
    found = list[Keys]()
    for row, one in enumerate(messages):
        tied = ties(one.message, policy)
        found.append(
            Keys(
                always=tuple(_digest((team, key)) for key in tied.always),
                within_window=tuple(_digest((team, key)) for key in tied.within_window),
                copies=copies.get(row, ()),
            )
        )
    return found


def _whose(one: Inbound, team: str | None) -> tuple[Hashable, ...]:
    """What two copies have in common: whoever names another order has a matter of his own."""
    named = numbers(one.message.text)
    return ("copy", team, one.brand, *((tuple(sorted(named)),) if named else ()))


def _digest(key: Hashable) -> str:
    return short_hash(repr(key).encode("utf-8", "surrogatepass"))
