"""Traces: read from any file, brought to a load without losing their bursts."""

from pathlib import Path

import numpy as np
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.readers import BadRow, Notice, Problem, ReadOptions
from replyrank.data.vocabulary import Channel, Visibility
from replyrank.pipeline.simulation.scenarios import load_scenarios
from replyrank.pipeline.simulation.trace import LEAST_MESSAGES, Trace, read_trace, stretch
from tests.simulation import POLICY, steady_trace, trace_at

SCENARIOS = load_scenarios()


def _file(folder: Path, rows: list[str], header: str = "created_at,text") -> Path:
    path = folder / "trace.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _times(n: int) -> list[str]:
    return [f"2026-03-02T{8 + row // 60:02d}:{row % 60:02d}:00Z" for row in range(n)]


def test_rows_are_put_in_the_order_of_their_times(tmp_path: Path) -> None:
    rows = [f"{time},post {row}" for row, time in enumerate(_times(120))]
    trace = read_trace(_file(tmp_path, rows[::-1]), ReadOptions(), SCENARIOS, POLICY)
    assert trace.minutes.tolist() == list(range(120))
    assert trace.texts[:2] == ("post 0", "post 1")
    assert trace.days == pytest.approx(119 / 1440)


def test_rows_without_a_time_are_told_and_left_out(tmp_path: Path) -> None:
    rows = [f"{time},post" for time in _times(110)]
    rows[3], rows[5] = ",no time", "2026-03-02,one,field,too,many"
    told: list[Problem] = []
    trace = read_trace(_file(tmp_path, rows), ReadOptions(), SCENARIOS, POLICY, told.append)
    assert len(trace) == 108
    kinds = {problem.line: type(problem) for problem in told}
    assert kinds == {5: Notice, 7: BadRow}
    assert "no time of arrival" in next(p.reason for p in told if p.line == 5)


def test_too_few_times_are_refused_with_a_remedy(tmp_path: Path) -> None:
    rows = [f"{time},post" for time in _times(LEAST_MESSAGES - 1)]
    with pytest.raises(UsageError, match=r"99 messages with a time .* --column created_at=NAME"):
        read_trace(_file(tmp_path, rows), ReadOptions(), SCENARIOS, POLICY)


def test_channel_and_audience_decide_targets_and_reach() -> None:
    public = steady_trace(100, channel=Channel.FACEBOOK, reach=50_000)
    private = steady_trace(
        100, channel=Channel.FACEBOOK, visibility=Visibility.PRIVATE, reach=50_000
    )
    unknown = steady_trace(100)
    assert {*public.channel_target} == {POLICY.target_minutes(Channel.FACEBOOK, Visibility.PUBLIC)}
    assert {*unknown.channel_target} == {POLICY.target_minutes(Channel.TWITTER, Visibility.PUBLIC)}
    assert (public.reach > 1).all()
    assert {*private.reach} == {*unknown.reach} == {1.0}


def _counts(times: np.ndarray, minutes: float, parts: int) -> np.ndarray:
    return np.histogram(times, parts, (0, minutes))[0]


def test_a_stretch_fills_its_minutes_and_keeps_the_pattern() -> None:
    trace = steady_trace(400)
    times, rows = stretch(trace, 100, 200, 60.0, rostered=False)
    assert rows.tolist() == list(range(100, 300))
    assert times[0] == 0
    assert times[-1] < 60
    assert (np.diff(times) >= 0).all()
    gaps, own = np.diff(times), np.diff(trace.minutes[100:300])
    assert gaps / gaps.sum() == pytest.approx(own / own.sum())


def test_behind_the_end_of_a_trace_comes_its_beginning() -> None:
    trace = steady_trace(400)
    times, rows = stretch(trace, 390, 1000, 500.0, rostered=True)
    assert rows[8:12].tolist() == [398, 399, 0, 1]
    assert np.bincount(rows, minlength=400).tolist() == [3] * 190 + [2] * 200 + [3] * 10
    assert (np.diff(times) >= 0).all()
    assert times[-1] <= 500


def test_a_roster_takes_the_usual_day_out_and_leaves_what_is_unusual() -> None:
    """Four days of one rhythm, with a storm on the third: only the storm is left."""
    rhythm = np.concatenate([[4] * 8, [40] * 8, [12] * 8])
    pieces = [
        60 * hour + np.linspace(0, 60, count * (5 if hour == 58 else 1), endpoint=False)
        for hour, count in enumerate(np.tile(rhythm, 4))
    ]
    trace = trace_at(np.concatenate(pieces))
    day = 4 * 24 * 60.0
    real = _counts(stretch(trace, 0, len(trace), day, rostered=False)[0], day, 96)
    even = _counts(stretch(trace, 0, len(trace), day, rostered=True)[0], day, 96)
    assert real.std() > 0.8 * real.mean()
    calm = np.delete(even, range(52, 64))
    assert calm.std() < 0.35 * calm.mean()
    assert even[52:64].max() > 2 * calm.mean()


def test_weeks_in_which_hardly_anybody_wrote_are_left_out() -> None:
    """Ten weeks of an account, in which two are missing, behind a few messages of years before."""
    day = 24 * 60.0
    alive = [week * 7 * day + np.linspace(0, 7 * day, 500, endpoint=False) for week in range(10)]
    del alive[4:6]
    before = -day * np.array([2000, 1500, 900, 300, 299, 60])
    trace = trace_at(np.concatenate([np.sort(before), *alive]))
    assert trace.left_out == 6
    assert trace.empty_weeks > 2000 // 7
    assert len(trace) == 8 * 500
    assert trace.days == pytest.approx(8 * 7, abs=0.1)
    # No gap is left but the usual one, and the hours of the day are those of the file.
    assert np.diff(trace.minutes) == pytest.approx(np.full(3999, 7 * day / 500))


def test_a_file_that_begins_in_the_midst_of_a_week_keeps_what_it_has_of_it() -> None:
    minutes = np.linspace(0, 4 * 7 * 24 * 60 + 60, 4003)
    trace = trace_at(minutes)
    assert (len(trace), trace.empty_weeks, trace.left_out) == (4003, 0, 0)


def test_a_quiet_account_is_replayed_whole() -> None:
    """With a message every other day, an empty week may be chance."""
    minutes = 2 * 24 * 60.0 * np.arange(120)
    minutes[60:] += 30 * 24 * 60
    trace = trace_at(minutes)
    assert trace.left_out == 0
    assert trace.minutes == pytest.approx(minutes)


def test_a_swing_puts_a_daily_rhythm_in() -> None:
    trace = steady_trace(4000)
    day = 24 * 60.0
    times, _ = stretch(trace, 0, 4000, day, rostered=True, swing=0.3)
    plain, _ = stretch(trace, 0, 4000, day, rostered=True)
    first, second = _counts(times, day, 2)
    before = _counts(plain, day, 2)
    assert first / second > 1.3 * before[0] / before[1]
    assert times.max() <= day


def test_messages_of_one_moment_are_spread_evenly() -> None:
    one = np.ones(200)
    trace = Trace("x", np.zeros(200), np.zeros(200), one, one, ())
    times, _ = stretch(trace, 0, 100, 10.0, rostered=True)
    assert times.tolist() == pytest.approx(np.linspace(0, 10, 100, endpoint=False).tolist())
