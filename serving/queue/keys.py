"""API keys: made once, shown once, and kept as a hash."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import insert, select, update

from replyrank.data.errors import UsageError
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.schema import api_key

_PREFIX: Final = "rr"
_ID_BYTES: Final = 6
_SECRET_BYTES: Final = 32
_PARTS: Final = 3


class Scope(StrEnum):
    """What a key may do."""

    SCORE = "score"
    INGEST = "ingest"
    AGENT = "agent"
    #: corrections, statistics, metrics, and all of the above
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    #: of the key; None where no key is needed
    id: str | None
    scopes: frozenset[Scope]
    team: str | None

    def may(self, scope: Scope) -> bool:
        """Whether it has a scope; admin has all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key as it is listed: without its secret."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    team: str | None
    created_at: int
    is_revoked: bool


#: whoever asks where no key was ever made: on this machine alone
NOBODY: Final = Principal(None, frozenset(Scope), None)


def make_key(database: Database, name: str, scopes: frozenset[Scope], team: str | None) -> str:
    """Make a key; what is returned is shown once and cannot be had again.

    Raises:
        UsageError: if the team has no name, or a key of a team is to have all rights.
    """
    if team is not None and (not team.strip() or Scope.ADMIN in scopes):
        message = (
            f"--team {team!r} with --scope {' '.join(sorted(scopes))}: name a team, and leave "
        )
        message += "it out of a key with admin, which sees the records of all"
        raise UsageError(message)
    number, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    with database.write() as connection:
        connection.execute(
            insert(api_key).values(
                id=number,
                name=name,
                digest=_digest(secret),
                scopes=" ".join(sorted(scopes)),
                team=team,
                created_at=database.now(connection),
            )
        )
    return f"{_PREFIX}_{number}_{secret}"


def rotate_key(database: Database, number: str) -> str:
    """A new key in the place of another, which stops at once.

    Raises:
        UsageError: if there is no such key in use.
    """
    for one in list_keys(database):
        if one.id == number and not one.is_revoked:
            fresh = make_key(database, one.name, frozenset(one.scopes), one.team)
            revoke_key(database, number)
            return fresh
    raise UsageError(_no_key(number))


def revoke_key(database: Database, number: str) -> None:
    """Stop a key.

    Raises:
        UsageError: if there is no such key in use.
    """
    with database.write() as connection:
        done = connection.execute(
            update(api_key)
            .where(api_key.c.id == number, api_key.c.revoked_at.is_(None))
            .values(revoked_at=database.now(connection))
        )
        if not done.rowcount:
            raise UsageError(_no_key(number))


def list_keys(database: Database) -> list[KeyInfo]:
    """All keys, the revoked ones too, oldest first."""
    with database.read() as connection:
        rows = connection.execute(select(api_key).order_by(api_key.c.created_at, api_key.c.id))
        return [
            KeyInfo(
                row.id,
                row.name,
                tuple(map(Scope, row.scopes.split())),
                row.team,
                row.created_at,
                row.revoked_at is not None,
            )
            for row in rows
        ]


class KeyRing:
    """The keys in use, read anew now and then: a revoked one stops within that time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[str, Principal]] = {}
        self.is_empty = True

    def load(self) -> None:
        """Read the keys."""
        with self._database.read() as connection:
            rows: list[Any] = list(connection.execute(select(api_key)))
        # A key that was revoked still says that keys are needed.
        self.is_empty = not rows
        self._known = {
            row.id: (
                row.digest,
                Principal(row.id, frozenset(map(Scope, row.scopes.split())), row.team),
            )
            for row in rows
            if row.revoked_at is None
        }

    def knows(self, principal: Principal) -> bool:
        """Whether somebody who was found before may still ask."""
        if principal.id is None:
            return self.is_empty
        return principal.id in self._known

    def find(self, given: str | None) -> Principal | None:
        """Who has this key; None if nobody does."""
        if self.is_empty:
            return NOBODY
        parts = (given or "").split("_", _PARTS - 1)
        if len(parts) != _PARTS or parts[0] != _PREFIX:
            return None
        digest, principal = self._known.get(parts[1], ("", None))
        # Secrets have 256 random bits: a plain hash cannot be searched.
        return principal if hmac.compare_digest(digest, _digest(parts[2])) else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _no_key(number: str) -> str:
    return f"no key {number!r} in use; `replyrank keys list` shows them"
