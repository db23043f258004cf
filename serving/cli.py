"""The command line: finds the command and turns every error of a user into words and a code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated. Data goes to stdout,
words to stderr.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Final

import typer

from replyrank.data.errors import ReplyrankError
from replyrank.serving.commands.data import app as data
from replyrank.serving.commands.evaluate import evaluate
from replyrank.serving.commands.keys import app as keys
from replyrank.serving.commands.model import app as model
from replyrank.serving.commands.promote import promote, pull, rollback
from replyrank.serving.commands.queue import app as queue
from replyrank.serving.commands.rank import rank
from replyrank.serving.commands.replay import replay
from replyrank.serving.commands.score import score
from replyrank.serving.commands.serve import serve
from replyrank.serving.commands.simulate import simulate
from replyrank.serving.commands.train import train

_FAILED: Final = 1

app = typer.Typer(
    name="replyrank",
    help="Score the messages that people send to a brand and rank the ones to answer first.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("score")(score)
app.command("rank")(rank)
app.command("simulate")(simulate)
app.command("evaluate")(evaluate)
app.command("train")(train)
app.command("promote")(promote)
app.command("rollback")(rollback)
app.command("pull")(pull)
app.command("serve")(serve)
app.command("replay")(replay)
app.add_typer(data, name="data")
app.add_typer(model, name="model")
app.add_typer(queue, name="queue")
app.add_typer(keys, name="keys")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"replyrank {version('replyrank')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit.

    Args:
        arguments: in place of those of the process.

    Raises:
        SystemExit: always, with the exit code.
    """
    try:
        app(args=arguments, prog_name="replyrank")
    except ReplyrankError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _fail(_described(error), _FAILED)


def _fail(message: str, code: int) -> None:
    typer.echo(f"replyrank: {message}", err=True)
    sys.exit(code)


def _described(error: OSError) -> str:
    """What the system refused, with the file that it is about."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason
