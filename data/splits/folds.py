"""Folds that leave whole companies out."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.splits import CompanyPost, companies_of

#: the fold of a post that has no company: it is never scored
NO_FOLD: Final = -1


def company_folds(posts: Sequence[CompanyPost], k: int = 5, seed: int = 2026) -> list[int]:
    """Give every company, and with it all of its posts, to one of ``k`` folds of like size.

    The largest companies go first, each to the fold that holds the fewest posts; the seed
    decides among companies, and among folds, of one size.

    Returns:
        The fold of each post, 0 to k - 1; ``NO_FOLD`` where a post has no company.

    Raises:
        ValueError: if there are fewer companies than folds, or fewer than two folds.
    """
    sizes = Counter(post.company for post in posts if post.company is not None)
    if not 1 < k <= len(sizes):
        message = f"{k} folds cannot be made of {len(sizes)} companies; use 2 to {len(sizes)}"
        raise ValueError(message)
    generator = random.Random(seed)  # noqa: S311  no secret hangs on it
    companies = sorted(sizes)
    generator.shuffle(companies)
    places = list(range(k))
    generator.shuffle(places)
    filled = dict.fromkeys(places, 0)
    fold_of: dict[str | None, int] = {None: NO_FOLD}
    for company in sorted(companies, key=lambda name: -sizes[name]):
        emptiest = min(filled, key=lambda fold: filled[fold])
        fold_of[company] = emptiest
        filled[emptiest] += sizes[company]
    return [fold_of[post.company] for post in posts]


def training_rows(
    posts: Sequence[CompanyPost],
    folds: Sequence[int],
    fold: int,
    aside: frozenset[str] | None = None,
) -> list[int]:
    """Positions of the posts that may train the model that is measured on ``fold``.

    Left out are the posts of the fold, posts of no or other companies that name a handle of
    one of its companies, and near-copies of its posts.

    Args:
        posts: n posts.
        folds: (n,) what ``company_folds`` gave for them.
        fold: the fold that is kept aside.
        aside: the companies that are kept aside; None: those of the fold.
    """
    pairs = list(zip(posts, folds, strict=True))
    aside = held_out_companies(posts, folds, fold) if aside is None else aside
    guard = NearCopyGuard([post.text for post, place in pairs if place == fold])
    return [
        row
        for row, (post, place) in enumerate(pairs)
        if place != fold
        and not companies_of(post.company, post.text) & aside
        and guard.copied(post.text) is None
    ]


def held_out_companies(
    posts: Sequence[CompanyPost], folds: Sequence[int], fold: int
) -> frozenset[str]:
    """The companies of a fold, to keep them out of further training posts as well."""
    return frozenset(
        post.company
        for post, place in zip(posts, folds, strict=True)
        if place == fold and post.company is not None
    )
