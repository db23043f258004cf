"""``replyrank replay``: hand a file's messages to a service, in the rhythm in which they came."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from replyrank.data.errors import UsageError
from replyrank.data.messages import Message
from replyrank.data.readers import Record, Source, open_source
from replyrank.data.readers.columns import FIELD_ALIASES
from replyrank.data.readers.times import parse_time
from replyrank.data.vocabulary import Channel
from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra
from replyrank.serving.commands.problems import ProblemPrinter
from replyrank.serving.errors import UnreachableError

if TYPE_CHECKING:
    import httpx

_KEY: Final = "REPLYRANK_KEY"
#: of messages whose brand nobody names
_BRAND: Final = "brand"
#: columns that are shown
_SHOWN: Final = 20
_AT_ONCE: Final = 100
#: bytes of a body, and the most of a character in it
_BODY: Final = 700_000
_MOST_BYTES: Final = 6
_HALF: Final = re.compile("[\x00\ud800-\udfff]")
#: seconds of real time that go into one request
_BEAT: Final = 0.1
#: seconds for which a service that does not answer is tried again
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Due:
    """A message, and when it is handed in, in seconds from the beginning."""

    seconds: float
    body: dict[str, Any]
    names_brand: bool


def replay(
    source: options.InputPath,
    *,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Of the service.")
    ] = "http://127.0.0.1:8080",
    speed: Annotated[float, typer.Option(min=0.001, help="Minutes of the file in a minute.")] = 60,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First time, else the file's.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Of the file; without it to its end.")
    ] = None,
    brand: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Of messages that name none, else {_BRAND}; see --column brand=NAME.",
        ),
    ] = None,
    channel: Annotated[Channel, typer.Option(help="Of messages that name none.")] = Channel.TWITTER,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help=f"Of the service, else {_KEY}'s.")
    ] = None,
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    zone: options.Zone = "UTC",
) -> None:
    """Hand messages to a service in their order and rhythm, as a platform would.

    Their times say when each is handed in; the service counts from its own clock. A service that is
    down is tried again for a minute: what it had taken in already it takes once. Needs `serve`.
    """
    with needs_extra("serve", "replay", "httpx"):
        import httpx  # noqa: PLC0415  needs the extra

        reading = options.read_options(None, text_column, None, None, columns=columns, zone=zone)
        told = ProblemPrinter()
        with open_source(source, reading) as opened:
            found: list[tuple[int, Message]] = []
            for item in opened.records():
                if isinstance(item, Record):
                    found.append((item.line, item.message))
                else:
                    told(item)
        told.close()
        first = None if start is None else parse_time(start, reading.times)
        due = list(_due(found, first, minutes, speed, brand=brand, channel=channel))
        if not due:
            message = f"{source} has no message with a text and a time in that stretch; see --from"
            raise UsageError(message)
        if brand is None:
            _tell_brandless(opened, due)
        given = key or os.environ.get(_KEY)
        if given is not None and not given.isascii():
            message = f"the key {given[:12]!r}... is none: it has characters that no key has"
            raise UsageError(message)
        headers = {} if given is None else {"Authorization": f"Bearer {given}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            _send_all(client, due, speed)


def _due(
    found: Sequence[tuple[int, Message]],
    first: datetime | None,
    minutes: float | None,
    speed: float,
    *,
    brand: str | None,
    channel: Channel,
) -> Iterator[_Due]:
    timed = [(one.created_at, line, one) for line, one in found if one.created_at and one.text]
    timed.sort(key=lambda entry: (entry[0], entry[1]))
    if not timed:
        return
    begin = first or timed[0][0]
    end = None if minutes is None else begin + timedelta(minutes=minutes)
    for at, line, one in timed:
        if at < begin or (end is not None and at >= end):
            continue
        body: dict[str, Any] = {
            "id": one.id or f"row {line}",
            "brand": one.brand or brand or _BRAND,
            "channel": (one.channel or channel).value,
            "text": _HALF.sub("\ufffd", one.text),
            "visibility": None if one.visibility is None else one.visibility.value,
            "author": one.author,
            "customer": one.customer,
            "thread": one.thread,
            "reach": one.reach,
        }
        given = {name: value for name, value in body.items() if value is not None}
        yield _Due((at - begin).total_seconds() / speed, given, bool(one.brand))


def _tell_brandless(source: Source, due: Sequence[_Due]) -> None:
    """Say how many messages go under a brand that nobody named, and how to name it."""
    count = sum(not one.names_brand for one in due)
    if not count:
        return
    if source.mapping is not None and "brand" in source.mapping.fields:
        column = source.mapping.fields["brand"]
        told = f"{count:,} of {len(due):,} messages have no brand in the column {column!r} and go"
        remedy = "name theirs with --brand NAME"
    else:
        known = ", ".join(FIELD_ALIASES["brand"])
        told = f"{source.name} has no column of a brand's usual names ({known}); its messages go"
        listed = ", ".join(map(repr, source.columns[:_SHOWN]))
        remedy = f"name one of its columns ({listed}) with --column brand=NAME, or --brand NAME"
    typer.echo(f"{told} under the brand {_BRAND!r}; {remedy}", err=True)


def _send_all(client: "httpx.Client", due: Sequence[_Due], speed: float) -> None:
    begun, at = time.monotonic(), 0
    counts: dict[str, int] = {}
    told = 0.0
    while at < len(due):
        elapsed = time.monotonic() - begun
        stop, size = at, 0
        while stop < len(due) and due[stop].seconds <= elapsed and stop - at < _AT_ONCE:
            size += _MOST_BYTES * len(due[stop].body["text"])
            if size > _BODY and stop > at:
                break
            stop += 1
        if stop > at:
            for result in _send(client, [one.body for one in due[at:stop]]):
                counts[result] = counts.get(result, 0) + 1
            at = stop
        else:
            time.sleep(min(_BEAT, max(0.0, due[at].seconds - elapsed)))
        if elapsed - told >= 1 or at == len(due):
            told = elapsed
            minute = due[min(at, len(due) - 1)].seconds * speed / 60
            words = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
            typer.echo(f"minute {minute:.1f}: {at:,} of {len(due):,} handed in; {words}", err=True)


def _send(client: "httpx.Client", bodies: Sequence[dict[str, Any]]) -> list[str]:
    """Hand messages in; one that does not answer is tried again.

    Raises:
        UnreachableError: if it does not answer for long.
        UsageError: if it refuses them all.
    """
    import httpx  # noqa: PLC0415  needs the extra

    begun, pause = time.monotonic(), 0.1
    while True:
        try:
            answer = client.post("/v1/messages/batch", json={"messages": list(bodies)})
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            message = f"--url {client.base_url} is no address of a service: {error}"
            raise UsageError(message) from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
        else:
            if answer.is_success:
                return [str(one["result"]) for one in answer.json()["results"]]
            reason = f"{answer.status_code}: {answer.text[:200]}"
            if answer.status_code not in (429, 503):
                message = f"{client.base_url} refuses the messages ({reason}); mend the call"
                raise UsageError(message)
        if time.monotonic() - begun > _PATIENCE:
            message = f"{client.base_url} does not take messages ({reason}); "
            raise UnreachableError(message + "start `replyrank serve`")
        typer.echo(f"tried again: {reason}", err=True)
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
