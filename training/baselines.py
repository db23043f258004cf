"""What a simpler model reaches on the same posts: the measure of any figure."""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.training.metrics import FloatArray, IntArray
from replyrank.training.predictions import LabelArrays, Predictions
from replyrank.training.rows import MASKED, TrainingRows

#: compound score from which VADER calls a text positive, by its authors' own advice
VADER_THRESHOLD: Final = 0.05

_LEVELS: Final = len(URGENCY_LEVELS)


def majority(train: LabelArrays, n: int) -> Predictions:
    """Shares of the training posts for everyone: predicts the commonest class of each head.

    Args:
        train: labels of the training posts.
        n: how many posts to predict.
    """
    intent = _shares(train.intent, NEED_CELLS // _LEVELS)
    urgency = _shares(train.urgency, _LEVELS)
    need = np.tile(np.outer(intent, urgency).ravel(), (n, 1))
    p_sentiment = np.tile(_shares(train.sentiment, len(SENTIMENT_LABELS)), (n, 1))
    return Predictions(need, p_sentiment, (None,) * n)


def _shares(labels: IntArray, classes: int) -> FloatArray:
    counts = np.bincount(labels[labels != MASKED], minlength=classes).astype(np.float64)
    return np.full(classes, 1 / classes) if counts.sum() == 0 else counts / counts.sum()


def tfidf_logistic(train: TrainingRows, texts: Sequence[str], *, seed: int) -> Predictions:
    """TF-IDF of words and characters with one logistic regression a label, classes balanced.

    Words and pairs of words, and 2 to 5 characters within words, sublinear term frequency;
    intent and urgency are fitted apart and joined as if independent, so that each keeps its
    own probabilities.

    Args:
        train: training posts; one without a label is left out of its regression.
        texts: n texts to predict.
        seed: of the solver.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - extra train
    from sklearn.pipeline import make_union  # noqa: PLC0415

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True),
    )
    fitted, asked = features.fit_transform(list(train.texts)), features.transform(list(texts))
    intent = _logistic(fitted, train.intent, asked, NEED_CELLS // _LEVELS, seed)
    urgency = _logistic(fitted, train.urgency, asked, _LEVELS, seed)
    need = (intent[:, :, None] * urgency[:, None, :]).reshape(len(texts), NEED_CELLS)
    p_sentiment = _logistic(fitted, train.sentiment, asked, len(SENTIMENT_LABELS), seed)
    return Predictions(need, p_sentiment, (None,) * len(texts))


def _logistic(fitted: Any, labels: IntArray, asked: Any, classes: int, seed: int) -> FloatArray:
    """(n, classes) probabilities; the shares of the training posts where one class is all."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - extra train

    rows = np.flatnonzero(labels != MASKED)
    n = asked.shape[0]
    if len(np.unique(labels[rows])) < 2:  # noqa: PLR2004 - nothing to tell apart
        return np.tile(_shares(labels, classes), (n, 1))
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300, random_state=seed)
    model.fit(fitted[rows], labels[rows])
    p: FloatArray = np.zeros((n, classes))
    p[:, model.classes_] = model.predict_proba(asked)
    total: FloatArray = p.sum(axis=1, keepdims=True)
    return p / total


def vader(texts: Sequence[str]) -> Predictions:
    """Sentiment by VADER's lexicon (Hutto and Gilbert 2014), compound score cut at +-0.05.

    It gives no probabilities: each label is given as certain. It knows neither intent nor
    urgency.
    """
    with warnings.catch_warnings():
        # The package opens its lexicon with codecs.open, which newer Pythons deprecate.
        warnings.simplefilter("ignore", DeprecationWarning)
        from vaderSentiment.vaderSentiment import (  # noqa: PLC0415 - needs the extra train
            SentimentIntensityAnalyzer,
        )

        analyzer = SentimentIntensityAnalyzer()
    compound = np.array([analyzer.polarity_scores(text)["compound"] for text in texts])
    label = 1 + (compound >= VADER_THRESHOLD).astype(int) - (compound <= -VADER_THRESHOLD)
    p_sentiment = np.eye(len(SENTIMENT_LABELS))[label.astype(np.int64)]
    return Predictions(None, p_sentiment.reshape(-1, len(SENTIMENT_LABELS)), (None,) * len(texts))
