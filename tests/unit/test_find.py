"""Which model is loaded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from replyrank.models import Score, ScoreBatch, Scorer, find, load_scorer
from replyrank.models.artefact import verify, write_manifest
from replyrank.models.champion import Champion, ModelVersion, read_champion, write_champion
from replyrank.models.errors import (
    ArtefactError,
    ChampionError,
    ModelNotFoundError,
    SelfTestError,
)
from tests.artefacts import seal, tiny_artefact, tiny_linear_artefact, unverified


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPLYRANK_MODEL", raising=False)
    monkeypatch.delenv("REPLYRANK_HOME", raising=False)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models that holds a linear one."""
    folder = tmp_path / "shipped"
    tiny_linear_artefact(folder / "linear-1", name="shipped-linear")
    tell_parts(folder, fallback="linear-1")
    monkeypatch.setattr(find, "SHIPPED", folder)
    return folder


def tell_parts(shipped: Path, **parts: str) -> None:
    (shipped / find.ROLES).write_text(json.dumps(parts), encoding="utf-8")


def promote(home: Path, folder: Path, *, relative: bool = False) -> Champion:
    champion = Champion(
        version="7",
        folder=os.path.relpath(folder, home) if relative else str(folder),
        manifest_sha256=verify(folder).manifest_sha256,
        previous=ModelVersion(version="6", folder="models/6", manifest_sha256="0" * 64),
    )
    write_champion(home, champion)
    return champion


def test_order_of_the_sources(
    tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_artefact(shipped / "transformer-1", name="shipped-transformer")
    tell_parts(shipped, default="transformer-1", fallback="linear-1")
    assert load_scorer().config.name == "shipped-transformer"

    home = tmp_path / "home"
    monkeypatch.setenv("REPLYRANK_HOME", str(home))
    assert load_scorer().config.name == "shipped-transformer"  # no pointer in there yet
    promote(home, tiny_linear_artefact(home / "models" / "7", name="champion"), relative=True)
    assert load_scorer().config.name == "champion"

    variable = tiny_linear_artefact(tmp_path / "variable", name="variable")
    monkeypatch.setenv("REPLYRANK_MODEL", str(variable))
    assert load_scorer().config.name == "variable"

    argument = tiny_linear_artefact(tmp_path / "argument", name="argument")
    assert load_scorer(argument).config.name == "argument"
    assert load_scorer(str(argument)).config.name == "argument"


def test_names_of_shipped_models(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_scorer("fallback").config.name == "shipped-linear"
    assert load_scorer("linear-1").config.name == "shipped-linear"
    monkeypatch.setenv("REPLYRANK_MODEL", "fallback")
    assert load_scorer().config.name == "shipped-linear"
    tell_parts(shipped, fast="linear-1")
    assert load_scorer("fast").config.name == "shipped-linear"


@pytest.mark.parametrize("parts", [{"fallback": "linear-1"}, {"default": "gone"}, {"default": ""}])
def test_a_part_that_no_shipped_model_plays_is_told(shipped: Path, parts: dict[str, str]) -> None:
    tell_parts(shipped, **parts)
    with pytest.raises(ModelNotFoundError, match="no shipped model as the default; name a folder"):
        load_scorer("default")


@pytest.mark.parametrize("content", [None, "", "[]", '{"default": 1}'])
def test_parts_that_cannot_be_read_are_told(shipped: Path, content: str | None) -> None:
    path = shipped / find.ROLES
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelNotFoundError, match=r"roles\.json.*install replyrank again"):
        load_scorer()


@pytest.mark.parametrize("model", ["nowhere", "/no/such/folder"])
def test_unknown_model_names_what_there_is(shipped: Path, model: str) -> None:
    assert shipped.is_dir()
    with pytest.raises(ModelNotFoundError, match=f"{model}.*default, fast, fallback, linear-1"):
        load_scorer(model)


def test_kind_and_threads_are_taken(tmp_path: Path) -> None:
    folder = tiny_artefact(tmp_path / "model")
    one, two, all_of_them = (load_scorer(folder, threads=n) for n in (1, 2, None))
    texts = ["where is my order", "thanks a lot"]
    assert one.score(texts) == two.score(texts) == all_of_them.score(texts)
    assert isinstance(one.score_batch(texts), ScoreBatch)
    assert isinstance(one.score(texts)[0], Score)


def test_damaged_model_is_not_loaded(tmp_path: Path) -> None:
    folder = tiny_linear_artefact(tmp_path / "model")
    (folder / "card.md").write_text("changed", encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"card\.md"):
        load_scorer(folder)


def test_model_that_fails_its_selftest_is_not_loaded(tmp_path: Path) -> None:
    folder = tiny_linear_artefact(tmp_path / "model")
    other = tiny_linear_artefact(tmp_path / "other", seed=1)
    shutil.copy(other / "selftest.jsonl", folder)
    write_manifest(folder)
    with pytest.raises(SelfTestError, match="--model fallback"):
        load_scorer(folder)


def test_champion_survives_the_file(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    champion = promote(home, tiny_linear_artefact(tmp_path / "model"))
    assert read_champion(home) == champion
    assert [path.name for path in home.iterdir()] == ["champion.json"]


def test_changed_champion_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_linear_artefact(tmp_path / "model")
    promote(tmp_path, folder)
    (folder / "extra.md").write_text("sealed again", encoding="utf-8")
    write_manifest(folder)
    monkeypatch.setenv("REPLYRANK_HOME", str(tmp_path))
    with pytest.raises(ChampionError, match="not the model that was promoted"):
        load_scorer()


def test_champion_without_its_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_linear_artefact(tmp_path / "model")
    promote(tmp_path, folder)
    shutil.rmtree(folder)
    monkeypatch.setenv("REPLYRANK_HOME", str(tmp_path))
    with pytest.raises(ChampionError, match="which is no folder"):
        load_scorer()


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1", "folder": "x"}', "null"])
def test_broken_pointer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "champion.json").write_text(content, encoding="utf-8")
    with pytest.raises(ChampionError, match="not a champion pointer"):
        read_champion(tmp_path)


def test_failed_write_leaves_the_old_pointer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = promote(tmp_path, tiny_linear_artefact(tmp_path / "model"))

    def no_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_disk)
    with pytest.raises(OSError, match="No space left"):
        write_champion(tmp_path, champion.model_copy(update={"version": "8"}))
    assert read_champion(tmp_path) == champion
    assert sorted(path.name for path in tmp_path.iterdir()) == ["champion.json", "model"]


def test_scorers_of_both_kinds_fit_the_protocol(tmp_path: Path) -> None:
    scorer: Scorer = load_scorer(tiny_linear_artefact(tmp_path / "model"))
    assert scorer.score([]) == []


def test_sealing_again_gives_the_same_manifest(tmp_path: Path) -> None:
    folder = tiny_linear_artefact(tmp_path / "model")
    before = verify(folder).manifest_sha256
    from replyrank.models.linear import LinearScorer  # noqa: PLC0415

    seal(folder, LinearScorer(unverified(folder)))
    assert verify(folder).manifest_sha256 == before


def test_package_has_only_what_it_says() -> None:
    program = (
        "import replyrank.models as m; "
        "print(sorted(m.__all__)); print(hasattr(m, 'nothing_of_the_kind'))"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    names = "['Score', 'ScoreBatch', 'Scorer', 'load_scorer']"
    assert done.stdout.splitlines() == [names, "False"]
