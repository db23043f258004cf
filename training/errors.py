"""What a user can cause on this floor; exit code 1.

ImportRefusedError    too many rows of an import cannot be used: nothing was taken
TrackingError         the tracking store does not answer, or does not take a run
"""

from replyrank.data.errors import ReplyrankError


class ImportRefusedError(ReplyrankError):
    """Too many rows of an import cannot be used, so that something about all of it is wrong."""


class TrackingError(ReplyrankError):
    """The tracking store does not answer, or does not take a run."""
