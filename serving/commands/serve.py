"""``replyrank serve``: the queue as a service."""

from typing import Annotated, Any

import typer

from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///FILE or postgresql://..., else REPLYRANK_DATABASE, else replyrank.db here.",
    ),
]


def serve(
    *,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="To listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="To listen on.")] = None,
    database: DatabaseUrl = None,
    model: options.ModelName = None,
    policy: options.PolicyFile = None,
    threads: options.Threads = None,
    max_wait: Annotated[
        float | None,
        typer.Option(min=0, metavar="S", help="Seconds of scoring inside before 503."),
    ] = None,
    drain: Annotated[
        float | None,
        typer.Option(min=0, metavar="S", help="Seconds from not ready to not listening."),
    ] = None,
) -> None:
    """Take messages in over HTTP, score them, and keep them in the order to answer them.

    Listens on 127.0.0.1:8080 and keeps its queue in replyrank.db, unless told otherwise; what is
    not given comes from the environment (REPLYRANK_HOST, ...). Beyond this machine it listens only
    once a key was made (`replyrank keys create`). Needs the extra `serve`.
    """
    with needs_extra("serve", "serve", "fastapi", "uvicorn", "sqlalchemy", "alembic"):
        from replyrank.serving.service import load_settings, run  # noqa: PLC0415  needs the extra

        given: dict[str, Any] = {
            "host": host,
            "port": port,
            "database": database,
            "model": model,
            "policy": policy,
            "threads": threads,
            "max_wait": max_wait,
            "drain": drain,
        }
        run(load_settings(given))
