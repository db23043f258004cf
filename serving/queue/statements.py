"""Statements that the two kinds of database write differently."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    String,
    Table,
    Text,
    TextClause,
    any_,
    func,
    literal,
    select,
    text,
    tuple_,
)
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

_OVER_OLDER_KEYS: Final = (
    "ON CONFLICT (key) DO UPDATE SET item = excluded.item, last_at = excluded.last_at"
)


def claim_statement(*, is_sqlite: bool, clock: str) -> TextClause:
    """Lease the first of ``ids`` that is free, to ``agent`` for ``lease`` milliseconds."""
    return text((_SQLITE_CLAIM if is_sqlite else _POSTGRES_CLAIM).format(clock=clock))


def claim_ids(ids: Sequence[int], *, is_sqlite: bool) -> object:
    """The parameter ``ids`` of that statement."""
    return f"[{','.join(map(str, ids))}]" if is_sqlite else list(ids)


def among(
    connection: Connection, column: "Column[Any]", values: Iterable[Any]
) -> ColumnElement[bool]:
    """Whether a column is one of many values.

    They go as one parameter: a place in the statement for each costs more than to look it up.
    """
    return among_keys(connection, (column,), [(value,) for value in values])


def among_keys(
    connection: Connection, columns: "Sequence[Column[Any]]", keys: Iterable[Sequence[Any]]
) -> ColumnElement[bool]:
    """Whether some columns are, together, one of many keys."""
    rows = list(keys)
    if connection.dialect.name == "sqlite":
        each = func.json_each(json.dumps(rows)).table_valued("value")
        wanted = [func.json_extract(each.c.value, f"$[{place}]") for place in range(len(columns))]
        column = columns[0] if len(columns) == 1 else tuple_(*columns)
        return column.in_(select(*wanted))
    arrays = [
        literal([row[place] for row in rows], _array_of(column))
        for place, column in enumerate(columns)
    ]
    if len(columns) == 1:
        return columns[0] == any_(arrays[0])
    given = func.unnest(*arrays).table_valued(*(column.name for column in columns)).render_derived()
    return tuple_(*columns).in_(select(*given.c))


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


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns; none is fine."""
    if rows:
        _write_rows(connection, table, rows, "")


def upsert_keys(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write keys, over older ones of the same name."""
    if rows:
        # One order everywhere: two writers that share keys wait, and do not lock each other out.
        ordered = sorted(rows, key=lambda row: row["key"])
        _write_rows(connection, item_key, ordered, _OVER_OLDER_KEYS)


def _write_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], conflict: str
) -> None:
    """One statement for all rows: to PostgreSQL they go as one array a column.

    A statement for each row costs its server more than the row does. SQLite is no server: it runs
    one prepared statement again and again.
    """
    names = list(rows[0])
    if connection.dialect.name == "sqlite":
        statement = _sqlite_rows(table, tuple(names), conflict)
        connection.exec_driver_sql(statement, [tuple(row.values()) for row in rows])
        return
    columns = {name: [row[name] for row in rows] for name in names}
    connection.execute(_postgres_rows(table, tuple(names), conflict), columns)


@cache
def _sqlite_rows(table: Table, names: tuple[str, ...], conflict: str) -> str:
    places = ", ".join("?" for _ in names)
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({places}) {conflict}"  # noqa: S608


@cache
def _postgres_rows(table: Table, names: tuple[str, ...], conflict: str) -> TextClause:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    arrays = ", ".join(
        f"CAST(:{name} AS {_array_of(table.c[name]).compile(dialect)})" for name in names
    )
    into = f"INSERT INTO {table.name} ({', '.join(names)})"
    return text(f"{into} SELECT * FROM unnest({arrays}) {conflict}")  # noqa: S608


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row unless one of its key is there."""
    connection.execute(_insert(connection, table).on_conflict_do_nothing(), row)


def _array_of(column: "Column[Any]") -> "postgresql.ARRAY[Any]":
    # A cast to a bounded length cuts what is longer, and says nothing.
    return postgresql.ARRAY(Text() if isinstance(column.type, String) else column.type)


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
