"""Our labels of public posts, put together with the texts that the corpora hold."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from replyrank.data.companies import company_of
from replyrank.data.corpora.base import CorpusPost, corpora_root
from replyrank.data.corpora.care import unquoted
from replyrank.data.corpora.registry import read_corpus
from replyrank.data.labels import LabelRow, read_labels
from replyrank.data.messages import Labels
from replyrank.data.text_key import restore, text_key
from replyrank.data.vocabulary import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPost:
    """A public post with our labels of it."""

    id: str
    source: str
    #: ``text_key`` of the text
    key: str
    text: str
    labels: Labels
    #: ``train`` or ``test``
    split: str
    #: readers behind the label
    votes: int
    #: as the corpus has it
    brand: str | None
    #: by the table of companies
    company: str | None
    channel: Channel | None
    created_at: datetime | None


def joined_posts(
    root: str | Path | None = None, labels: list[LabelRow] | None = None
) -> list[LabelledPost]:
    """Put the labels together with the texts of the corpora, by source and text key.

    Args:
        root: see ``corpora_root``.
        labels: the labels to join; without them those in the package.

    Returns:
        The labels that found their text, in the order of the labels. A text that stands in
        its corpus several times counts with its first.

    Raises:
        UsageError: if a corpus that the labels name is not there or is not known.
    """
    folder = corpora_root(root)
    rows = read_labels() if labels is None else labels
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        wanted[row.source].add(row.key)
    found = {source: _texts(source, keys, folder) for source, keys in wanted.items()}
    return [
        _labelled(row, found[row.source][row.key]) for row in rows if row.key in found[row.source]
    ]


def training_text(post: LabelledPost) -> str:
    """The text as its author wrote it, to train on.

    Part of the Facebook posts were labelled as filed, inside doubled CSV quotes; a model
    must not learn these marks, which no message that reaches a brand has.
    """
    return restore(unquoted(post.text)) if post.source == "facebook" else post.text


def _texts(source: str, keys: set[str], root: Path) -> dict[str, CorpusPost]:
    found: dict[str, CorpusPost] = {}
    for post in read_corpus(source, root):
        key = text_key(post.text)
        if key in keys:
            found.setdefault(key, post)
    return found


def _labelled(row: LabelRow, post: CorpusPost) -> LabelledPost:
    return LabelledPost(
        id=row.id,
        source=row.source,
        key=row.key,
        text=post.text,
        labels=row.labels,
        split=row.split,
        votes=row.votes,
        brand=post.brand,
        company=company_of(post.brand),
        channel=post.channel,
        created_at=post.created_at,
    )
