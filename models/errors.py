"""What can go wrong between an artefact's folder and a score.

ReplyrankError           (data.errors)
    ArtefactError        the folder is not what its manifest says, or cannot be used here
        SelfTestError    this machine gives other scores than the artefact must give
UsageError               (data.errors)
    ModelNotFoundError   no model stands where the caller, a setting or the pointer says
    ChampionError        the champion pointer cannot be read or names a changed artefact
"""

from replyrank.data.errors import ReplyrankError, UsageError


class ArtefactError(ReplyrankError):
    """An artefact is damaged, incomplete, unsafe or unfit for this version."""


class SelfTestError(ArtefactError):
    """The model loads, but its scores differ from those in ``selftest.jsonl``."""


class ModelNotFoundError(UsageError):
    """The model that was asked for does not exist."""


class ChampionError(UsageError):
    """``champion.json`` is unreadable or does not fit the folder that it names."""
