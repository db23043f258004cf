"""What a user can cause on this floor.

MissingExtraError       a command needs an extra that is not installed; exit code 1
IncompleteInputError    an input broke off before its end; exit code 1
StoreError              the queue's database cannot be used; exit code 1
MemoryShortError        another model does not fit beside the one in use; exit code 1
ListenError             the service cannot listen where it should; exit code 1
UnreachableError        the service does not answer; exit code 1
"""

from replyrank.data.errors import ReplyrankError


class MissingExtraError(ReplyrankError):
    """A command needs packages that an extra brings."""

    def __init__(self, command: str, extra: str, package: str) -> None:
        """Say which command, which extra, and which package was looked for."""
        super().__init__(
            f"`replyrank {command}` needs the `{extra}` extra (no package {package!r} here); "
            f"install with pip install 'replyrank[{extra}]'"
        )


class IncompleteInputError(ReplyrankError):
    """An input broke off; what could be read of it was done."""


class StoreError(ReplyrankError):
    """The queue's database cannot be used."""


class MemoryShortError(ReplyrankError):
    """There is too little memory for another model beside the one in use."""


class ListenError(ReplyrankError):
    """The service cannot listen where it should."""


class UnreachableError(ReplyrankError):
    """The service does not answer."""
