"""The models of a service: which is in use, and what a swap needs."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

from replyrank.models.artefact import write_manifest
from replyrank.models.find import FALLBACK, HOME_VARIABLE, MODEL_VARIABLE, find_artefact
from replyrank.serving.scoring import models as module
from replyrank.serving.scoring.models import Models


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Models:
    """With the linear model in use, and another that is to be used from now on."""
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    models = Models(FALLBACK, 1)
    models.load()
    other = find_artefact("fast")
    monkeypatch.setattr(module, "find_artefact", lambda _: other)
    return models


def _free(monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    monkeypatch.setattr(module, "available_memory", lambda: size)


def test_what_does_not_fit_beside_the_model_in_use_is_not_loaded(
    found: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = found.current
    assert before is not None
    _free(monkeypatch, 90 << 20)
    assert not found.refresh()
    assert found.current is before
    assert found.problem is not None
    assert "90 MiB are free; give the service more memory" in found.problem


@pytest.mark.parametrize("size", [None, 1 << 30])
def test_it_is_swapped_where_there_is_room(
    size: int | None, found: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    _free(monkeypatch, size)
    assert found.refresh()
    assert found.current is not None
    assert found.current.name.startswith("minilm-l3")
    assert found.problem is None


def _broken(folder: Path, file: str, text: str) -> Path:
    """The linear model with another file in the place of one, and a manifest that fits."""
    shutil.copytree(find_artefact(FALLBACK).folder, folder)
    (folder / file).write_text(text, encoding="utf-8")
    (folder / "manifest.json").unlink()
    write_manifest(folder)
    return folder


def _changed(**fields: object) -> str:
    raw = (find_artefact(FALLBACK).folder / "config.json").read_text(encoding="utf-8")
    return json.dumps(json.loads(raw) | fields)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("config.json", _changed(schema_version=9), "schema_version is 9; it should be 1; use an"),
        ("config.json", _changed(cleaning="x" * 99), f"cleaning is '{'x' * 59}; it should be a"),
        ("config.json", _changed(priors={}), "priors.need: Field required (and 1 more); use an"),
        ("config.json", "{", "Invalid JSON: EOF while parsing an object at line 1 column 1; use"),
        ("selftest.jsonl", "{}", "text: Field required (and 2 more); build the artefact again"),
    ],
)
def test_why_the_first_model_is_not_loaded_is_one_line(
    file: str, text: str, told: str, tmp_path: Path
) -> None:
    folder = _broken(tmp_path / "model", file, text)
    models = Models(folder, 1)
    models.load()
    assert models.current is None
    assert models.problem is not None
    assert models.problem.startswith(f"{folder / file} ")
    assert told in models.problem
    assert "\n" not in models.problem
    assert "http" not in models.problem


def test_a_broken_pointer_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    (tmp_path / "champion.json").write_text('{"version": 1}', encoding="utf-8")
    models = Models(None, 1)
    models.load()
    assert models.problem == (
        f"{tmp_path / 'champion.json'} is not a champion pointer: version is 1; it should be a "
        "valid string (and 2 more); promote a model again or remove it"
    )


def test_the_first_model_is_loaded_whatever_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    _free(monkeypatch, 0)
    models = Models(FALLBACK, 1)
    models.load()
    assert models.problem is None
    assert models.current is not None
