"""The held-out posts of an artefact: written and read back; anything else is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from replyrank.data.text_key import text_key
from replyrank.models.artefact import Artefact
from replyrank.models.config import ModelKind
from replyrank.models.errors import ArtefactError
from replyrank.models.held_out import HELD_OUT, HeldOut, load_held_out, save_held_out, short_key
from tests.artefacts import tiny_config


def _posts(n: int = 40) -> HeldOut:
    random = np.random.default_rng(0)
    return HeldOut(
        key=np.array([short_key(text_key(f"post {row}")) for row in range(n)], dtype=np.uint64),
        company=np.arange(n) % 7 - 1,
        intent=np.arange(n) % 4,
        urgency=np.arange(n) // 4 % 4,
        sentiment=np.arange(n) % 3,
        need=random.dirichlet([0.1] * 16, n),
        p_sentiment=random.dirichlet([1.0] * 3, n),
    )


def _artefact(folder: Path) -> Artefact:
    return Artefact(folder, tiny_config(ModelKind.LINEAR), manifest_sha256="")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    posts = _posts()
    save_held_out(posts, tmp_path / HELD_OUT)
    read = load_held_out(_artefact(tmp_path))
    for name in ("key", "company", "intent", "urgency", "sentiment"):
        assert getattr(read, name).tolist() == getattr(posts, name).tolist()
    assert read.need.sum(axis=1) == pytest.approx(np.ones(len(posts)))
    assert np.abs(read.need - posts.need).max() < 1e-3
    assert np.abs(read.p_sentiment - posts.p_sentiment).max() < 1e-3
    assert read.take(np.array([3, 1])).key.tolist() == posts.key[[3, 1]].tolist()


def test_the_same_posts_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save_held_out(_posts(), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_model_without_them_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"has no held_out\.npz.*; train it again"):
        load_held_out(_artefact(tmp_path))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x04pickle"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / HELD_OUT).write_bytes(content)
    with pytest.raises(ArtefactError, match="does not hold held-out posts"):
        load_held_out(_artefact(tmp_path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"need": np.full((40, 15), 1 / 15)}, "need must be 40 rows of 16 probabilities"),
        ({"p_sentiment": np.full((40, 3), np.nan)}, "p_sentiment must be 40 rows of 3"),
        ({"intent": np.full(40, 4)}, "intent must be 40 classes below 4"),
        ({"urgency": np.full(40, -1)}, "urgency must be 40 classes below 4"),
        ({"company": np.zeros(3, dtype=np.int64)}, "company must be 40 numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(_posts(), **change)
