"""API keys: shown once, kept as a hash, compared in constant time."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")

from replyrank.data.errors import UsageError
from replyrank.serving.queue.database import Database
from replyrank.serving.queue.keys import (
    KeyRing,
    Scope,
    list_keys,
    make_key,
    revoke_key,
    rotate_key,
)
from tests.queues import opened, sqlite_in

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(sqlite_in(tmp_path)) as found:
        yield found


def ring(database: Database) -> KeyRing:
    keys = KeyRing(database)
    keys.load()
    return keys


def test_without_any_key_everybody_may_everything(database: Database) -> None:
    found = ring(database).find(None)
    assert found is not None
    assert all(found.may(scope) for scope in Scope)


def test_a_key_is_known_and_any_other_is_not(database: Database) -> None:
    key = make_key(database, "desk", frozenset({Scope.AGENT}), "north")
    found = ring(database).find(key)
    assert found is not None
    assert (found.team, found.may(Scope.AGENT), found.may(Scope.SCORE)) == ("north", True, False)
    for wrong in (None, "", "x", key[:-1], key + "x", key.replace("rr_", "zz_"), "rr__", "rr_a_b"):
        assert ring(database).find(wrong) is None


def test_a_revoked_key_opens_nothing_and_does_not_open_everything(database: Database) -> None:
    key = make_key(database, "desk", frozenset({Scope.ADMIN}), None)
    revoke_key(database, key.split("_")[1])
    assert ring(database).find(key) is None
    assert ring(database).find(None) is None
    with pytest.raises(UsageError, match="keys list"):
        revoke_key(database, key.split("_")[1])


@pytest.mark.parametrize(("scope", "team"), [(Scope.AGENT, ""), (Scope.ADMIN, "north")])
def test_a_key_of_no_team_or_of_a_team_and_all_is_not_made(
    database: Database, scope: Scope, team: str
) -> None:
    with pytest.raises(UsageError, match="--team"):
        make_key(database, "x", frozenset({scope}), team)


def test_a_rotated_key_is_the_same_with_another_secret(database: Database) -> None:
    old = make_key(database, "desk", frozenset({Scope.AGENT, Scope.SCORE}), "north")
    new = rotate_key(database, old.split("_")[1])
    assert ring(database).find(old) is None
    found = ring(database).find(new)
    assert found is not None
    assert (found.team, found.scopes) == ("north", frozenset({Scope.AGENT, Scope.SCORE}))
    first, second = list_keys(database)
    assert (first.is_revoked, second.is_revoked, second.name) == (True, False, "desk")
    with pytest.raises(UsageError, match="no key"):
        rotate_key(database, "nothing")


def _compared(source: str) -> list[str]:
    """What is compared with == or != and is called a digest, secret, signature or token."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(
            isinstance(one, ast.Eq | ast.NotEq) for one in node.ops
        ):
            for side in (node.left, *node.comparators):
                name = ast.unparse(side).lower()
                found += [name for word in ("digest", "secret", "signature") if word in name]
    return found


def test_no_secret_is_compared_in_a_time_that_tells_of_it() -> None:
    assert _compared("if digest == given: pass\nif a.secret != b: pass") == ["digest", "a.secret"]
    files = [*(ROOT / "serving").rglob("*.py")]
    assert len(files) > 40
    assert {str(path): _compared(path.read_text(encoding="utf-8")) for path in files} == {
        str(path): [] for path in files
    }
