"""Commands that need an extra say so in place of a traceback."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

from replyrank.serving.errors import MissingExtraError


@contextmanager
def needs_extra(extra: str, command: str, *packages: str) -> Generator[None]:
    """Turn the absence of a package of an extra into words.

    Args:
        extra: its name.
        command: that needs it.
        packages: looked for before any work is done.

    Raises:
        MissingExtraError: if one of them, or another package that is not ours, is not installed.
    """
    try:
        for name in packages:
            if find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "replyrank"):
            raise
        raise MissingExtraError(command, extra, package) from error
