"""``replyrank queue``: corrections out, people and old items away."""

from typing import Annotated

import typer

from replyrank.data.errors import UsageError
from replyrank.data.readers.targets import Target
from replyrank.serving.commands import options
from replyrank.serving.commands.keys import open_database
from replyrank.serving.commands.serve import DatabaseUrl

app = typer.Typer(help="Look after the queue of a service.", no_args_is_help=True)

_DAY_MS = 86_400_000


@app.command("export-corrections")
def export_corrections(
    *,
    target: Annotated[
        str, typer.Option("-o", "--output", metavar="OUT", help="JSON Lines file; - is stdout.")
    ] = "-",
    after: Annotated[int, typer.Option(min=0, metavar="N", help="Records after this one.")] = 0,
    database: DatabaseUrl = None,
    force: options.Force = False,
) -> None:
    """Write what agents corrected, and what must be forgotten, for `replyrank data import`."""
    with open_database("queue", database) as opened:
        from replyrank.serving.queue.people import export_lines  # noqa: PLC0415

        count = 0
        with Target(target, force=force) as out:
            for line in export_lines(opened, after):
                out.stream.write(f"{line}\n".encode())
                count += 1
    typer.echo(f"{count:,} records", err=True)


@app.command("forget")
def forget(
    *,
    author: Annotated[str, typer.Option(metavar="ID", help="As the platform has it.")],
    brand: Annotated[str | None, typer.Option(metavar="NAME", help="Of this brand alone.")] = None,
    channel: Annotated[str | None, typer.Option(help="On this channel alone.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
    database: DatabaseUrl = None,
    policy: options.PolicyFile = None,
) -> None:
    """Remove every message of an author, with its scores, events and corrections, for good.

    The ids of the messages stay as tombstones, so that a platform that sends one again does not
    bring it back, and the next export tells training to drop the texts. Items that others wrote to
    as well are weighed by the policy of the service: --policy, else REPLYRANK_POLICY.
    """
    with open_database("queue", database) as opened:
        from replyrank.serving.queue.people import forget as remove  # noqa: PLC0415
        from replyrank.serving.service import load_settings, weighing_of  # noqa: PLC0415

        if not yes and not typer.confirm(f"Remove everything of {author!r}?", err=True):
            message = "nothing was removed; answer y, or give --yes"
            raise UsageError(message)
        weighing = weighing_of(load_settings({"policy": policy}))
        gone = remove(opened, author, weighing, brand=brand, channel=channel)
    typer.echo(
        f"{gone.messages:,} messages removed, {gone.items:,} items with them, "
        f"{gone.corrections:,} corrections",
        err=True,
    )


@app.command("prune")
def prune(
    *,
    days: Annotated[int, typer.Option(min=1, metavar="DAYS", help="That finished items are kept.")],
    database: DatabaseUrl = None,
) -> None:
    """Remove items that were finished long ago, with their messages and events."""
    with open_database("queue", database) as opened:
        from replyrank.pipeline.policy_file import load_policy  # noqa: PLC0415
        from replyrank.serving.queue.store import Store  # noqa: PLC0415

        with opened.read() as connection:
            before = opened.now(connection) - days * _DAY_MS
        removed = Store(opened, load_policy()).prune(before)
    typer.echo(f"{removed:,} items removed", err=True)
