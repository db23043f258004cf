"""What a user can cause on this floor.

PolicyError    a policy file cannot be used; exit code 2
"""

from replyrank.data.errors import UsageError


class PolicyError(UsageError):
    """A policy file is missing, is not YAML, or says something that the policy refuses."""
