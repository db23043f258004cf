"""Loaders of public corpora, each in its source's own file format."""

from replyrank.data.corpora.base import CorpusPost, Loader, corpora_root
from replyrank.data.corpora.join import LabelledPost, joined_posts, training_text
from replyrank.data.corpora.mapping import labels_of, mapping_table
from replyrank.data.corpora.registry import CORPORA, MEASURED_ONLY, read_corpus

__all__ = [
    "CORPORA",
    "MEASURED_ONLY",
    "CorpusPost",
    "LabelledPost",
    "Loader",
    "corpora_root",
    "joined_posts",
    "labels_of",
    "mapping_table",
    "read_corpus",
    "training_text",
]
