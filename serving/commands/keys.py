"""``replyrank keys``: who may ask the service for what."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra
from replyrank.serving.commands.serve import DatabaseUrl

if TYPE_CHECKING:
    from replyrank.serving.queue.database import Database

app = typer.Typer(help="Make, list and revoke keys of the service.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `replyrank keys list` shows it.")]


@app.command("create")
def create(
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="Whose it is.")],
    scopes: Annotated[
        list[str],
        typer.Option("--scope", metavar="SCOPE", help="score, ingest, agent or admin; repeatable."),
    ],
    team: Annotated[
        str | None, typer.Option(metavar="TEAM", help="Whose items it makes and sees, else all.")
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Make a key and print it: it is shown this once, and kept as a hash."""
    from replyrank.data.errors import UsageError  # noqa: PLC0415

    with open_database("keys", database) as opened:
        from replyrank.serving.queue.keys import Scope, make_key  # noqa: PLC0415

        wrong = [one for one in scopes if one not in set(Scope)]
        if wrong:
            message = f"--scope {wrong[0]!r} is none; use {', '.join(Scope)}"
            raise UsageError(message)
        typer.echo(make_key(opened, name, frozenset(map(Scope, scopes)), team))


@app.command("list")
def list_(*, database: DatabaseUrl = None, json_wanted: options.AsJson = False) -> None:
    """List the keys, without their secrets."""
    with open_database("keys", database) as opened:
        from replyrank.serving.queue.keys import list_keys  # noqa: PLC0415

        for key in list_keys(opened):
            made = datetime.fromtimestamp(key.created_at / 1_000, UTC).isoformat(timespec="seconds")
            facts = {
                "id": key.id,
                "name": key.name,
                "scopes": list(key.scopes),
                "team": key.team,
                "created_at": made,
                "revoked": key.is_revoked,
            }
            if json_wanted:
                typer.echo(json.dumps(facts))
            else:
                state = "revoked" if key.is_revoked else "in use"
                told = (key.id, f"{state:<7}", made, ",".join(key.scopes), key.team or "-")
                typer.echo("  ".join([*told, key.name]))


@app.command("rotate")
def rotate(key: KeyId, *, database: DatabaseUrl = None) -> None:
    """Make a new key in the place of one, print it, and revoke the old one."""
    with open_database("keys", database) as opened:
        from replyrank.serving.queue.keys import rotate_key  # noqa: PLC0415

        typer.echo(rotate_key(opened, key))


@app.command("revoke")
def revoke(key: KeyId, *, database: DatabaseUrl = None) -> None:
    """Revoke a key; a running service stops taking it within seconds."""
    with open_database("keys", database) as opened:
        from replyrank.serving.queue.keys import revoke_key  # noqa: PLC0415

        revoke_key(opened, key)
    typer.echo(f"{key}: revoked", err=True)


@contextmanager
def open_database(command: str, url: str | None) -> Generator["Database"]:
    """The service's database, with its tables, for a command."""
    with needs_extra("serve", command, "sqlalchemy", "alembic", "pydantic_settings"):
        from replyrank.serving.queue.database import Database  # noqa: PLC0415
        from replyrank.serving.service import load_settings  # noqa: PLC0415

        database = Database(load_settings({"database": url}).database)
        try:
            database.migrate()
            yield database
        finally:
            database.close()
