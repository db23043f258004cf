"""Times as exports write them."""

import re
from datetime import UTC, date, datetime, tzinfo
from email.utils import parsedate_to_datetime
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
_UTC_NAME: Final = re.compile(r"\s*(UTC|GMT)$", re.IGNORECASE)
# By hand: strptime's %b follows the locale.
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


def parse_time(value: object, zone: tzinfo = UTC) -> datetime:
    """Read a time; one without a time zone is taken to be of ``zone``.

    Read are ISO 8601 (also with a space before the offset, or slashes in the date), epochs in
    seconds to nanoseconds, ``Tue Oct 31 22:10:47 +0000 2017`` and RFC 2822. Dates such as
    03/04/2020 are not: whether day or month comes first cannot be known.

    Raises:
        ValueError: if it is none of these, or an epoch before 1990 or after 2100.
    """
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime(value.year, value.month, value.day, tzinfo=zone)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = _from_epoch(float(value))
    elif isinstance(value, str):
        found = _from_text(value.strip())
    else:
        message = f"a {type(value).__name__} is not a time"
        raise ValueError(message)
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _from_epoch(value: float) -> datetime:
    for limit, unit in _EPOCH_UNITS:
        if value < limit:
            seconds = value / unit
            if _EARLIEST <= seconds < _LATEST:
                return datetime.fromtimestamp(seconds, UTC)
            break
    message = "as an epoch it lies before 1990 or after 2100"
    raise ValueError(message)


def _from_text(text: str) -> datetime:
    if _EPOCH.fullmatch(text):
        return _from_epoch(float(text))
    if match := _TWITTER.fullmatch(text):
        month, day, clock, offset, year = match.groups()
        if month in _MONTHS:
            iso = f"{year}-{_MONTHS[month]:02}-{int(day):02}T{clock}{offset}"
            return datetime.fromisoformat(iso)
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
