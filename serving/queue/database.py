"""The database: how it is opened, and what a transaction is on each kind.

SQLite is one file with one writer: every writing transaction begins with BEGIN IMMEDIATE, since
one that reads first and writes later is refused at once when another wrote in between, whatever
the timeout. It looks for its turn now and then, and who is unlucky waits for ever: so the threads
of one process stand in a line of their own. PostgreSQL takes any number of writers; those that
join messages of one brand wait for each other (``Database.lock_brands``).
"""

import hashlib
import sqlite3
import threading
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from importlib import resources
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    literal_column,
    text,
    true,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from replyrank.serving.errors import StoreError

_READ: Final = "replyrank_read"
_SQLITE_CLOCK: Final = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
_POSTGRES_CLOCK: Final = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
#: milliseconds that a writer waits for others: SQLite keeps no line, and a command may be unlucky
_BUSY: Final = 30_000
#: seconds in which those who read must have ended once
_PATIENCE: Final = 20.0
_IN_MEMORY: Final = frozenset({"sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:"})
_MIGRATION_LOCK: Final = 20_261_127
_LEADER_LOCK: Final = 20_261_128


class _Line:
    """Where the threads of this process wait to write to one file of SQLite."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_LINES: Final = WeakValueDictionary[str, _Line]()
_LINES_LOCK: Final = threading.Lock()


class Database:
    """An open database of the queue.

    Args:
        url: of SQLAlchemy, such as ``sqlite:///queue.db`` or ``postgresql://host/name``.
        writers: connections that write at the same time; SQLite has one whatever is asked.

    Raises:
        StoreError: if the URL names no database that this version can use.
    """

    def __init__(self, url: str, writers: int = 4) -> None:
        self.url = _with_driver(url)
        self.is_sqlite = self.url.startswith("sqlite:")
        self.writers = 1 if self.is_sqlite else writers
        self.engine = _open(self.url, self.writers)
        self._line = _line_of(self.engine.url.database or "") if self.is_sqlite else None
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @property
    def clock(self) -> str:
        """SQL of the time in milliseconds."""
        return _SQLITE_CLOCK if self.is_sqlite else _POSTGRES_CLOCK

    @contextmanager
    def write(self) -> Generator[Connection]:
        """One writing transaction: committed at the end, undone by an error."""
        with self._turn(), self.engine.begin() as connection:
            yield connection

    def _turn(self) -> AbstractContextManager[object]:
        return nullcontext() if self._line is None else self._line.lock

    @contextmanager
    def read(self) -> Generator[Connection]:
        """One snapshot to read from."""
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with (
            self.engine.connect().execution_options(**{_READ: True, **level}) as connection,
            connection.begin(),
        ):
            yield connection

    def settled(self, table: Table) -> ColumnElement[bool]:
        """Rows before which no other can appear any more.

        PostgreSQL gives numbers out before a transaction commits: one that commits late would be
        passed over by whoever has read on.
        """
        if self.is_sqlite:
            return true()
        oldest: ColumnElement[int] = literal_column(
            "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)"
        )
        return table.c.xid < oldest

    def scrub(self) -> None:
        """Leave no copy of what was removed in the write-ahead log of SQLite.

        Raises:
            StoreError: if others read the file all the time; what was removed stays removed.
        """
        if not self.is_sqlite:
            return
        file = self.engine.url.database or ""
        with closing(sqlite3.connect(file, timeout=_PATIENCE)) as connection:
            is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            message = f"it was removed, but {file}-wal may still hold copies: others read the "
            raise StoreError(message + "database just now; give the same command again")

    def now(self, connection: Connection) -> int:
        """The time by the database's clock, in milliseconds."""
        return int(connection.exec_driver_sql(f"SELECT {self.clock}").scalar_one())

    def lead(self) -> Connection | None:
        """A connection by which this process does the common work; None if another one does.

        It leads until the connection is invalidated. SQLite has one process, which leads.
        """
        connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if self.is_sqlite:
            return connection
        asked = text("SELECT pg_try_advisory_lock(:n)")
        if connection.execute(asked, {"n": _LEADER_LOCK}).scalar():
            return connection
        connection.close()
        return None

    def check(self, connection: Connection) -> None:
        """Whether the connection to a server is still there; raises what the database raises."""
        if not self.is_sqlite:
            connection.exec_driver_sql("SELECT 1")

    def lock_brands(self, connection: Connection, brands: Iterable[str]) -> None:
        """Let no other transaction join messages of these brands until this one ends."""
        if self.is_sqlite:
            return
        for number in sorted({_number(brand) for brand in brands}):
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})

    def migrate(self) -> None:
        """Bring the tables to this version; does nothing where they are.

        Raises:
            StoreError: if the database cannot be reached, or is of a later version.
        """
        scripts = str(resources.files("replyrank.serving.queue").joinpath("migrations"))
        config = Config()
        config.set_main_option("script_location", scripts.replace("%", "%%"))
        try:
            with self._turn(), self.engine.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
                _refuse_later(connection, config)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except DBAPIError as error:
            message = f"the database {self.shown} cannot be used ({error.orig}); check that it is "
            message += "there and may be written, or name another with --database"
            raise StoreError(message) from error

    @property
    def shown(self) -> str:
        """The URL without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of a file."""
    return f"sqlite:///{path.resolve()}"


def _line_of(file: str) -> _Line:
    with _LINES_LOCK:
        return _LINES.setdefault(str(Path(file).resolve()), _Line())


def _with_driver(url: str) -> str:
    for short in ("postgres://", "postgresql://"):
        if url.startswith(short):
            return f"postgresql+psycopg://{url.removeprefix(short)}"
    return url


def _open(url: str, writers: int) -> Engine:
    try:
        if url in _IN_MEMORY:
            message = f"{url!r} would be gone with the process; give sqlite:///FILE"
            raise StoreError(message)
        if url.startswith("sqlite:"):
            # Readers beside the one writer; a connection is used by one thread at a time.
            return create_engine(
                url,
                poolclass=QueuePool,
                # Parameters are texts: no error may show them.
                hide_parameters=True,
                pool_size=4,
                connect_args={"check_same_thread": False, "timeout": _BUSY / 1_000},
            )
        return create_engine(
            url,
            pool_size=writers + 2,
            max_overflow=4,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        message = (
            f"{url!r} is no database that the queue can use ({error}); give sqlite:///FILE or "
        )
        raise StoreError(message + "postgresql://USER@HOST/NAME") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions of its own.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        # First of all: the next one may have to wait for another process.
        f"busy_timeout={_BUSY}",
        "journal_mode=WAL",
        # A commit is on the disk before it is acknowledged.
        "synchronous=FULL",
        "cache_size=-65536",
        "foreign_keys=ON",
        # What is removed is overwritten.
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READ, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _number(brand: str) -> int:
    return int.from_bytes(hashlib.sha256(brand.encode()).digest()[:8], "big", signed=True)


def _refuse_later(connection: Connection, config: Config) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        message = f"the database has the tables of revision {current}, which this version does not "
        raise StoreError(message + "know; install the version that made them, or a later one")
