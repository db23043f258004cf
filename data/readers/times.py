"""Times as exports write them."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

# Epochs are told apart by size: seconds, milliseconds, microseconds, nanoseconds.
_EPOCH_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_EPOCH: Final = re.compile(r"\d{9,19}(\.\d+)?")
# Tue Oct 31 22:10:47 +0000 2017
_TWITTER: Final = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{1,2}) (\d\d:\d\d:\d\d) ([+-]\d{4}) (\d{4})"
)
_SPACE_BEFORE_OFFSET: Final = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")
# 24.11.2026 10:00, 11/24/2026 10:00 AM: what spreadsheets write
_NUMBERS: Final = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})"
    r"(?:[ T,]+(\d{1,2})[:.](\d\d)(?:[:.](\d\d)(?:[.,]\d+)?)?\s*(?:([AaPp])\.?[Mm]\.?)?)?"
)
_NOON: Final = 12
_UTC_NAME: Final = re.compile(r"\s*(UTC|GMT)$", re.IGNORECASE)
# By hand: strptime's %b follows the locale.
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


class DateOrder(StrEnum):
    """Which comes first in a date that is written in numbers with its year last."""

    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"


@dataclass(frozen=True, slots=True)
class TimeRule:
    """What the times of a file leave open."""

    #: of times that are written without a zone
    zone: tzinfo = UTC
    #: of dates such as 03/04/2020; where it is None these cannot be read
    order: DateOrder | None = None


DEFAULT_TIMES: Final = TimeRule()


def parse_time(value: object, rule: TimeRule = DEFAULT_TIMES) -> datetime:
    """Read a time.

    Read are ISO 8601 (also with a space before the offset, or slashes in the date), epochs in
    seconds to nanoseconds, ``Tue Oct 31 22:10:47 +0000 2017``, RFC 2822, and what spreadsheets
    write: 24.11.2026 10:00, day first wherever dots are used, and 11/24/2026 10:00 AM if the
    rule says what comes first.

    Raises:
        ValueError: if it is none of these, or an epoch before 1990 or after 2100.
    """
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime(value.year, value.month, value.day, tzinfo=rule.zone)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = _from_epoch(float(value))
    elif isinstance(value, str):
        found = _from_text(value.strip(), rule.order)
    else:
        message = f"a {type(value).__name__} is not a time"
        raise ValueError(message)
    return found if found.tzinfo is not None else found.replace(tzinfo=rule.zone)


def _from_epoch(value: float) -> datetime:
    for limit, unit in _EPOCH_UNITS:
        if value < limit:
            seconds = value / unit
            if _EARLIEST <= seconds < _LATEST:
                return datetime.fromtimestamp(seconds, UTC)
            break
    message = "as an epoch it lies before 1990 or after 2100"
    raise ValueError(message)


def _from_text(text: str, order: DateOrder | None) -> datetime:
    if _EPOCH.fullmatch(text):
        return _from_epoch(float(text))
    if match := _TWITTER.fullmatch(text):
        month, day, clock, offset, year = match.groups()
        if month in _MONTHS:
            iso = f"{year}-{_MONTHS[month]:02}-{int(day):02}T{clock}{offset}"
            return datetime.fromisoformat(iso)
    if match := _NUMBERS.fullmatch(text):
        return _from_numbers(match, order)
    iso = _UTC_NAME.sub("+00:00", _SPACE_BEFORE_OFFSET.sub("", text))
    if iso[4:5] == "/":
        iso = iso.replace("/", "-", 2)
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        message = "use ISO 8601, such as 2020-03-04T08:05:14Z, or an epoch"
        raise ValueError(message) from None


def _from_numbers(match: re.Match[str], order: DateOrder | None) -> datetime:
    first, mark, second, year, hour, minute, seconds, half = match.groups()
    if mark == ".":
        order = DateOrder.DAY_FIRST
    if order is None:
        message = "day or month first? --dates dmy or --dates mdy says it"
        raise ValueError(message)
    day, month = (first, second) if order is DateOrder.DAY_FIRST else (second, first)
    hours = int(hour or 0)
    if half is not None:
        if not 1 <= hours <= _NOON:
            message = f"there is no {hours} o'clock with am or pm; write 1 to 12"
            raise ValueError(message)
        hours = hours % _NOON + (_NOON if half in "Pp" else 0)
    return datetime(int(year), int(month), int(day), hours, int(minute or 0), int(seconds or 0))  # noqa: DTZ001  the caller adds the zone
