"""Which code made a model: the wheel that lies beside it, and the commit that it came from."""

import hashlib
import json
import os
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from replyrank.training.wheel import NAME, editable_checkout

#: the names that MLflow knows
COMMIT: Final = "mlflow.source.git.commit"
DIRTY: Final = "mlflow.source.git.dirty"
WHEEL: Final = "wheel_sha256"

_TIMEOUT: Final = 60


def code_tags(wheel: Path | None) -> dict[str, str]:
    """Tags of the running code, as far as it can be told.

    A version number alone names many states of a checkout.

    Args:
        wheel: that is logged beside the model, if it could be made.
    """
    packed = {} if wheel is None else {WHEEL: hashlib.sha256(wheel.read_bytes()).hexdigest()}
    return {**packed, **_commit()}


def _commit() -> dict[str, str]:
    found = distribution(NAME)
    checkout = editable_checkout(found)
    if checkout is not None:
        return checkout_tags(checkout)
    # Of an installation from a repository pip notes the commit (PEP 610).
    facts = json.loads(found.read_text("direct_url.json") or "{}").get("vcs_info", {})
    if facts.get("vcs") != "git":
        return {}
    return {COMMIT: facts["commit_id"], DIRTY: "false"}


def checkout_tags(checkout: Path) -> dict[str, str]:
    """Commit of a checkout, and whether files differ from it; nothing where git cannot tell.

    A folder that lies in another project's checkout has no commit of its own.
    """
    top = _git(checkout, "rev-parse", "--show-toplevel")
    commit = _git(checkout, "rev-parse", "--verify", "HEAD")
    changes = _git(checkout, "status", "--porcelain")
    if top is None or commit is None or changes is None or not checkout.samefile(top):
        return {}
    # Files that git does not know count as well: they go into the wheel.
    return {COMMIT: commit, DIRTY: "true" if changes else "false"}


def _git(checkout: Path, *arguments: str) -> str | None:
    """What git says of a checkout; None if it is not there or refuses."""
    git = shutil.which("git")
    if git is None:
        return None
    # Of a hook, say, they would name another repository.
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = [git, "--no-optional-locks", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(  # noqa: S603  git of this machine, arguments of ours
            command, check=True, capture_output=True, timeout=_TIMEOUT, env=ours
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return os.fsdecode(done.stdout).strip()
