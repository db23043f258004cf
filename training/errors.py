"""What a user can cause on this floor; exit code 1.

ImportRefusedError    too many rows of an import cannot be used: nothing was taken
GateError             a model is refused by the gate
TrackingError         the tracking store does not answer, or does not take a run
"""

from replyrank.data.errors import ReplyrankError


class ImportRefusedError(ReplyrankError):
    """Too many rows of an import cannot be used, so that something about all of it is wrong."""


class GateError(ReplyrankError):
    """A model is refused; every figure that refuses it is named."""


class TrackingError(ReplyrankError):
    """The tracking store does not answer, or does not take a run."""
