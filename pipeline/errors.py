"""What a user can cause on this floor; exit code 2.

SettingsError      a policy or scenario file cannot be used
SimulationError    models or a trace do not allow a replay
PartsError         what an earlier run left does not fit this one

exit code 1:
DiskError          the system refused to write
"""

from replyrank.data.errors import ReplyrankError, UsageError


class SettingsError(UsageError):
    """A file of settings is missing, is not YAML, or says something that is refused."""


class SimulationError(UsageError):
    """The models do not say enough of their errors, or not of the same posts."""


class PartsError(UsageError):
    """An unfinished run cannot be gone on with: another is at work, or began it otherwise."""


class DiskError(ReplyrankError):
    """A run stopped because a file could not be read or written."""
