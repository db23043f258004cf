"""What the API answers with: items, turns and scores as plain values for JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from replyrank.data.vocabulary import Review
from replyrank.models.scores import EVEN_SHARES, ScoreBatch
from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.score_columns import score_columns
from replyrank.serving.queue.items import Event, Item, Turn
from replyrank.serving.queue.ranker import Place

_DECIMALS: Final = 6


def score_rows(scores: ScoreBatch) -> list[dict[str, Any]]:
    """The scores of n texts, each with the names of the flat files' columns."""
    columns = score_columns(scores)
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def place_view(place: Place, item: Item, shares: Sequence[float] | None) -> dict[str, Any]:
    """One place of the queue: why it stands there, and the message to answer."""
    latest = next((turn for turn in reversed(item.turns) if not turn.is_copy), None)
    return {
        "rank": place.rank,
        "item": place.item,
        "index": round(place.index, _DECIMALS),
        "due": _stamp(place.due),
        "age_minutes": round(place.age_minutes, 2),
        "guarded": place.guarded,
        "reason": "; ".join([place.reason, *_notes(item)]),
        "classes": {
            name.value: round(p, _DECIMALS)
            for name, p in zip(POLICY_CLASSES, place.posterior, strict=True)
        },
        **_facts(item),
        "messages": sum(not turn.is_copy for turn in item.turns),
        "latest": None if latest is None else turn_view(latest, shares),
    }


def item_view(item: Item, shares: Sequence[float] | None) -> dict[str, Any]:
    """One item with its turns."""
    return {
        "item": item.id,
        **_facts(item),
        "generation": item.generation,
        "lease_until": _moment(item.lease_until),
        "finished_at": _moment(item.finished_at),
        "turns": [turn_view(turn, shares) for turn in item.turns],
    }


def turn_view(turn: Turn, shares: Sequence[float] | None) -> dict[str, Any]:
    """One message, with its scores once it has any."""
    return {
        "id": turn.external_id,
        "channel": turn.channel,
        "visibility": "public" if turn.is_public else "private",
        "author": turn.author,
        "text": turn.text,
        "created_at": _moment(turn.created_at),
        "received_at": _moment(turn.received_at),
        "is_copy": turn.is_copy,
        "scores": _scores(turn, shares),
    }


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
    reviews = sorted({turn.review for turn in item.turns if turn.review})
    if reviews:
        notes.append(f"labels to review: {', '.join(reviews)}")
    if any(turn.need is None for turn in item.turns):
        notes.append("not all of it is scored yet")
    return notes


def _scores(turn: Turn, shares: Sequence[float] | None) -> dict[str, Any] | None:
    if turn.need is None or turn.sentiment is None:
        return None
    need = turn.need.astype(np.float64)[None]
    sentiment = turn.sentiment.astype(np.float64)[None]
    batch = ScoreBatch(
        need / need.sum(),
        sentiment / sentiment.sum(),
        (turn.language,),
        (None if turn.review is None else Review(turn.review),),
        turn.model or "",
        tuple(shares or EVEN_SHARES),
    )
    return score_rows(batch)[0]


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return _stamp(datetime.fromtimestamp(milliseconds / 1_000, UTC))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
