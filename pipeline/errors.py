"""What a user can cause on this floor.

SettingsError    a policy or scenario file cannot be used; exit code 2
"""

from replyrank.data.errors import UsageError


class SettingsError(UsageError):
    """A file of settings is missing, is not YAML, or says something that is refused."""
