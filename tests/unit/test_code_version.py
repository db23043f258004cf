"""Which code made a model is told by wheel and commit, as far as either is known."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from replyrank.training import code_version
from replyrank.training.code_version import COMMIT, DIRTY, WHEEL, checkout_tags, code_tags

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


class Installed:
    """An installation with what pip notes of its origin."""

    def __init__(self, **facts: object) -> None:
        self._facts = json.dumps(facts)

    def read_text(self, _name: str) -> str:
        return self._facts


def git(folder: Path, *arguments: str) -> str:
    settings = ("user.name=x", "user.email=x@example.com", "commit.gpgsign=false")
    command = ["git", *(part for one in settings for part in ("-c", one)), *arguments]
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "code.py").write_text("1\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


@needs_git
def test_a_checkout_has_its_commit_and_whether_files_differ(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert checkout_tags(checkout) == {COMMIT: commit, DIRTY: "false"}
    (checkout / "new.py").write_text("2\n")
    assert checkout_tags(checkout) == {COMMIT: commit, DIRTY: "true"}


@needs_git
def test_variables_of_git_name_no_other_repository(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert checkout_tags(checkout)[COMMIT] == commit


@needs_git
def test_what_lies_in_another_checkout_has_no_commit(checkout: Path, tmp_path: Path) -> None:
    assert checkout_tags(checkout / "package") == {}
    assert checkout_tags(tmp_path) == {}


def test_a_machine_without_git_tells_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout_tags(tmp_path) == {}


def test_the_wheel_is_told_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_version, "distribution", lambda _: Installed())
    assert code_tags(None) == {}
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"packed")
    assert code_tags(wheel) == {WHEEL: hashlib.sha256(b"packed").hexdigest()}


@pytest.mark.parametrize(
    ("facts", "commit"),
    [
        ({"vcs_info": {"vcs": "git", "commit_id": "ab" * 20}, "url": "https://x.org"}, "ab" * 20),
        ({"vcs_info": {"vcs": "hg", "commit_id": "ab" * 20}, "url": "https://x.org"}, None),
        ({"dir_info": {}, "url": "file:///work"}, None),
    ],
)
def test_an_installation_from_a_repository_knows_its_commit(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], commit: str | None
) -> None:
    monkeypatch.setattr(code_version, "distribution", lambda _: Installed(**facts))
    assert code_tags(None).get(COMMIT) == commit
