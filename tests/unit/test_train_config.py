"""The training config: what it accepts and what it says of what it does not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch", reason="the config knows its encoder (extra train)")

from replyrank.data.corpora import CORPORA
from replyrank.data.errors import UsageError
from replyrank.data.written import WRITTEN
from replyrank.training.config import (
    FallbackConfig,
    TrainConfig,
    find_config,
    load_config,
)

SHIPPED = Path(__file__).resolve().parents[2] / "training" / "configs"
SMALL: dict[str, Any] = {"name": "toy", "posts_stage": {"epochs": 2, "learning_rate": 1e-3}}


def _written(folder: Path, content: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return path


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_config_is_valid_and_names_known_corpora(path: Path) -> None:
    config = load_config(path)
    assert {*config.auxiliary, *config.companions, *config.post_sources} <= {*CORPORA, WRITTEN}


def test_a_shipped_config_is_found_by_its_name(tmp_path: Path) -> None:
    assert find_config(Path("corrections")).name == "corrections.yaml"
    own = tmp_path / "mine.yaml"
    assert find_config(own) == own
    with pytest.raises(UsageError, match="corrections, default"):
        find_config(Path("nothing"))


def test_kinds(tmp_path: Path) -> None:
    assert isinstance(load_config(_written(tmp_path, SMALL)), TrainConfig)
    linear = load_config(_written(tmp_path, {"kind": "linear", "name": "toy"}))
    assert isinstance(linear, FallbackConfig)
    assert linear.folds == 5


def test_overrides_replace_top_level_keys(tmp_path: Path) -> None:
    config = load_config(_written(tmp_path, SMALL), seed=9, name="other")
    assert (config.seed, config.name) == (9, "other")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": "x"}, "seed = 'x': Input should be a valid integer, unable to parse string as"),
        ({"folds": 1}, "folds = 1: Input should be greater than or equal to 2"),
        ({"max_tokens": 513}, "max_tokens = 513: Input should be less than or equal to 512"),
        ({"epochs": 2}, "epochs = 2: Extra inputs are not permitted"),
        ({"companions": {"apple": 0}}, "companions.apple = 0: Input should be greater than or"),
        (
            {"posts_stage": {"epochs": 0, "learning_rate": 1}},
            "posts_stage.epochs = 0: Input should be greater than 0",
        ),
        ({"kind": "forest"}, "kind = 'forest': Input should be 'transformer'"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = _written(tmp_path, SMALL | change)
    with pytest.raises(UsageError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {said}")
    assert message.endswith("; change or remove the key")


def test_a_missing_key(tmp_path: Path) -> None:
    path = _written(tmp_path, {"name": "toy"})
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}: posts_stage is missing; add the key"


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"cannot read the training config {path}: No such file or directory; name a YAML file"
    )


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "words"])
def test_no_keys(tmp_path: Path, content: str) -> None:
    path = _written(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"the training config {path} holds no keys; see training/configs for examples"
    )


def test_no_yaml(tmp_path: Path) -> None:
    path = _written(tmp_path, "name: [")
    with pytest.raises(UsageError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"the training config {path} is not YAML: while parsing a flow node")
    assert message.endswith("; mend it there")


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert str(caught.value) == f"the training config {path} is not UTF-8; save it as UTF-8"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("transformer", "read by a student alone"), ("linear", "reads no text without labels")],
)
def test_texts_that_nothing_would_read_are_refused(tmp_path: Path, kind: str, reason: str) -> None:
    stage = "posts_stage: {epochs: 1, learning_rate: 0.001}\n" if kind == "transformer" else ""
    path = tmp_path / "config.yaml"
    path.write_text(f"kind: {kind}\nname: toy\nunlabelled: [twcs]\n{stage}", encoding="utf-8")
    with pytest.raises(UsageError, match=reason):
        load_config(path)
