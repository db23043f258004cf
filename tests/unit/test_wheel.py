"""An installed package is packed into the wheel that it came from."""

import base64
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from replyrank.training import wheel


def test_a_packed_wheel_installs_without_an_index(tmp_path: Path) -> None:
    found = distribution("filelock")
    packed = wheel.packed_wheel(found, tmp_path)
    assert packed is not None
    assert packed.name == f"filelock-{found.version}-py3-none-any.whl"
    with zipfile.ZipFile(packed) as archive:
        names = set(archive.namelist())
        (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
        rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
        assert {row[0] for row in rows} == names
        for name, digest, size in rows:
            if name != record:
                content = archive.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
                assert digest == f"sha256={expected.rstrip(b'=').decode()}"
                assert int(size) == len(content)
    target = tmp_path / "target"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(  # noqa: S603
        [*command, "--target", str(target), str(packed)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (target / "filelock" / "__init__.py").is_file()


def test_an_editable_package_is_built_from_its_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"dir_info": {"editable": True}, "url": "file:///some%20where/replyrank"}
    commands: list[list[str]] = []

    class Editable:
        def read_text(self, name: str) -> str:
            return json.dumps(facts) if name == "direct_url.json" else ""

    def build(command: list[str], **_: object) -> None:
        commands.append(command)
        (tmp_path / "replyrank-1.0-py3-none-any.whl").write_bytes(b"")

    monkeypatch.setattr(wheel, "distribution", lambda _: Editable())
    monkeypatch.setattr(subprocess, "run", build)
    assert wheel.own_wheel(tmp_path) == tmp_path / "replyrank-1.0-py3-none-any.whl"
    assert commands[0][-2:] == [str(tmp_path), "/some where/replyrank"]

    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(subprocess, "run", fail)
    assert wheel.own_wheel(tmp_path) is None
