"""One seed's world: what arrives when, what it truly is, and how long it takes."""

from dataclasses import dataclass, replace

import numpy as np

from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.policy import BoolArray, FloatArray, IntArray
from replyrank.pipeline.simulation.engine import Workload
from replyrank.pipeline.simulation.population import Draw, Population
from replyrank.pipeline.simulation.scenarios import Scenario, Scenarios, Segment
from replyrank.pipeline.simulation.trace import Trace, stretch


@dataclass(frozen=True)
class World:
    """n arrivals; every policy meets the very same."""

    work: Workload
    #: (n,) true class, as a place in ``POLICY_CLASSES``
    true: IntArray
    #: (n,) place of the post in the population
    post: IntArray
    #: (n,) target of the channel in minutes
    channel_target: FloatArray
    #: (n,) factor for the audience
    reach: FloatArray
    #: (n,) whether the post is not labelled negative
    calm: BoolArray

    def __len__(self) -> int:
        """Number of arrivals."""
        return len(self.true)

    def with_targets(self, factor: float) -> "World":
        """The same arrivals where every target is so many times as long."""
        return replace(self, channel_target=self.channel_target * factor)


@dataclass(frozen=True)
class Setting:
    """What worlds are drawn from."""

    scenarios: Scenarios
    trace: Trace
    population: Population
    #: (6,) shares of the classes
    mix: FloatArray


def draw_world(setting: Setting, scenario: Scenario, seed: int, *, rostered: bool = True) -> World:
    """The world of a seed: a stretch of the trace from anywhere on, with posts drawn for it."""
    random = np.random.default_rng([seed, len(setting.trace)])
    draw = Draw(setting.population, random)
    start = int(random.integers(len(setting.trace)))
    arrival, rows, true, posts = [], [], [], []
    began = 0.0
    for segment in scenario.segments:
        count = setting.scenarios.messages(segment, setting.mix)
        minutes = segment.hours * 60
        times, places = stretch(
            setting.trace, start, count, minutes, rostered=rostered, swing=segment.swing
        )
        classes, drawn = _arrivals(setting, segment, draw, random, count)
        arrival.append(began + times)
        rows.append(places)
        true.append(classes)
        posts.append(drawn)
        start, began = start + count, began + minutes
    row, of_class = np.concatenate(rows), np.concatenate(true)
    mean = setting.scenarios.classes.column("handling")[of_class]
    sigma = setting.scenarios.handling_sigma
    # A lognormal of mean m has the median m * exp(-sigma^2 / 2).
    handling = mean * np.exp(sigma * random.standard_normal(len(mean)) - sigma**2 / 2)
    post = np.concatenate(posts)
    return World(
        work=Workload(np.concatenate(arrival), handling),
        true=of_class,
        post=post,
        channel_target=setting.trace.channel_target[row],
        reach=setting.trace.reach[row],
        calm=setting.population.calm[post],
    )


def _arrivals(
    setting: Setting, segment: Segment, draw: Draw, random: np.random.Generator, count: int
) -> tuple[IntArray, IntArray]:
    """True classes and posts of the arrivals of a segment."""
    classes = _classes(random, setting.mix, count)
    posts = draw.posts(classes)
    if segment.incident:
        incident = setting.scenarios.incident
        places = np.flatnonzero(random.random(count) < incident.share)
        classes[places] = _classes(random, incident.mix.shares, len(places))
        posts[places] = draw.posts_of_one_company(classes[places])
    return classes, posts


def _classes(random: np.random.Generator, shares: FloatArray, count: int) -> IntArray:
    return np.asarray(random.choice(len(POLICY_CLASSES), size=count, p=shares), dtype=np.int64)
