"""What the API answers with: items, turns and scores as plain values for JSON."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np

from replyrank.data.vocabulary import SCORE_COLUMNS, Review
from replyrank.models.scores import EVEN_SHARES, ScoreBatch
from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.score_columns import score_columns
from replyrank.serving.queue.items import Event, Item, Turn
from replyrank.serving.queue.ranker import Place

#: what a list says of a message
BRIEF: Final = tuple(name for name in SCORE_COLUMNS if not name.startswith("p_"))

_DECIMALS: Final = 6
_CLASSES: Final = tuple(name.value for name in POLICY_CLASSES)
_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)


def score_rows(scores: ScoreBatch) -> list[dict[str, Any]]:
    """The scores of n texts, each with the names of the flat files' columns."""
    columns = score_columns(scores)
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def place_views(
    places: Sequence[tuple[Place, Item]], shares: Sequence[float] | None
) -> list[dict[str, Any]]:
    """Places of the queue: why each stands there, and the message to answer."""
    latest = {turn.seq: item.id for _, item in places for turn in item.turns}
    views = turn_views([turn for _, item in places for turn in item.turns], shares, brief=True)
    shown = dict(zip(latest.values(), views, strict=True))
    return [_place(place, item, shown.get(item.id)) for place, item in places]


def _place(place: Place, item: Item, latest: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "rank": place.rank,
        "item": place.item,
        "index": round(place.index, _DECIMALS),
        "due": _stamp(place.due),
        "age_minutes": round(place.age_minutes, 2),
        "guarded": place.guarded,
        "reason": "; ".join([place.reason, *_notes(item)]),
        "classes": dict(zip(_CLASSES, place.classes, strict=True)),
        **_facts(item),
        "messages": item.messages,
        "latest": latest,
    }


def item_view(item: Item, shares: Sequence[float] | None) -> dict[str, Any]:
    """One item with its turns."""
    return {
        "item": item.id,
        **_facts(item),
        "generation": item.generation,
        "lease_until": _moment(item.lease_until),
        "finished_at": _moment(item.finished_at),
        "turns": turn_views(item.turns, shares),
    }


def turn_views(
    turns: Sequence[Turn], shares: Sequence[float] | None, *, brief: bool = False
) -> list[dict[str, Any]]:
    """Messages, each with its scores once it has any; in brief without the single probabilities."""
    scored = [turn for turn in turns if turn.need is not None and turn.sentiment is not None]
    found = _scores(scored, shares)
    if brief:
        found = [{name: row[name] for name in BRIEF} for row in found]
    rows = dict(zip((turn.seq for turn in scored), found, strict=True))
    return [
        {
            "id": turn.external_id,
            "channel": turn.channel,
            "visibility": "public" if turn.is_public else "private",
            "author": turn.author,
            "text": turn.text,
            "created_at": _moment(turn.created_at),
            "received_at": _moment(turn.received_at),
            "is_copy": turn.is_copy,
            "scores": rows.get(turn.seq),
        }
        for turn in turns
    ]


def event_view(event: Event) -> dict[str, Any]:
    """One change."""
    return {
        "seq": event.seq,
        "item": event.item,
        "kind": event.kind.value,
        "at": _moment(event.at),
        "actor": event.actor,
        "generation": event.generation,
    }


def _facts(item: Item) -> dict[str, Any]:
    return {
        "brand": item.brand,
        "channel": item.channel,
        "team": item.team,
        "state": item.state.value,
        "visibility": "public" if item.is_public else "private",
        "waiting_since": _moment(item.age_from),
        "went_public": item.went_public,
        "copies": item.copies,
        "owner": item.owner,
        "preferred_agent": item.preferred_agent,
        "model": item.model,
    }


def _notes(item: Item) -> list[str]:
    notes: list[str] = []
    if item.went_public:
        notes.append("a private case that its author took to the public")
    if item.copies:
        notes.append(f"{item.copies} more say the same")
    if item.review:
        notes.append(f"labels to review: {item.review}")
    if any(turn.need is None for turn in item.turns):
        notes.append("what it says last is not scored yet")
    return notes


def _scores(turns: Sequence[Turn], shares: Sequence[float] | None) -> list[dict[str, Any]]:
    """Of turns that are scored, each under the name of its own model."""
    if not turns:
        return []
    need = np.stack([turn.need for turn in turns if turn.need is not None]).astype(np.float64)
    sentiment = np.stack([turn.sentiment for turn in turns if turn.sentiment is not None])
    mood = sentiment.astype(np.float64)
    batch = ScoreBatch(
        need / need.sum(axis=1, keepdims=True),
        mood / mood.sum(axis=1, keepdims=True),
        tuple(turn.language for turn in turns),
        tuple(None if turn.review is None else Review(turn.review) for turn in turns),
        "",
        tuple(shares or EVEN_SHARES),
    )
    rows = score_rows(batch)
    return [row | {"model": turn.model} for row, turn in zip(rows, turns, strict=True)]


@lru_cache(maxsize=16_384)
def _moment(milliseconds: int | None) -> str | None:
    """A time in ISO 8601, UTC; half the cost of a ``datetime``, of which a page has hundreds."""
    if milliseconds is None:
        return None
    days, rest = divmod(milliseconds, _DAY_MS)
    seconds, thousandths = divmod(rest, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{_date(days)}T{hours:02d}:{minutes:02d}:{seconds:02d}.{thousandths:03d}Z"


@lru_cache(maxsize=4_096)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()


def _stamp(moment: datetime) -> str:
    told = _moment(int(moment.timestamp() * 1_000))
    return "" if told is None else told
