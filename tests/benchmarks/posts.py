"""Real posts of the public corpora, for what measures speed and load."""

import random
from collections.abc import Iterator
from itertools import islice
from typing import Final

from replyrank.data.corpora import read_corpus

_CORPORA: Final = ("twcs", "airline", "uk_mobile", "asapp", "facebook", "goemotions")


def tweets(rows: int) -> list[str]:
    """Distinct real tweets to brands, of several corpora in turn."""
    sources: list[Iterator[str]] = [
        (post.text for post in read_corpus(name)) for name in ("airline", "twcs", "uk_mobile")
    ]
    seen: dict[str, None] = {}
    while len(seen) < rows:
        for source in sources:
            seen.setdefault(next(source))
    return list(seen)[:rows]


def distinct_posts() -> Iterator[str]:
    """Distinct real posts, one corpus after the other: about 150,000."""
    seen = set[str]()
    for name in _CORPORA:
        for post in read_corpus(name):
            if post.text not in seen:
                seen.add(post.text)
                yield post.text


def mixed_posts(rows: int) -> list[str]:
    """So many distinct real posts in random order, of all corpora; fewer where there are not."""
    posts = list(distinct_posts())
    random.Random(0).shuffle(posts)  # noqa: S311  no secret
    return list(islice(posts, rows))
