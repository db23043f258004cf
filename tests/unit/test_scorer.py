"""The one path from text to scores, on a tiny real graph."""

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from replyrank.data.vocabulary import Review
from replyrank.models.artefact import verify
from replyrank.models.errors import ArtefactError, SelfTestError
from replyrank.models.linear import LinearScorer
from replyrank.models.scorer import OnnxScorer
from replyrank.models.scores import ScoreBatch
from replyrank.models.selftest import run_selftest
from tests.artefacts import (
    TEXTS,
    tiny_artefact,
    tiny_config,
    tiny_graph,
    tiny_linear_artefact,
    unverified,
    write_config,
)

FRENCH = "Bonjour, je n'ai toujours pas reçu ma commande et personne ne me répond depuis lundi"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_artefact(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def scorer(folder: Path) -> OnnxScorer:
    return OnnxScorer(verify(folder), threads=3)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "model"))


@pytest.fixture(scope="module")
def posts() -> list[str]:
    """Posts of many lengths, some of them equal."""
    words = TEXTS[0].split() + TEXTS[5].split()
    source = np.random.default_rng(7)
    return [" ".join(source.choice(words, size)) for size in source.integers(3, 40, 300)]


def assert_same(left: ScoreBatch, right: ScoreBatch) -> None:
    np.testing.assert_array_equal(left.need, right.need)
    np.testing.assert_array_equal(left.p_sentiment, right.p_sentiment)
    assert (left.language, left.review, left.model) == (right.language, right.review, right.model)


def test_rows_are_distributions_of_their_own_text(scorer: OnnxScorer, posts: list[str]) -> None:
    batch = scorer.score_batch(posts)
    assert batch.need.shape == (300, 16)
    np.testing.assert_allclose(batch.need.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(batch.p_sentiment.sum(axis=1), 1, atol=1e-12)
    assert len({tuple(row) for row in batch.need.tolist()}) == len(set(posts))


def test_neighbours_do_not_matter(scorer: OnnxScorer, posts: list[str]) -> None:
    batch = scorer.score_batch(posts)
    order = np.random.default_rng(3).permutation(len(posts)).tolist()
    shuffled = scorer.score_batch([posts[row] for row in order])
    by_length = sorted(order, key=lambda row: len(posts[row]))
    in_order = scorer.score_batch([posts[row] for row in by_length])
    alone = np.concatenate([scorer.score_batch([post]).need for post in posts])
    np.testing.assert_array_equal(shuffled.need, batch.need[order])
    np.testing.assert_array_equal(in_order.need, batch.need[by_length])
    np.testing.assert_array_equal(alone, batch.need)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("batch_rows", [1, 3, 64])
def test_threads_and_batches_do_not_matter(
    folder: Path, scorer: OnnxScorer, posts: list[str], threads: int, batch_rows: int
) -> None:
    other = OnnxScorer(verify(folder), threads=threads, batch_rows=batch_rows)
    assert_same(other.score_batch(posts), scorer.score_batch(posts))


def test_one_scorer_serves_many_threads(scorer: OnnxScorer, posts: list[str]) -> None:
    parts = [posts[start : start + 30] for start in range(0, 300, 30)] * 3
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(scorer.score_batch, parts))
    for part, batch in zip(parts, together, strict=True):
        assert_same(batch, scorer.score_batch(part))


def test_scores_are_calibrated_logits(scorer: OnnxScorer) -> None:
    text = "where is my order"
    logits = scorer.logits([text])
    calibration = scorer.config.calibration.need
    expected = np.exp(np.array(calibration.scale) * logits.need[0] + np.array(calibration.bias))
    np.testing.assert_allclose(scorer.score([text])[0].need, expected / expected.sum(), rtol=1e-12)


def test_score_equals_score_batch(scorer: OnnxScorer) -> None:
    values = [*TEXTS, "", None, FRENCH]
    assert scorer.score(values) == list(scorer.score_batch(values))


def test_rows_that_cannot_be_scored_get_priors_and_a_reason(scorer: OnnxScorer) -> None:
    values = [TEXTS[0], None, "", " \t\n", "...?!", 3.5, b"bytes", float("nan"), FRENCH, TEXTS[1]]
    batch = scorer.score_batch(values)
    empty, unreadable = Review.EMPTY, Review.UNREADABLE
    assert batch.review == (
        None, unreadable, empty, empty, empty, unreadable, unreadable, unreadable,
        Review.LANGUAGE, None,
    )  # fmt: skip
    assert batch.language == ("en", *[None] * 7, "fr", "en")
    for row in range(1, 9):
        np.testing.assert_array_equal(batch.need[row], scorer.config.priors.need)
        np.testing.assert_array_equal(batch.p_sentiment[row], scorer.config.priors.sentiment)
    assert_same(scorer.score_batch([TEXTS[0]]), scorer.score_batch(values[:1]))
    np.testing.assert_array_equal(batch.need[9], scorer.score_batch([TEXTS[1]]).need[0])


@pytest.mark.parametrize(
    "text",
    ["😀", "\ud800 where is my order", "where\x00is my order", "a" * 100_000, "no " * 40_000, "?1"],
)
def test_odd_texts_are_scored(scorer: OnnxScorer, text: str) -> None:
    batch = scorer.score_batch([text])
    assert batch.review == (None,)
    assert np.isfinite(batch.need).all()


def test_nothing_in_nothing_out(scorer: OnnxScorer) -> None:
    assert len(scorer.score_batch([])) == 0
    assert scorer.score([]) == []


def test_only_unscorable_rows(scorer: OnnxScorer) -> None:
    assert scorer.score_batch(["", None]).review == (Review.EMPTY, Review.UNREADABLE)


def test_low_confidence_keeps_the_scores(tmp_path: Path, scorer: OnnxScorer) -> None:
    texts = [*TEXTS, ""]
    p_max = scorer.score_batch(TEXTS).p_intent.max(axis=1)
    threshold = float(np.median(p_max))
    config = tiny_config()
    stricter = config.thresholds.model_copy(update={"low_confidence": threshold})
    strict = OnnxScorer(verify(tiny_artefact(tmp_path / "strict", thresholds=stricter)))
    batch = strict.score_batch(texts)
    expected = [Review.LOW_CONFIDENCE if p < threshold else None for p in p_max]
    assert batch.review == (*expected, Review.EMPTY)
    assert 0 < expected.count(Review.LOW_CONFIDENCE) < len(TEXTS)
    np.testing.assert_array_equal(batch.need[:-1], scorer.score_batch(TEXTS).need)


def test_long_texts_keep_head_and_tail(scorer: OnnxScorer) -> None:
    # 30 words and the two special tokens fill the 32 of the configuration: 23 words from the
    # beginning, 7 from the end.
    head, tail = ["order", "app", "bank"] * 8, ["the", "bus"] * 4
    exact = " ".join([*head[:23], *tail[-7:]])
    longer = " ".join([*head[:23], *["app"] * 50, *tail[-7:]])
    other_end = " ".join([*head[:23], *["app"] * 50, *tail[-6:], "app"])
    p_exact, p_longer, p_other = (
        scorer.score_batch([text]).need for text in (exact, longer, other_end)
    )
    np.testing.assert_array_equal(p_exact, p_longer)
    assert not np.array_equal(p_exact, p_other)


def test_wrong_numbers_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="threads 0"):
        OnnxScorer(verify(folder), threads=0)
    with pytest.raises(ValueError, match="batch_rows 0"):
        OnnxScorer(verify(folder), batch_rows=0)


@pytest.mark.parametrize("graph", [{"need": "logits"}, {"need_cells": 15}, {"mask": True}], ids=str)
def test_graph_with_another_signature_is_refused(copy: Path, graph: dict[str, object]) -> None:
    tiny_graph(copy / "model.onnx", **graph)  # type: ignore[arg-type]
    with pytest.raises(ArtefactError, match="needs the one input input_ids"):
        OnnxScorer(unverified(copy))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_file_that_does_not_open_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_text("{}", encoding="utf-8")
    with pytest.raises(ArtefactError, match=f"{name} does not open"):
        OnnxScorer(unverified(copy))


def test_other_cleaning_is_refused(copy: Path) -> None:
    write_config(copy, tiny_config(cleaning=99))
    with pytest.raises(ArtefactError, match="cleaned by version 99"):
        OnnxScorer(unverified(copy))


def test_selftest_passes_on_its_own_model(folder: Path, scorer: OnnxScorer) -> None:
    assert run_selftest(scorer, folder / "selftest.jsonl") < 1e-5


def test_selftest_notices_another_model(folder: Path, tmp_path: Path) -> None:
    other = OnnxScorer(verify(tiny_artefact(tmp_path / "other", seed=1)))
    with pytest.raises(SelfTestError, match=r"off by 0\.\d+, at most 0\.02 is allowed"):
        run_selftest(other, folder / "selftest.jsonl")


@pytest.mark.parametrize("content", ["", "\n", '{"text": "a"}\n', "no json", "\xff"])
def test_unusable_selftest_is_refused(scorer: OnnxScorer, tmp_path: Path, content: str) -> None:
    path = tmp_path / "selftest.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SelfTestError, match="build"):
        run_selftest(scorer, path)


_WITHOUT_TRAINING_LIBRARIES = """
    import sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            blocked = "torch transformers sklearn scipy onnx datasets mlflow pandas".split()
            if name.partition(".")[0] in blocked:
                raise ModuleNotFoundError(f"{name} is blocked by the test")

    sys.meta_path.insert(0, Blocker())
    import replyrank.models

    heavy = [name for name in ("numpy", "onnxruntime", "py3langid") if name in sys.modules]
    assert not heavy, heavy
    scores = replyrank.models.load_scorer(sys.argv[1], threads=2).score(["where is my order?", ""])
    print(len(scores), scores[0].model, scores[1].review)
"""


@pytest.mark.parametrize("build", [tiny_artefact, tiny_linear_artefact])
def test_scoring_needs_no_library_of_training(
    tmp_path: Path, build: Callable[[Path], Path]
) -> None:
    model = build(tmp_path / "model")
    command = [sys.executable, "-c", textwrap.dedent(_WITHOUT_TRAINING_LIBRARIES), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr == ""
    assert done.stdout.split() == ["2", unverified(model).config.name, "empty"]


@pytest.mark.parametrize("text", ["one text", b"one text"])
def test_one_text_in_place_of_a_list_is_refused(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    scorer = LinearScorer(verify(tiny_linear_artefact(folder)))
    with pytest.raises(TypeError, match=r"give a list of texts: score\(\[text\]\)$"):
        scorer.score(text)
