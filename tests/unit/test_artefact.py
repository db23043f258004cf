"""An artefact is taken whole and unchanged, or not at all."""

import json
import pickle
import shutil
from pathlib import Path

import pytest

from replyrank.models.artefact import verify, write_manifest
from replyrank.models.errors import ArtefactError
from tests.artefacts import tiny_config, tiny_linear_artefact, write_config

FILES = ("card.md", "config.json", "selftest.jsonl", "weights.npz")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_linear_artefact(tmp_path_factory.mktemp("linear") / "model")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(original, tmp_path / "model"))


def test_whole_artefact_passes(folder: Path) -> None:
    artefact = verify(folder)
    assert artefact.config.name == "tiny-linear-1.0"
    assert artefact.path("card.md") == folder / "card.md"
    assert len(artefact.manifest_sha256) == 64


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_flipped_bit_is_refused(folder: Path, name: str, place: str) -> None:
    raw = bytearray((folder / name).read_bytes())
    raw[{"first": 0, "middle": len(raw) // 2, "last": -1}[place]] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(ArtefactError, match=f"{name} has been changed.*again"):
        verify(folder)


def test_flipped_bit_of_the_manifest_is_refused_or_changes_its_hash(folder: Path) -> None:
    path = folder / "manifest.json"
    raw, whole = path.read_bytes(), verify(folder).manifest_sha256
    for place in range(0, len(raw), 7):
        damaged = bytearray(raw)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        try:
            found = verify(folder).manifest_sha256
        except ArtefactError:
            continue
        assert found != whole


@pytest.mark.parametrize("name", FILES)
def test_truncated_file_is_refused(folder: Path, name: str) -> None:
    raw = (folder / name).read_bytes()
    (folder / name).write_bytes(raw[:-1])
    with pytest.raises(ArtefactError, match=f"{name} is cut short: {len(raw) - 1} bytes"):
        verify(folder)


def test_longer_file_is_refused(folder: Path) -> None:
    with (folder / "card.md").open("a", encoding="utf-8") as file:
        file.write("more")
    with pytest.raises(ArtefactError, match=r"card\.md is longer than it was"):
        verify(folder)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        verify(folder)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no such folder"):
        verify(tmp_path / "nowhere")


def test_extra_file_is_refused(folder: Path) -> None:
    (folder / "notes.md").write_text("hello", encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"notes\.md is not in the manifest; remove it"):
        verify(folder)


@pytest.mark.parametrize("name", ["model.pkl", "model.bin", "model.pt", "run.py", "model", "x.npy"])
def test_pickle_and_code_are_refused_even_if_listed(folder: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(ArtefactError, match=f"{name}: an artefact may not hold"):
        verify(folder)
    with pytest.raises(ArtefactError, match=f"{name}: an artefact may not hold"):
        write_manifest(folder)


def test_link_is_refused(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "card.md"
    shutil.move(folder / "card.md", outside)
    (folder / "card.md").symlink_to(outside)
    with pytest.raises(ArtefactError, match=r"card\.md is a symbolic link"):
        verify(folder)


def test_subfolder_is_refused(folder: Path) -> None:
    (folder / "more.md").mkdir()
    with pytest.raises(ArtefactError, match=r"more\.md is not a plain file"):
        verify(folder)


def test_swapped_files_are_refused(folder: Path) -> None:
    card, selftest = folder / "card.md", folder / "selftest.jsonl"
    card_bytes, selftest_bytes = card.read_bytes(), selftest.read_bytes()
    card.write_bytes(selftest_bytes)
    selftest.write_bytes(card_bytes)
    with pytest.raises(ArtefactError, match=r"card\.md"):
        verify(folder)


@pytest.mark.parametrize("name", ["../card.md", "/etc/passwd.md", "a/b.md", "..", "a\\b.md", ""])
def test_manifest_cannot_leave_the_folder(folder: Path, name: str) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"][name] = manifest["files"]["card.md"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtefactError, match="not the name of a file inside the folder"):
        verify(folder)


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"format": "other"}, {"extra": 1}])
def test_manifest_of_another_version_is_refused(folder: Path, change: dict[str, object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | change
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtefactError, match="not a manifest of this version"):
        verify(folder)


def test_config_of_another_version_is_refused(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({"schema_version": 9}), encoding="utf-8")
    write_manifest(folder)
    with pytest.raises(ArtefactError, match=r"config\.json does not fit this version"):
        verify(folder)


def test_needed_file_must_be_there_though_no_manifest_lists_it(folder: Path) -> None:
    (folder / "weights.npz").unlink()
    write_manifest(folder)
    with pytest.raises(ArtefactError, match=r"weights\.npz is missing: a linear model needs it"):
        verify(folder)


def test_manifest_is_the_same_for_the_same_files(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    assert write_manifest(folder).read_bytes() == before
    write_config(folder, tiny_config(name="other"))
    assert write_manifest(folder).read_bytes() != before
