"""The errors that a user can cause, from which every other floor derives its own.

ReplyrankError       something went wrong that the user can read about; exit code 1
    UsageError       the user must change the call, a setting or a file; exit code 2

A message says the fact, the value and the remedy.
"""

from typing import ClassVar


class ReplyrankError(Exception):
    """Base of all errors that are shown without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(ReplyrankError):
    """The call, a setting or a file must be changed before it can work."""

    exit_code: ClassVar[int] = 2
