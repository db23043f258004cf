"""Makes ``data/samples/trace.csv``: three invented days of messages, to try the replay on.

Arrivals follow the usual rhythm of a day, with a storm on the second one, and come in bursts: a
message brings others after it (Hawkes 1971, Biometrika 58(1):83-90). The texts are drawn from
``data/written`` in the reference mix of the scenario file.
"""

import csv
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Final

import numpy as np

from replyrank.data.samples.load import sample_path
from replyrank.data.vocabulary import Channel, Intent, UrgencyLevel
from replyrank.data.written import load_written
from replyrank.pipeline.classes import POLICY_CLASSES, policy_class
from replyrank.pipeline.simulation.scenarios import load_scenarios

_SEED: Final = 2026
_START: Final = datetime(2026, 11, 23, tzinfo=UTC)
_DAYS: Final = 3
_A_DAY: Final = 480.0
#: share of a day's messages in each hour, before scaling
_RHYTHM: Final = (
    *(1, 0.6, 0.4, 0.3, 0.4, 0.8, 1.8, 3.2, 4.8, 5.6, 6, 6.2),
    *(6.4, 6.2, 6, 5.8, 5.8, 6, 6, 5.6, 5, 4.2, 3, 1.8),
)
#: the storm: its beginning in hours, its length, and how many times as many messages it brings
_STORM: Final = (39.5, 2.0, 2.5)
#: messages that one brings after it, on average, and how soon in minutes
_CHILDREN: Final = 0.25
_DELAY: Final = 6.0
_CHANNELS: Final = {Channel.TWITTER: 0.7, Channel.FACEBOOK: 0.2, Channel.INSTAGRAM: 0.1}
_FIELDS: Final = ("id", "created_at", "channel", "followers", "text")


def _arrivals(random: np.random.Generator) -> np.ndarray:
    """Minutes from the start, sorted, to whole seconds."""
    hours = np.arange(_DAYS * 24)
    pace = np.tile(_RHYTHM, _DAYS)
    rate = (1 - _CHILDREN) * _A_DAY * pace / np.sum(_RHYTHM)
    begin, length, times = _STORM
    inside = np.clip(np.minimum(hours + 1, begin + length) - np.maximum(hours, begin), 0, 1)
    rate *= 1 + (times - 1) * inside
    found = [
        60 * (hour + random.random(random.poisson(mean)))
        for hour, mean in zip(hours, rate, strict=True)
    ]
    generation = np.concatenate(found)
    all_of_them = [generation]
    while len(generation):
        children = random.poisson(_CHILDREN, len(generation))
        generation = np.repeat(generation, children)
        generation = generation + random.exponential(_DELAY, len(generation))
        all_of_them.append(generation)
    minutes = np.sort(np.concatenate(all_of_them))
    return np.round(minutes[minutes < _DAYS * 24 * 60] * 60) / 60


def content() -> str:
    """The whole file."""
    random = np.random.default_rng(_SEED)
    minutes = _arrivals(random)
    texts: dict[int, list[str]] = {k: [] for k in range(len(POLICY_CLASSES))}
    for post in load_written():
        labels = post.labels
        assert labels.intent is not None
        assert labels.urgency is not None
        name = policy_class(Intent(labels.intent), UrgencyLevel(labels.urgency))
        texts[POLICY_CLASSES.index(name)].append(post.text)
    classes = random.choice(len(texts), size=len(minutes), p=load_scenarios().reference_mix)
    channels = random.choice(len(_CHANNELS), size=len(minutes), p=list(_CHANNELS.values()))
    followers = np.round(random.lognormal(5, 1.6, len(minutes))).astype(int)
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_FIELDS)
    for row, minute in enumerate(minutes):
        pool = texts[int(classes[row])]
        time = _START + timedelta(seconds=round(60 * float(minute)))
        channel = list(_CHANNELS)[channels[row]]
        text = pool[random.integers(len(pool))]
        writer.writerow((f"m{row + 1:04d}", time.isoformat(), channel, followers[row], text))
    return out.getvalue()


if __name__ == "__main__":
    with sample_path("trace.csv") as path:
        Path(path).write_text(content(), encoding="utf-8")
        sys.stderr.write(f"wrote {path}\n")
