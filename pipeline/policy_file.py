"""Read a policy file."""

from pathlib import Path
from typing import Final

from replyrank.pipeline.policy import Policy
from replyrank.pipeline.settings_file import SettingsFile

_FILE: Final = SettingsFile(Policy, "policy", "replyrank.pipeline", "policy.yaml")


def load_policy(path: str | Path | None = None) -> Policy:
    """The shipped policy, or that of a file, which may state only what differs from it.

    Raises:
        SettingsError: if the file cannot be read, has an unknown key, or a value that the
            policy refuses; the message names the key, the value and the remedy.
    """
    return _FILE.load(path)
