"""The linear fallback: features, weights, scores."""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from replyrank.models.artefact import verify
from replyrank.models.errors import ArtefactError
from replyrank.models.linear import (
    CLASSES,
    Features,
    LinearScorer,
    LinearWeights,
    count_features,
    inverse_document_frequency,
    linear_logits,
    load_weights,
    save_weights,
    weigh_features,
)
from tests.artefacts import TEXTS, tiny_linear_artefact

BUCKETS = 1 << 12


def row(features: Features, number: int) -> dict[int, float]:
    span = slice(features.indptr[number], features.indptr[number + 1])
    return dict(zip(features.indices[span].tolist(), features.values[span].tolist(), strict=True))


def test_counts_add_up() -> None:
    counts = count_features(["hi", "hi hi", ""], BUCKETS)
    once, twice, nothing = (row(counts, number) for number in range(3))
    # " hi " in UTF-8: one word, 3 + 2 + 1 parts of 2, 3 and 4 characters, none of 5.
    assert sum(once.values()) == 7
    assert nothing == {}
    pair = {column: count for column, count in twice.items() if column not in once}
    assert list(pair.values()) == [1]
    assert {column: twice[column] / 2 for column in once} == once


def test_case_does_not_matter_and_punctuation_does() -> None:
    counts = count_features(["Where IS it", "where is it", "where is it ??"], BUCKETS)
    assert row(counts, 0) == row(counts, 1) != row(counts, 2)


def test_order_of_words_matters_through_pairs() -> None:
    counts = count_features(["not good but bad", "not bad but good"], BUCKETS)
    assert row(counts, 0) != row(counts, 1)


def test_features_do_not_depend_on_neighbours() -> None:
    together = count_features(TEXTS, BUCKETS)
    for number, text in enumerate(TEXTS):
        assert row(together, number) == row(count_features([text], BUCKETS), 0)


def test_weighted_rows_have_unit_length() -> None:
    counts = count_features([*TEXTS, ""], BUCKETS)
    weighted = weigh_features(counts, inverse_document_frequency(counts, BUCKETS))
    for number in range(len(TEXTS)):
        assert sum(v * v for v in row(weighted, number).values()) == pytest.approx(1, abs=1e-5)
    assert row(weighted, len(TEXTS)) == {}


def test_rare_features_weigh_more() -> None:
    counts = count_features(["order", "order late", "order quiz"], BUCKETS)
    idf = inverse_document_frequency(counts, BUCKETS)
    common, rare = (set(row(counts, 0)), set(row(counts, 1)) - set(row(counts, 0)))
    assert {float(idf[column]) for column in common} == {1.0}
    assert all(idf[column] == pytest.approx(np.log(2) + 1) for column in rare)


def random_weights(n_features: int = BUCKETS) -> LinearWeights:
    random = np.random.default_rng(5)
    return LinearWeights(
        idf=random.uniform(1, 5, n_features).astype(np.float32),
        coefficients=random.normal(0, 1, (n_features, CLASSES)).astype(np.float32),
        bias=random.normal(0, 1, CLASSES).astype(np.float32),
    )


def test_logits_are_dot_products() -> None:
    weights = random_weights()
    features = weigh_features(count_features(TEXTS, BUCKETS), weights.idf)
    for number, logits in enumerate(linear_logits(TEXTS, weights)):
        dense = np.zeros(BUCKETS)
        for column, value in row(features, number).items():
            dense[column] = value
        np.testing.assert_allclose(logits, dense @ weights.coefficients + weights.bias, atol=1e-5)


def test_empty_text_gets_the_bias() -> None:
    weights = random_weights()
    np.testing.assert_array_equal(linear_logits([""], weights), [weights.bias])
    assert linear_logits([], weights).shape == (0, CLASSES)


def test_weights_survive_the_file(tmp_path: Path) -> None:
    weights = random_weights()
    save_weights(weights, tmp_path / "weights.npz")
    back = load_weights(tmp_path / "weights.npz")
    np.testing.assert_allclose(back.coefficients, weights.coefficients, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(back.idf, weights.idf, rtol=1e-3)
    np.testing.assert_array_equal(back.bias, weights.bias)


def test_file_with_a_pickle_inside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    objects = np.array([{"code": "could run"}], dtype=object)
    np.savez(path, idf=objects, coefficients=objects, bias=objects)
    with pytest.raises(ArtefactError, match=r"weights\.npz does not hold the arrays"):
        load_weights(path)


def _not_a_zip() -> bytes:
    return b"PK but no archive"


def _without_bias() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, idf=np.ones(4), coefficients=np.ones((4, CLASSES)))
    return buffer.getvalue()


def _wrong_shape() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, idf=np.ones(4), coefficients=np.ones((4, 3)), bias=np.ones(3))
    return buffer.getvalue()


def _broken_member() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("idf.npy", b"no array")
    return buffer.getvalue()


@pytest.mark.parametrize("make", [_not_a_zip, _without_bias, _wrong_shape, _broken_member, bytes])
def test_unusable_weights_are_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(make())
    with pytest.raises(ArtefactError, match=r"weights\.npz does not hold the arrays"):
        load_weights(path)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> LinearScorer:
    return LinearScorer(verify(tiny_linear_artefact(tmp_path_factory.mktemp("linear") / "model")))


def test_neighbours_do_not_matter(scorer: LinearScorer) -> None:
    texts = [f"{text} {number}" for number in range(200) for text in TEXTS]
    batch = scorer.score_batch(texts)
    backwards = scorer.score_batch(texts[::-1])
    np.testing.assert_array_equal(batch.need, backwards.need[::-1])
    np.testing.assert_array_equal(batch.p_sentiment, backwards.p_sentiment[::-1])
    for number in (0, 511, 512, 1199):
        np.testing.assert_array_equal(
            scorer.score_batch([texts[number]]).need[0], batch.need[number]
        )


def test_same_reviews_as_the_other_kind(scorer: LinearScorer) -> None:
    batch = scorer.score_batch([TEXTS[0], None, ""])
    assert batch.review == (None, "unreadable", "empty")
    np.testing.assert_array_equal(batch.need[1], scorer.config.priors.need)


def test_long_text_costs_little() -> None:
    weights = random_weights()
    start = time.perf_counter()
    linear_logits(["x" * 4_000, "a b " * 1_000], weights)
    assert time.perf_counter() - start < 1
