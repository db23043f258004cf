"""Which column holds the text, and which the other fields of a message."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from replyrank.data.errors import UsageError
from replyrank.data.messages import Message
from replyrank.data.vocabulary import SCORE_COLUMNS

_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHOWN: Final = 40
_NUL: Final = "\0"

# The first that is there is taken. full_text comes first: where Twitter gives both, text is cut.
TEXT_ALIASES: Final = (
    *("full_text", "text", "tweet_text", "message_text", "message", "msg", "body", "body_text"),
    *("content", "comment", "comment_text", "comment_body", "review_text", "post_text", "tweet"),
    *("post", "review", "review_body", "utterance", "description", "sentence", "mention"),
)

# Message field -> names that exports give its column, most telling first.
FIELD_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": (
        *("id", "id_str", "message_id", "tweet_id", "post_id", "comment_id", "review_id"),
        *("external_id", "ticket_id", "msg_id"),
    ),
    "channel": ("channel", "platform", "source_channel", "network"),
    "visibility": ("visibility", "privacy"),
    "brand": ("brand", "brand_name", "company", "company_name", "account"),
    "author": (
        # Ids and handles first: two people may share a name.
        *("author", "author_id", "user_id", "screen_name", "user_screen_name"),
        *("handle", "username", "user_name", "author_name", "user"),
    ),
    "customer": ("customer", "customer_id", "contact_id"),
    "reach": (
        *("reach", "followers", "followers_count", "follower_count", "user_followers_count"),
        *("author_followers", "author_followers_count"),
    ),
    "thread": ("thread", "thread_id", "conversation_id", "conversation", "dialogue_id"),
    "created_at": (
        *("created_at", "tweet_created_at", "tweet_created", "created", "created_time"),
        *("timestamp", "datetime", "date_time", "posted_at", "published_at", "sent_at"),
        *("received_at", "date", "time"),
    ),
    "language": ("language", "lang"),
}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The columns of the input that make a message."""

    text: str
    #: field of ``Message`` -> column
    fields: Mapping[str, str]


def normal_name(name: str) -> str:
    """A column's name in lower case with ``_`` between its words (also those of TweetText)."""
    return _SEPARATORS.sub("_", _CAMEL.sub("_", name).lower()).strip("_")


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, each once: empty ones become ``column_3``, repeats ``name_2``."""
    taken: set[str] = set()
    unique: list[str] = []
    for position, name in enumerate(names, 1):
        base = name if name.strip() else f"column_{position}"
        candidate, count = base, 1
        while candidate in taken or (candidate != name and candidate in names):
            count += 1
            candidate = f"{base}_{count}"
        taken.add(candidate)
        unique.append(candidate)
    return tuple(unique)


def encoding_remedy(begin: str) -> str | None:
    """What to do about a file in UTF-16 that does not say so; None where it is not one.

    Args:
        begin: how the file begins, read as UTF-8: every other character is then NUL.
    """
    if begin.count(_NUL) * 3 < max(1, len(begin)):
        return None
    which = "utf-16-be" if begin.startswith(_NUL) else "utf-16-le"
    return f"it looks like UTF-16 without a byte order mark: say so (--encoding {which})"


def find_columns(
    names: Sequence[str],
    *,
    source: str,
    text_column: str | None = None,
    named: Mapping[str, str] | None = None,
) -> ColumnMap:
    """Find the columns of a message among ``names``.

    Args:
        names: the columns of the input.
        source: the input's name, for messages.
        text_column: the user's choice, else the usual names are tried.
        named: field of ``Message`` -> column, chosen by the user.

    Raises:
        UsageError: if the text, or a column that the user named, is not there.
    """
    by_normal: dict[str, str] = {}
    for name in names:
        by_normal.setdefault(normal_name(name), name)
    text = _text_column(names, by_normal, source, text_column)
    chosen: dict[str, str] = {}
    for field_name, column in (named or {}).items():
        if field_name not in FIELD_ALIASES:
            known = ", ".join(FIELD_ALIASES)
            message = f"{field_name!r} is not a field of a message; use one of {known}"
            raise UsageError(message)
        chosen[field_name] = _named(column, names, by_normal, source)
    for field_name, aliases in FIELD_ALIASES.items():
        found = next((by_normal[alias] for alias in aliases if alias in by_normal), None)
        if found is not None and found != text:
            chosen.setdefault(field_name, found)
    order = [field.name for field in fields(Message)]
    return ColumnMap(text, {name: chosen[name] for name in order if name in chosen})


def _text_column(
    names: Sequence[str], by_normal: Mapping[str, str], source: str, text_column: str | None
) -> str:
    if text_column is not None:
        return _named(text_column, names, by_normal, source)
    # In a file that was scored before, `review` is ours and no text.
    ours = set(SCORE_COLUMNS) if set(SCORE_COLUMNS) <= set(names) else set[str]()
    for alias in TEXT_ALIASES:
        if alias in by_normal and by_normal[alias] not in ours:
            return by_normal[alias]
    message = f"no text column found in {source}; its columns are {_listed(names)}; "
    remedy = "name the one that holds the text (--text-column NAME)"
    raise UsageError(message + (encoding_remedy("".join(names)) or remedy))


def _named(column: str, names: Sequence[str], by_normal: Mapping[str, str], source: str) -> str:
    if column in names:
        return column
    found = by_normal.get(normal_name(column))
    if found is None:
        message = f"{source} has no column {column!r}; its columns are {_listed(names)}"
        remedy = encoding_remedy("".join(names))
        raise UsageError(message if remedy is None else f"{message}; {remedy}")
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:_SHOWN]) for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "none"
