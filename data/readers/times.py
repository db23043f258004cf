"""Times as exports write them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from typing import Final

# Epochs are told apart by size: seconds, milliseconds, microseconds, nanoseconds.
_EPOCH_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
#: what lies outside is a mistake, or a program's word for "none" (0001-01-01)
_YEARS: Final = (1990, 2099)
_EPOCH: Final = re.compile(r"\d{9,19}(\.\d+)?")
_SPACE_BEFORE_OFFSET: Final = re.compile(r"\s+(?=[+-]\d\d:?\d\d$)")
_UTC_NAME: Final = re.compile(r"\s*(UTC|GMT)$", re.IGNORECASE)
_CLOCK: Final = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
)
_ZONE: Final = r"(?:\s*\(?(?P<zone>[+-]\d\d:?\d\d|[a-z]{1,5})\)?)?"
_TIME: Final = rf"(?:(?:\s*,\s*|\s+at\s+|\s+|t){_CLOCK}{_ZONE})?"
_WEEKDAY: Final = r"(?:[a-z]{3,9},?\s+)?"
# The forms whose date is not ISO 8601, by what stands where.
_FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # 24.11.2026 10:00, 11/24/2026 10:00 AM: what spreadsheets write
        rf"(?P<first>\d{{1,2}})(?P<mark>[./-])(?P<next>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}){_TIME}",
        # Tue, 31 Oct 2017 22:10:47 +0000
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[ -](?P<month>[a-z]{{3,9}})\.?,?[ -](?P<year>\d{{4}})"
        rf"{_TIME}",
        # Nov 24, 2026 10:15 PM
        rf"{_WEEKDAY}(?P<month>[a-z]{{3,9}})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+"
        rf"(?P<year>\d{{4}}){_TIME}",
        # Tue Oct 31 22:10:47 +0000 2017
        rf"{_WEEKDAY}(?P<month>[a-z]{{3,9}})\s+(?P<day>\d{{1,2}})\s+{_CLOCK}{_ZONE}"
        r"\s+(?P<year>\d{4})",
    )
)
# By hand: strptime's %b follows the locale.
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
#: hours from UTC of the zones that RFC 2822 names; other abbreviations mean several zones
_ZONES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("z", "ut", "utc", "gmt"), 0),
    **{"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7},
}
_NOON: Final = 12


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
    seconds to nanoseconds, ``Tue Oct 31 22:10:47 +0000 2017``, RFC 2822, ``Nov 24, 2026 10:15
    PM``, and what spreadsheets write: 24.11.2026 10:00, day first wherever dots are used, and
    11/24/2026 10:00 AM if the rule says what comes first.

    Raises:
        ValueError: if it is none of these, or lies before 1990 or after 2099.
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
    if not _YEARS[0] <= found.year <= _YEARS[1]:
        message = "as a time it lies before 1990 or after 2099"
        raise ValueError(message)
    return found if found.tzinfo is not None else found.replace(tzinfo=rule.zone)


def _from_epoch(value: float) -> datetime:
    for limit, unit in _EPOCH_UNITS:
        if value < limit:
            return datetime.fromtimestamp(max(value, 0) / unit, UTC)
    message = "as an epoch it lies after 2099"
    raise ValueError(message)


def _from_text(text: str, order: DateOrder | None) -> datetime:
    if _EPOCH.fullmatch(text):
        return _from_epoch(float(text))
    for form in _FORMS:
        if match := form.fullmatch(text):
            return _from_parts(match.groupdict(), order)
    iso = _UTC_NAME.sub("+00:00", _SPACE_BEFORE_OFFSET.sub("", text))
    if iso[4:5] == "/":
        iso = iso.replace("/", "-", 2)
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        message = "use ISO 8601, such as 2020-03-04T08:05:14Z, or an epoch"
        raise ValueError(message) from None


def _from_parts(parts: Mapping[str, str | None], order: DateOrder | None) -> datetime:
    day, month = _day_and_month(parts, order)
    hour = _hour(int(parts["hour"] or 0), parts["half"])
    clock = (hour, int(parts["minute"] or 0), int(parts["second"] or 0))
    return datetime(int(parts["year"] or 0), month, day, *clock, tzinfo=_zone(parts["zone"]))


def _day_and_month(parts: Mapping[str, str | None], order: DateOrder | None) -> tuple[int, int]:
    if (name := parts.get("month")) is not None:
        if name[:3].lower() not in _MONTHS:
            message = f"{name!r} is not a month; use its English name, or ISO 8601"
            raise ValueError(message)
        return int(parts["day"] or 0), _MONTHS.index(name[:3].lower()) + 1
    if parts["mark"] == ".":
        order = DateOrder.DAY_FIRST
    if order is None:
        message = "day or month first? --dates dmy or --dates mdy says it"
        raise ValueError(message)
    first, second = int(parts["first"] or 0), int(parts["next"] or 0)
    return (first, second) if order is DateOrder.DAY_FIRST else (second, first)


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= _NOON:
        message = f"there is no {hour} o'clock with am or pm; write 1 to 12"
        raise ValueError(message)
    return hour % _NOON + (_NOON if half in "Pp" else 0)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    if name[0] in "+-":
        digits = name[1:].replace(":", "")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return timezone(ahead if name[0] == "+" else -ahead)
    if name.lower() not in _ZONES:
        message = f"the time zone {name!r} is not known; write an offset such as +01:00"
        raise ValueError(message)
    return timezone(timedelta(hours=_ZONES[name.lower()]))
