"""Fitting the linear fallback."""

import numpy as np
import pytest

from replyrank.models.linear import CLASSES, linear_logits

pytest.importorskip("sklearn", reason="fitting needs scikit-learn (extra train)")

from replyrank.training.fallback import fit_linear

WORDS = {0: "thanks great lovely", 5: "where order late", 15: "fire smoke danger"}


def posts(n_each: int = 8) -> tuple[list[str], list[int], list[int]]:
    """Posts whose words give the cell away; cells 0, 5 and 15 only."""
    texts = [f"{words} {number}" for words in WORDS.values() for number in range(n_each)]
    needs = [cell for cell in WORDS for _ in range(n_each)]
    sentiments = [0 if cell else 2 for cell in needs]
    return texts, needs, sentiments


def test_learns_what_the_words_say_and_never_an_unseen_cell() -> None:
    texts, needs, sentiments = posts()
    weights = fit_linear(texts, needs, sentiments, n_features=1 << 12)
    logits = linear_logits(["thanks lovely", "my order is late", "smoke and fire"], weights)
    assert logits[:, :16].argmax(axis=1).tolist() == [0, 5, 15]
    # Two of the three sentiments were seen: the middle one must not win.
    assert logits[:, 16:].argmax(axis=1).tolist() == [2, 0, 0]
    unseen = sorted(set(range(16)) - set(WORDS))
    assert (weights.bias[unseen] < -10).all()
    assert not weights.coefficients[:, unseen].any()


def test_same_data_same_weights() -> None:
    first, second = (fit_linear(*posts(), n_features=1 << 10) for _ in range(2))
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    assert first.coefficients.shape == (1 << 10, CLASSES)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1 texts, 2 needs and 1 sentiments differ"):
        fit_linear(["a"], [1, 2], [0])
