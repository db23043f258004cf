"""The policy file: defaults, a lead's own numbers over them, and what is refused in which words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from replyrank.data.errors import UsageError
from replyrank.data.vocabulary import Channel, Intent, UrgencyLevel, Visibility
from replyrank.pipeline.classes import POLICY_CLASSES, ClassRules, PolicyClass, policy_class
from replyrank.pipeline.errors import SettingsError
from replyrank.pipeline.index import class_targets, index, reach_factor, repeat_factor
from replyrank.pipeline.policy import ChannelRules, Policy, ReachCurves, ReachSetting
from replyrank.pipeline.policy_file import load_policy

DEFAULT = load_policy()


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def _changed(**changes: Any) -> dict[str, Any]:
    """The default policy as plain values, with numbers changed; keys are dotted paths."""
    content = DEFAULT.model_dump(mode="json")
    for path, value in changes.items():
        *where, last = path.split("__")
        part = content
        for key in where:
            part = part[key]
        part[last] = value
    return content


def test_the_parts_of_a_policy_cover_the_vocabulary() -> None:
    assert tuple(ClassRules.model_fields) == POLICY_CLASSES
    assert tuple(ChannelRules.model_fields) == tuple(Channel)
    assert tuple(ReachCurves.model_fields) == tuple(ReachSetting)


def test_default_targets_in_minutes() -> None:
    channels = [Channel.TWITTER, Channel.EMAIL]
    base = np.array([DEFAULT.target_minutes(channel, Visibility.PUBLIC) for channel in channels])
    assert class_targets(base, DEFAULT).tolist() == [
        [7.5, 15, 60, 240, 480, 960],
        [10, 30, 1440, 5760, 11520, 23040],
    ]


@pytest.mark.parametrize(
    ("channel", "public", "private"),
    [
        (Channel.TWITTER, 60, 60),
        (Channel.INSTAGRAM, 120, 60),
        (Channel.FACEBOOK, 120, 60),
        (Channel.REVIEW_SITE, 480, 480),
        (Channel.APP_STORE, 480, 480),
        (None, 120, 60),
    ],
)
def test_default_target_of_a_support_question(
    channel: Channel | None, public: float, private: float
) -> None:
    assert DEFAULT.target_minutes(channel, Visibility.PUBLIC) == public
    assert DEFAULT.target_minutes(channel, Visibility.PRIVATE) == private


def test_an_unknown_visibility_is_that_of_the_channel() -> None:
    assert DEFAULT.visibility(Channel.TWITTER, None) is Visibility.PUBLIC
    assert DEFAULT.visibility(Channel.TWITTER, Visibility.PRIVATE) is Visibility.PRIVATE
    assert DEFAULT.visibility(Channel.EMAIL, None) is Visibility.PRIVATE
    assert DEFAULT.visibility(None, None) is Visibility.PRIVATE


def test_reach_and_repeat_by_hand() -> None:
    followers = np.array([0.0, 1_000.0, 9_000.0, 1e9])
    assert reach_factor(followers, DEFAULT).tolist() == pytest.approx(
        [1, 1.10536, 1.35, 1.5], abs=1e-5
    )
    assert repeat_factor(np.array([0.0, 0.5, 1.0, 7.0]), DEFAULT).tolist() == [1, 1.25, 1.5, 1.5]


def test_handling_bounds_are_multiples_of_the_mean_of_the_traffic() -> None:
    assert DEFAULT.handling_bounds == pytest.approx((0.85 * 2.68, 1.25 * 2.68))


def test_class_of_known_labels() -> None:
    assert policy_class(Intent.PRAISE, UrgencyLevel.CRITICAL) is PolicyClass.CRITICAL
    assert policy_class(Intent.OPINION, UrgencyLevel.HIGH) is PolicyClass.HIGH
    assert policy_class(Intent.SUPPORT_REQUEST, UrgencyLevel.LOW) is PolicyClass.SUPPORT
    assert policy_class(Intent.CHATTER, UrgencyLevel.NONE) is PolicyClass.CHATTER


def test_a_policy_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        DEFAULT.name = "other"


def test_a_file_states_only_what_differs(mine: Path) -> None:
    mine.write_text(
        "name: mine\nchannels:\n  email: {public: 600, private: 300}\nreach: {setting: off}\n",
        encoding="utf-8",
    )
    policy = load_policy(mine)
    assert policy.target_minutes(Channel.EMAIL, Visibility.PRIVATE) == 300
    assert policy.channels.email.unknown is Visibility.PRIVATE
    assert policy.reach.setting is ReachSetting.OFF
    assert policy.reach.curve.cap == 1
    assert policy.classes == DEFAULT.classes
    assert policy.fingerprint != DEFAULT.fingerprint


def test_a_whole_policy_can_be_written_and_read_again(mine: Path) -> None:
    mine.write_text(yaml.safe_dump(DEFAULT.model_dump(mode="json")), encoding="utf-8")
    assert load_policy(mine) == DEFAULT
    assert load_policy(str(mine)).fingerprint == DEFAULT.fingerprint


def test_an_empty_file_is_the_default(mine: Path) -> None:
    mine.write_text("# nothing yet\n", encoding="utf-8")
    assert load_policy(mine) == DEFAULT


def test_opening_times_reach_the_calendar(mine: Path) -> None:
    mine.write_text(
        "calendar:\n  time_zone: Europe/London\n  always_open: false\n"
        "  week: {saturday: ['10:00-12:00', '13:00-14:00']}\n",
        encoding="utf-8",
    )
    calendar = load_policy(mine).calendar.calendar
    assert calendar.zone.key == "Europe/London"
    assert calendar.week is not None
    assert calendar.week[5] == ((36_000, 43_200), (46_800, 50_400))
    assert DEFAULT.calendar.calendar.week is None


#: bounds and weights at which a quiet message can come near an urgent one
_WIDE = "handling_clip: {low: 0.5, high: 2}\nclasses:\n  high: {weight: 10}\n"
REFUSED = {
    "classes: {support: {weigth: 3}}": (
        "classes.support.weigth (value 3) is not a key of the policy; did you mean weight?"
    ),
    "classes: {urgent: {weight: 3}}": (
        "classes.urgent (value {'weight': 3}) is not a key of the policy; known keys here: "
        "critical, high, support, opinion, praise, chatter"
    ),
    "channels: {twiter: {public: 3}}": (
        "channels.twiter (value {'public': 3}) is not a key of the policy; did you mean twitter?"
    ),
    "7: 8": (
        "7 (value 8) is not a key of the policy; known keys here: schema_version, name, classes, "
        "handling_clip, channels, reach, threads, guard, due_chance, calendar"
    ),
    "classes: {support: {weight: -3}}": "classes.support.weight is -3; it should be greater than 0",
    "classes: {support: {weight: .inf}}": (
        "classes.support.weight is inf; it should be a finite number"
    ),
    "classes: {support: {weight: true}}": (
        "classes.support.weight is True; it should be a valid number"
    ),
    "classes: {support: {weight: 'three'}}": (
        "classes.support.weight is 'three'; it should be a valid number"
    ),
    "channels: {email: {unknown: secret}}": (
        "channels.email.unknown is 'secret'; it should be 'public' or 'private'"
    ),
    "guard: {one_in: 1}\ndue_chance: 2": (
        "guard.one_in is 1; it should be greater than or equal to 2\n"
        "due_chance is 2; it should be less than or equal to 1"
    ),
    "guard: 20": ("guard is 20; it should be a valid dictionary or instance of Guard"),
    "schema_version: 2": "schema_version is 2; it should be 1",
    "calendar: {time_zone: Middle/Earth}": (
        "calendar.time_zone is 'Middle/Earth'; no such time zone; use an IANA name, such as "
        "Europe/London"
    ),
    "calendar: {week: {monday: ['9-5']}}": (
        "calendar: '9-5' is not an opening time; write HH:MM-HH:MM, such as 09:00-17:30"
    ),
    "classes: {support: {share: 0.5}}": (
        "classes: the shares of the six classes sum to 1.2000; make them sum to 1"
    ),
    "classes: {high: {weight: 2}}": (
        "classes: the weight of high, 2, is below that of support, 3; more chance of high must "
        "not lower a message, so raise it"
    ),
    "classes: {high: {doublings: 4}}": (
        "classes: high has 4 doublings, support 1; a fresh high message must not weigh less for "
        "its freshness, so give it no more than those"
    ),
    "classes: {high: {target: 2}}": (
        "classes: the target of high, 2 of the channel's (at most 30 minutes), can come later "
        "than that of support, 1 of the channel's; make it the shorter one"
    ),
    "classes: {critical: {target_cap: null}}": (
        "classes: the target of critical, 0.125 of the channel's, can come later than that of "
        "high, 0.25 of the channel's (at most 30 minutes); make it the shorter one"
    ),
    "reach: {classes: [critical, support]}": (
        "reach: reach counts for critical, support but not for high; more chance of an urgent "
        "class must not lower a message, so add it, or empty the list"
    ),
    f"{_WIDE}reach: {{setting: a_lot, classes: [critical, high, opinion]}}": (
        "at full reach and repeats a message of opinion gets 1.88 points per agent-minute, a fresh "
        "private one that is urgent at 50 % only 0.933; lower the weight of opinion, the repeat "
        "bonus or the cap of reach, or raise the weight of high"
    ),
    f"{_WIDE}threads: {{repeat_bonus: 2}}": (
        "at full reach and repeats a message of opinion gets 1.5 points per agent-minute, a fresh "
        "private one that is urgent at 50 % only 0.933; lower the weight of opinion, the repeat "
        "bonus or the cap of reach, or raise the weight of high"
    ),
    # Neither opinion (0.75) nor praise (0.81) alone: a mix that takes the least time counted.
    f"{_WIDE}  praise: {{weight: 0.7, handling: 0.6}}": (
        "at full reach and repeats a message of opinion and praise gets 0.983 points per "
        "agent-minute, a fresh private one that is urgent at 50 % only 0.965; lower the weight of "
        "opinion, the repeat bonus or the cap of reach, or raise the weight of high"
    ),
    "name: mine\nname: yours": "key 'name' stands twice",
    "- a\n- b": "holds ['a', 'b']; write keys and values, such as 'name: mine'",
    "name: [a": "expected ',' or ']', but got '<stream end>'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_is_refused_with_fact_value_and_remedy(text: str, mine: Path) -> None:
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_policy(mine)
    said = REFUSED[text]
    if said.startswith("holds"):
        expected = f"policy {mine} {said}"
    elif "name: " in text:
        line = text.count("\n") + 1
        expected = f"policy {mine} is not valid YAML in line {line}: {said}; correct it there"
    else:
        expected = f"policy {mine}: {said}"
    assert str(caught.value) == expected
    assert isinstance(caught.value, UsageError)


def test_a_file_that_cannot_be_read_is_refused(mine: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_policy(mine)
    assert str(caught.value) == (
        f"policy {mine} cannot be read ([Errno 2] No such file or directory: '{mine}'); "
        "give a YAML file in UTF-8"
    )
    mine.write_bytes(b"name: \xff")
    with pytest.raises(SettingsError, match="give a YAML file in UTF-8"):
        load_policy(mine)
    mine.write_bytes(b"name: a\x00b")
    with pytest.raises(SettingsError, match="is not valid YAML"):
        load_policy(mine)


def test_a_missing_part_is_named() -> None:
    content = _changed()
    del content["guard"]
    with pytest.raises(ValidationError, match="guard\n  Field required"):
        Policy.model_validate(content)


minutes = st.floats(0.3, 9)


policies = st.fixed_dictionaries(
    {
        "threads__repeat_bonus": st.floats(0, 1),
        "reach__setting": st.just("a_lot"),
        "reach__classes": st.sets(st.sampled_from(["support", "opinion", "praise", "chatter"])).map(
            lambda more: ["critical", "high", *sorted(more)]
        ),
        "classes__high__weight": st.floats(8, 30),
        "classes__high__handling": minutes,
        "classes__high__doublings": st.floats(0, 1),
        "classes__opinion__weight": st.floats(0.02, 1.2),
        "classes__opinion__handling": minutes,
        "classes__praise__weight": st.floats(0.02, 1.2),
        "classes__praise__handling": minutes,
        "classes__chatter__weight": st.floats(0.02, 1.2),
        "classes__chatter__handling": minutes,
    }
)


@settings(deadline=None, max_examples=300)
@given(
    changes=policies,
    mix=st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda m: sum(m) > 1e-3),
    urgent=st.lists(st.floats(0, 1), min_size=6, max_size=6),
)
def test_under_every_policy_that_loads_the_quiet_stay_below_the_urgent(
    changes: dict[str, Any], mix: list[float], urgent: list[float]
) -> None:
    try:
        policy = Policy.model_validate(_changed(**changes))
    except ValidationError as error:
        assert "points per agent-minute" in str(error)  # noqa: PT017
        assume(False)
        raise
    loud = np.array([0.0, 0, 0, *mix]) / sum(mix)
    grave = np.array(urgent) + 1e-9
    # At least half of it urgent, the rest anything.
    grave[:2] *= max(1.0, grave[2:].sum() / grave[:2].sum())
    result = index(
        np.stack([loud, grave / grave.sum()]),
        channel_target=np.array([60.0, 60.0]),
        age=np.array([1e6, 0.0]),
        reach=np.array([policy.reach.curve.cap, 1.0]),
        repeat=np.array([1 + policy.threads.repeat_bonus, 1.0]),
        policy=policy,
    ).value
    assert result[0] <= result[1] * (1 + 1e-9)
