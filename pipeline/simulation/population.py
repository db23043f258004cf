"""The posts that arrive: true labels beside what each model said of the very same posts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS, SentimentLabel, UrgencyLevel
from replyrank.models.held_out import HeldOut
from replyrank.pipeline.classes import POLICY_CLASSES, URGENT_CLASSES, PolicyClass, policy_class
from replyrank.pipeline.errors import SimulationError
from replyrank.pipeline.index import class_posterior
from replyrank.pipeline.policy import BoolArray, FloatArray, IntArray
from replyrank.pipeline.simulation.rules import KeywordRules

_CLASSES: Final = len(POLICY_CLASSES)
#: a company can stand for an incident if it has so many urgent posts and requests
_LEAST_OF_INCIDENT: Final = 5


@dataclass(frozen=True)
class Population:
    """m labelled posts, each judged by models that had not seen its company."""

    #: (m,) true class, as a place in ``POLICY_CLASSES``
    true: IntArray
    #: (m,) number of the company
    company: IntArray
    #: by name of the model: (m, 6), calibrated over these posts
    posterior: Mapping[str, FloatArray]
    #: (m,) chance of a negative mood less that of a positive one
    gloom: FloatArray
    #: (m,) whether it is not labelled negative
    calm: BoolArray
    #: (m,) tier and points by keyword rules; None where other rules were used
    tiers: IntArray | None
    points: IntArray | None

    def __len__(self) -> int:
        """Number of posts."""
        return len(self.true)

    @property
    def companies(self) -> int:
        """How many companies they are of."""
        return int(self.company.max()) + 1


def shared_posts(*models: HeldOut) -> list[int]:
    """The keys that all of them hold, sorted."""
    return sorted(set.intersection(*(set(posts.key.tolist()) for posts in models)))


def make_population(models: Mapping[str, HeldOut], rules: KeywordRules) -> Population:
    """Join the held-out posts of models by their keys.

    Args:
        models: held-out posts by name of the model; the first one's sentiment is shown.
        rules: those that the rule policies go by.

    Raises:
        SimulationError: if the models share no posts, or a class has none.
    """
    shared = shared_posts(*models.values())
    joined = {}
    for name, posts in models.items():
        rows = dict(zip(posts.key.tolist(), range(len(posts)), strict=True))
        joined[name] = posts.take(np.array([rows[key] for key in shared], dtype=np.int64))
    posts = next(iter(joined.values()))
    true = np.array(
        [
            POLICY_CLASSES.index(policy_class(INTENTS[intent], UrgencyLevel(level)))
            for intent, level in zip(posts.intent.tolist(), posts.urgency.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    counts = np.bincount(true, minlength=_CLASSES)
    if (counts == 0).any():
        absent = ", ".join(POLICY_CLASSES[k] for k in np.flatnonzero(counts == 0))
        message = f"{len(posts)} held-out posts are shared by {', '.join(models)}, none of them of "
        message += f"class {absent}; use models that were trained on the same posts, with all six"
        raise SimulationError(message)
    negative, positive = (
        SENTIMENT_LABELS.index(mood) for mood in (SentimentLabel.NEGATIVE, SentimentLabel.POSITIVE)
    )
    known = posts.rules == rules.fingerprint
    return Population(
        true=true,
        company=_groups(posts.company),
        posterior={name: class_posterior(part.need) for name, part in joined.items()},
        gloom=posts.p_sentiment[:, negative] - posts.p_sentiment[:, positive],
        calm=posts.sentiment != negative,
        tiers=rules.tiers(posts.rule_hits) if known else None,
        points=rules.counts(posts.rule_hits) if known else None,
    )


def _groups(company: IntArray) -> IntArray:
    """Companies as numbers from 0; a post of no company is a group of its own."""
    own = company.max(initial=-1) + 1 + np.arange(len(company))
    _, groups = np.unique(np.where(company < 0, own, company), return_inverse=True)
    return np.asarray(groups, dtype=np.int64)


class Draw:
    """Draws posts of wanted classes from companies that are themselves drawn.

    Companies are drawn with replacement, as many as there are: between seeds the model's luck
    with its companies varies as it would between brands.
    """

    def __init__(self, population: Population, random: np.random.Generator) -> None:
        self._random = random
        self._population = population
        groups = population.companies
        times = np.bincount(random.integers(0, groups, groups), minlength=groups)
        weight = times[population.company].astype(float)
        self._rows: list[IntArray] = []
        self._chances: list[FloatArray] = []
        for k in range(_CLASSES):
            rows = np.flatnonzero(population.true == k)
            # A rare class may live in companies that were not drawn.
            weights = weight[rows] if weight[rows].any() else np.ones(len(rows))
            self._rows.append(rows)
            self._chances.append(weights / weights.sum())

    def posts(self, classes: IntArray) -> IntArray:
        """(n,) a post of each wanted class (n,)."""
        found = np.empty(len(classes), dtype=np.int64)
        for k in range(_CLASSES):
            places = np.flatnonzero(classes == k)
            found[places] = self._random.choice(self._rows[k], size=len(places), p=self._chances[k])
        return found

    def posts_of_one_company(self, classes: IntArray) -> IntArray:
        """(n,) a post of each wanted class, of one company as far as it has such posts."""
        company = self._random.choice(_incident_companies(self._population))
        found = self.posts(classes)
        for k in range(_CLASSES):
            own = self._rows[k][self._population.company[self._rows[k]] == company]
            places = np.flatnonzero(classes == k)
            if len(own):
                found[places] = self._random.choice(own, size=len(places))
        return found


def _incident_companies(population: Population) -> IntArray:
    """Companies with several urgent posts and requests; all of them where there are none."""
    groups = population.companies
    urgent = np.isin(population.true, [POLICY_CLASSES.index(name) for name in URGENT_CLASSES])
    support = population.true == POLICY_CLASSES.index(PolicyClass.SUPPORT)
    enough = [
        np.bincount(population.company[which], minlength=groups) >= _LEAST_OF_INCIDENT
        for which in (urgent, support)
    ]
    found = np.flatnonzero(enough[0] & enough[1])
    return found if len(found) else np.arange(groups)
