"""The models of a service: which is in use, and what a swap needs."""

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

from replyrank.models.find import FALLBACK, HOME_VARIABLE, find_artefact
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


def test_the_first_model_is_loaded_whatever_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    _free(monkeypatch, 0)
    models = Models(FALLBACK, 1)
    models.load()
    assert models.problem is None
    assert models.current is not None
