"""Statements that the two kinds of database write differently."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, TextClause, text
from sqlalchemy.dialects import postgresql, sqlite

from replyrank.serving.queue.schema import item_key, tally

_SQLITE_CLAIM: Final = """
UPDATE item SET state = 'leased', owner = :agent, generation = generation + 1,
    version = version + 1,
    lease_until = {clock} + :lease, claimed_at = COALESCE(claimed_at, {clock}),
    seen = (SELECT MAX(seq) FROM message WHERE message.item = item.id)
WHERE id = (
    SELECT item.id FROM json_each(:ids) AS wanted JOIN item ON item.id = wanted.value
    WHERE item.state = 'waiting' OR (item.state = 'leased' AND item.lease_until < {clock})
    ORDER BY wanted.key LIMIT 1)
RETURNING id, generation, lease_until
"""
# Claimers pass over what another one is just taking, and do not wait for it.
_POSTGRES_CLAIM: Final = """
WITH wanted AS (
    SELECT item.id FROM item
    WHERE item.id = ANY(CAST(:ids AS BIGINT[]))
        AND (item.state = 'waiting' OR (item.state = 'leased' AND item.lease_until < {clock}))
    ORDER BY array_position(CAST(:ids AS BIGINT[]), item.id) LIMIT 1
    FOR UPDATE SKIP LOCKED)
UPDATE item SET state = 'leased', owner = :agent, generation = generation + 1,
    version = version + 1,
    lease_until = {clock} + :lease, claimed_at = COALESCE(claimed_at, {clock}),
    seen = (SELECT MAX(seq) FROM message WHERE message.item = item.id)
FROM wanted WHERE item.id = wanted.id
RETURNING item.id, item.generation, item.lease_until
"""


def claim_statement(*, is_sqlite: bool, clock: str) -> TextClause:
    """Lease the first of ``ids`` that is free, to ``agent`` for ``lease`` milliseconds."""
    return text((_SQLITE_CLAIM if is_sqlite else _POSTGRES_CLAIM).format(clock=clock))


def claim_ids(ids: Sequence[int], *, is_sqlite: bool) -> object:
    """The parameter ``ids`` of that statement."""
    return f"[{','.join(map(str, ids))}]" if is_sqlite else list(ids)


def reserve(connection: Connection, table: Table, count: int) -> list[int]:
    """Numbers for so many new rows of a table, in their order; never given twice.

    Rows that must know their number before they are written would else go in one by one.
    """
    (key,) = table.primary_key.columns
    if connection.dialect.name == "sqlite":
        last = add_to_tally(connection, f"{table.name}_{key.name}", count)
        return list(range(last - count + 1, last + 1))
    numbers = text(
        "SELECT nextval(pg_get_serial_sequence(:name, :key)) FROM generate_series(1, :count)"
    )
    given = {"name": table.name, "key": key.name, "count": count}
    return sorted(connection.execute(numbers, given).scalars())


def upsert_keys(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write keys, over older ones of the same name."""
    if not rows:
        return
    statement = _insert(connection, item_key)
    changed = {name: statement.excluded[name] for name in ("item", "last_at")}
    # One order everywhere: two writers that share keys wait, and do not lock each other out.
    ordered = sorted(rows, key=lambda row: row["key"])
    connection.execute(
        statement.on_conflict_do_update(index_elements=["key"], set_=changed), ordered
    )


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row unless one of its key is there."""
    connection.execute(_insert(connection, table).on_conflict_do_nothing(), row)


def add_to_tally(connection: Connection, name: str, count: int) -> int:
    """Count up a tally; returns what it is then."""
    statement = _insert(connection, tally)
    counted = statement.on_conflict_do_update(
        index_elements=["name"], set_={"count": tally.c.count + statement.excluded["count"]}
    ).returning(tally.c.count)
    return int(connection.execute(counted, {"name": name, "count": count}).scalar_one())


def _insert(connection: Connection, table: Table) -> Any:
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return make(table)
