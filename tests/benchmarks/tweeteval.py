"""TweetEval's sentiment test: macro-averaged recall of a model's own sentiment."""

import numpy as np

from replyrank.data.corpora import read_corpus
from replyrank.data.vocabulary import SENTIMENT_LABELS
from replyrank.models.scorer import Scorer
from replyrank.training.metrics import confusion, macro_recall
from replyrank.training.predictions import predict


def macro_recall_of(scorer: Scorer) -> float:
    """Macro-averaged recall over all tweets of the test set, whatever their ``review``."""
    pairs = [(post.text, post.labels.sentiment) for post in read_corpus("tweeteval_test")]
    truth = np.array([SENTIMENT_LABELS.index(label) for _, label in pairs if label is not None])
    predictions = predict(scorer, [text for text, label in pairs if label is not None])
    assert predictions.sentiment is not None
    counts = confusion(truth, predictions.sentiment.predicted, len(SENTIMENT_LABELS))
    return float(macro_recall(counts))
