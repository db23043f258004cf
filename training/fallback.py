"""Fit the linear fallback on the very features that it computes when it serves."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS
from replyrank.models.linear import (
    Features,
    LinearWeights,
    count_features,
    inverse_document_frequency,
    weigh_features,
)

FEATURES: Final = 1 << 17
#: Inverse strength of the penalty: chosen once, like the number of features.
NEED_C: Final = 30.0
SENTIMENT_C: Final = 10.0

# The logit of a class without an example: out of reach, yet far from overflow.
_NEVER: Final = -20.0


def fit_linear(
    texts: Sequence[str],
    needs: Sequence[int],
    sentiments: Sequence[int],
    *,
    n_features: int = FEATURES,
    need_c: float = NEED_C,
    sentiment_c: float = SENTIMENT_C,
    max_iter: int = 60,
    seed: int = 0,
) -> LinearWeights:
    """Fit both heads by multinomial logistic regression.

    Args:
        texts: n cleaned posts.
        needs: n cells of the joint of intent and urgency level, 0 to 15.
        sentiments: n sentiment classes, 0 to 2.
        n_features: number of hashed features, a power of two.
        need_c: inverse strength of the need head's L2 penalty.
        sentiment_c: the same of the sentiment head.
        max_iter: the most L-BFGS steps of a head.
        seed: of the solver.

    Returns:
        Weights whose rows of features without an example are zero.

    Raises:
        ValueError: if the three sequences differ in length.
    """
    if not len(texts) == len(needs) == len(sentiments):
        message = f"{len(texts)} texts, {len(needs)} needs and {len(sentiments)} sentiments differ"
        raise ValueError(message)
    counts = count_features(texts, n_features)
    idf = inverse_document_frequency(counts, n_features)
    features = _matrix(weigh_features(counts, idf), n_features)
    fit = partial(_fit_head, features, max_iter=max_iter, seed=seed)
    need = fit(np.asarray(needs), n_classes=NEED_CELLS, c=need_c)
    sentiment = fit(np.asarray(sentiments), n_classes=len(SENTIMENT_LABELS), c=sentiment_c)
    return LinearWeights(
        idf=idf,
        coefficients=np.concatenate([need[0], sentiment[0]], axis=1),
        bias=np.concatenate([need[1], sentiment[1]]),
    )


def _matrix(features: Features, n_features: int) -> Any:
    n_texts = len(features.indptr) - 1
    return csr_matrix(
        (features.values, features.indices, features.indptr), shape=(n_texts, n_features)
    )


def _fit_head(
    features: Any,
    labels: npt.NDArray[np.int_],
    *,
    n_classes: int,
    c: float,
    max_iter: int,
    seed: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """One head: ((features, classes) coefficients, (classes,) bias)."""
    model = LogisticRegression(C=c, max_iter=max_iter, random_state=seed)
    with warnings.catch_warnings():
        # The last steps move no label; the number of steps is a setting.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    coefficients = np.zeros((features.shape[1], n_classes), dtype=np.float32)
    bias = np.full(n_classes, _NEVER, dtype=np.float32)
    if len(model.classes_) == 2:  # noqa: PLR2004 - two classes come as one logit
        coefficients[:, model.classes_[1]] = model.coef_[0]
        bias[model.classes_] = [0, *np.ravel(model.intercept_)]
    else:
        coefficients[:, model.classes_] = model.coef_.T
        bias[model.classes_] = model.intercept_
    return coefficients, bias
