"""Open hours, checked minute by minute against the wall clock of zones with daylight saving."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replyrank.pipeline.calendar import Calendar, Interval, parse_interval

LONDON = ZoneInfo("Europe/London")
OFFICE = tuple([(parse_interval("09:00-17:30"),)] * 5 + [()] * 2)
# The clocks of London went forward on 30 March and back on 26 October 2025; those of Lord Howe
# move by half an hour, and Chatham stands 45 minutes beside the hour.
NEAR_A_CHANGE = [
    ("Europe/London", datetime(2025, 3, 29, tzinfo=UTC)),
    ("Europe/London", datetime(2025, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2025, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2025, 4, 5, tzinfo=UTC)),
    ("Pacific/Chatham", datetime(2025, 9, 27, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2025, 6, 1, tzinfo=UTC)),
]


def _day(edges: list[int]) -> tuple[Interval, ...]:
    ordered = sorted(edges)
    return tuple((60 * a, 60 * b) for a, b in zip(ordered[::2], ordered[1::2], strict=True))


days = st.sampled_from([0, 2, 4]).flatmap(
    lambda n: st.lists(st.integers(0, 1440), min_size=n, max_size=n, unique=True)
)
weeks = st.lists(days, min_size=7, max_size=7).filter(any)
times = st.integers(0, 3 * 365 * 86_400).map(
    lambda second: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)


def _calendar(week: list[list[int]], zone: str = "Europe/London") -> Calendar:
    return Calendar(ZoneInfo(zone), tuple(_day(edges) for edges in week))


def _counted(calendar: Calendar, start: datetime, minutes: int) -> int:
    """Minutes whose beginning the wall clock shows inside an interval."""
    assert calendar.week is not None
    count = 0
    for minute in range(minutes):
        wall = (start + timedelta(minutes=minute)).astimezone(calendar.zone)
        second = wall.hour * 3600 + wall.minute * 60
        count += any(a <= second < b for a, b in calendar.week[wall.weekday()])
    return count


@settings(deadline=None, max_examples=40)
@given(
    week=weeks,
    where=st.sampled_from(NEAR_A_CHANGE),
    begin=st.integers(0, 1440),
    minutes=st.integers(0, 2880),
)
def test_open_minutes_are_those_that_the_wall_clock_shows(
    week: list[list[int]], where: tuple[str, datetime], begin: int, minutes: int
) -> None:
    zone, day = where
    calendar = _calendar(week, zone)
    start = day + timedelta(minutes=begin)
    counted = _counted(calendar, start, minutes)
    assert calendar.open_minutes(start, start + timedelta(minutes=minutes)) == counted


@settings(deadline=None)
@given(week=weeks, moments=st.lists(times, min_size=3, max_size=3).map(sorted))
def test_open_minutes_add_up_and_never_exceed_the_time_that_passed(
    week: list[list[int]], moments: list[datetime]
) -> None:
    calendar = _calendar(week)
    a, b, c = moments
    whole = calendar.open_minutes(a, c)
    assert calendar.open_minutes(a, b) + calendar.open_minutes(b, c) == pytest.approx(whole)
    assert 0 <= whole <= (c - a).total_seconds() / 60 + 1e-6


@settings(deadline=None)
@given(week=weeks, start=times, minutes=st.floats(0.01, 5000))
def test_after_is_the_earliest_time_with_so_many_open_minutes(
    week: list[list[int]], start: datetime, minutes: float
) -> None:
    calendar = _calendar(week)
    end = calendar.after(start, minutes)
    assert calendar.open_minutes(start, end) == pytest.approx(minutes, abs=1e-4)
    assert calendar.open_minutes(start, end - timedelta(milliseconds=10)) < minutes


@settings(deadline=None)
@given(week=weeks, starts=st.lists(times, max_size=6), now=times)
def test_many_ages_are_the_single_ones(
    week: list[list[int]], starts: list[datetime], now: datetime
) -> None:
    calendar = _calendar(week)
    single = [calendar.open_minutes(start, now) for start in starts]
    assert calendar.ages(starts, now).tolist() == pytest.approx(single)


def test_a_weekend_does_not_count() -> None:
    friday = datetime(2025, 6, 6, 17, 0, tzinfo=LONDON)
    monday = datetime(2025, 6, 9, 9, 45, tzinfo=LONDON)
    assert Calendar(LONDON, OFFICE).open_minutes(friday, monday) == 30 + 45
    assert Calendar(LONDON).open_minutes(friday, monday) == 64 * 60 + 45


def test_due_time_moves_to_the_next_opening() -> None:
    friday = datetime(2025, 6, 6, 17, 0, tzinfo=LONDON)
    due = Calendar(LONDON, OFFICE).after(friday, 60)
    assert due == datetime(2025, 6, 9, 9, 30, tzinfo=LONDON)
    assert due.tzinfo is UTC
    assert Calendar(LONDON).after(friday, 60) == datetime(2025, 6, 6, 18, 0, tzinfo=LONDON)


def test_an_hour_that_daylight_saving_skips_is_not_open_and_a_repeated_one_is_twice() -> None:
    nights = Calendar(LONDON, tuple([(parse_interval("01:00-02:00"),)] * 7))

    def open_on(day: datetime) -> float:
        return nights.open_minutes(day, day + timedelta(hours=12))

    assert open_on(datetime(2025, 3, 30, tzinfo=UTC)) == 0
    assert open_on(datetime(2025, 3, 31, tzinfo=UTC)) == 60
    # On 26 October the clock shows 01:00 to 02:00 from midnight to 02:00 UTC.
    assert open_on(datetime(2025, 10, 26, tzinfo=UTC)) == 120


def test_a_start_after_the_end_has_not_waited() -> None:
    now = datetime(2025, 6, 4, 12, tzinfo=UTC)
    for week in (None, OFFICE):
        assert Calendar(LONDON, week).open_minutes(now + timedelta(hours=1), now) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9-17", "'9-17' is not an opening time; write HH:MM-HH:MM, such as 09:00-17:30"),
        (
            "09:60-17:00",
            "'09:60-17:00' is not an opening time; write HH:MM-HH:MM, such as 09:00-17:30",
        ),
        (
            "22:00-06:00",
            "'22:00-06:00' does not close after it opens, by 24:00 at the latest; split an "
            "interval that crosses midnight into two days",
        ),
        (
            "09:00-25:00",
            "'09:00-25:00' does not close after it opens, by 24:00 at the latest; split an "
            "interval that crosses midnight into two days",
        ),
    ],
)
def test_opening_times_that_make_no_sense_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_interval(text)
    assert str(caught.value) == said


def test_a_day_may_close_at_midnight() -> None:
    assert parse_interval("00:00-24:00") == (0, 86_400)


@pytest.mark.parametrize(
    ("week", "said"),
    [
        (OFFICE[:5], "the week has 5 days; give 7, from Monday"),
        (((),) * 7, "no day of the week has opening times; give at least one, or be always open"),
        (
            (((0, 7200), (3600, 9000)), *OFFICE[1:]),
            "two opening times of a day overlap at 01:00; join them into one",
        ),
    ],
)
def test_a_week_that_cannot_be_is_refused(
    week: tuple[tuple[Interval, ...], ...], said: str
) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        Calendar(LONDON, week)
    assert str(caught.value) == said


def test_times_without_a_zone_are_refused() -> None:
    naive = datetime(2025, 6, 6)  # noqa: DTZ001
    with pytest.raises(ValueError, match=r"2025-06-06T00:00:00 has no time zone; give one"):
        Calendar(LONDON).open_minutes(naive, datetime(2025, 6, 7, tzinfo=UTC))


def test_a_due_time_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"the calendar ends before 60 open minutes after 9998-12-31"
    ):
        Calendar(LONDON, OFFICE).after(datetime(9998, 12, 31, 22, tzinfo=UTC), 60)
