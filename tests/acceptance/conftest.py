"""What acceptance tests share: a tiny model, so that commands answer in a second."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.processes import Done, replyrank
from tests.artefacts import tiny_linear_artefact

INBOX = """\
id,channel,author,created_at,text
a1,twitter,ann,2025-03-14T11:00:00Z,"My card was stolen, please block it!"
a2,chat,bob,2025-03-14T11:30:00Z,Where is my parcel? It should have come on Monday.
a3,email,cy,2025-03-14T09:00:00Z,Thank you for the quick help yesterday
"""

Command = Callable[..., Done]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_linear_artefact(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands run, with an inbox in it."""
    (tmp_path / "inbox.csv").write_text(INBOX, encoding="utf-8")
    return tmp_path


@pytest.fixture
def command(folder: Path, tiny_model: Path) -> Command:
    """Run the command line in ``folder`` with the tiny model as the default."""

    def run(*arguments: str | Path, stdin: str = "") -> Done:
        changes = {"REPLYRANK_MODEL": str(tiny_model)}
        return replyrank(*arguments, stdin=stdin, cwd=folder, changes=changes)

    return run
