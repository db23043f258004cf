"""The tables of ``pipeline/README.md`` show the policy that ships."""

import re
from pathlib import Path
from typing import Final

import pytest

from replyrank.data.vocabulary import Channel, Visibility
from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.policy_file import load_policy

README: Final = Path(__file__).resolve().parents[2] / "pipeline/README.md"
POLICY: Final = load_policy()


def _rows() -> dict[str, list[str]]:
    """Cells of every row of every table, by the first."""
    lines = README.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells if len(row) > 1}


ROWS: Final = _rows()


def _number(cell: str) -> float | None:
    """``1/8``, ``7 %``, ``10 min``, ``0.05``; None for a dash."""
    if cell == "–":
        return None
    first = cell.split(maxsplit=1)[0]
    over, _, under = first.partition("/")
    value = float(over) / float(under or 1)
    return value / 100 if cell.endswith("%") else value


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("weight", "weight"),
        ("target, × channel", "target"),
        ("longest target", "target_cap"),
        ("doublings", "doublings"),
        ("handling, min", "handling"),
        ("share of traffic", "share"),
    ],
)
def test_a_row_of_the_classes_is_the_policy(row: str, field: str) -> None:
    classes = [getattr(POLICY.classes, name) for name in POLICY_CLASSES]
    shown = [_number(cell) for cell in ROWS[row][: len(classes)]]
    assert shown == [getattr(rules, field) for rules in classes]


@pytest.mark.parametrize(
    ("row", "channels"),
    [
        ("X (`twitter`)", (Channel.TWITTER,)),
        ("Facebook, Instagram", (Channel.FACEBOOK, Channel.INSTAGRAM)),
        ("Reddit", (Channel.REDDIT,)),
        ("app store, review site", (Channel.APP_STORE, Channel.REVIEW_SITE)),
        ("email", (Channel.EMAIL,)),
        ("chat", (Channel.CHAT,)),
        ("not known (`other`)", (Channel.OTHER,)),
    ],
)
def test_a_row_of_the_channels_is_the_policy(row: str, channels: tuple[Channel, ...]) -> None:
    shown = [_number(cell) for cell in ROWS[row][:2]]
    for channel in channels:
        assert shown == [
            POLICY.target_minutes(channel, seen) for seen in (Visibility.PUBLIC, Visibility.PRIVATE)
        ]


def test_the_settings_are_the_policy() -> None:
    settings = POLICY.reach.settings
    ours, other = settings.a_little, settings.a_lot
    told = {
        "reach": [1, ours.slope, 10, 1, POLICY.reach.followers_unit, ours.cap, other.cap],
        "repeat bonus": [POLICY.threads.repeat_bonus],
        "thread window": [POLICY.threads.window_hours],
        "independence of a later text": [POLICY.threads.independence],
        "change of matter": [POLICY.threads.change],
        "guard": [1, POLICY.guard.one_in, POLICY.guard.limit_hours],
        "due chance": [POLICY.due_chance],
    }
    shown = {
        name: [float(number) for number in re.findall(r"[\d.]+", ROWS[name][0])] for name in told
    }
    assert POLICY.reach.setting == "a_little"
    assert shown == told
