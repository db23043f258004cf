"""What a user can cause on this floor; exit code 2.

SettingsError      a policy or scenario file cannot be used
SimulationError    models or a trace do not allow a replay
"""

from replyrank.data.errors import UsageError


class SettingsError(UsageError):
    """A file of settings is missing, is not YAML, or says something that is refused."""


class SimulationError(UsageError):
    """The models do not say enough of their errors, or not of the same posts."""
