import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from replyrank.data.errors import ReplyrankError, UsageError
from replyrank.data.messages import Message
from replyrank.data.readers import Format, format_of
from replyrank.data.readers.columns import ColumnMap, find_columns, unique_names
from replyrank.data.readers.fields import make_message
from replyrank.data.readers.times import DEFAULT_TIMES, DateOrder, TimeRule, parse_time
from replyrank.data.vocabulary import SCORE_COLUMNS, Channel, Visibility


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.CSV", Format.CSV),
        ("a.tsv.gz", Format.CSV),
        ("a.txt", Format.CSV),
        ("dir.parquet/a.ndjson", Format.JSONL),
        ("a.jsonl.gz", Format.JSONL),
        ("a.b.parquet", Format.PARQUET),
    ],
)
def test_format_by_suffix(name: str, expected: Format) -> None:
    assert format_of(name) is expected
    assert format_of(Path(name)) is expected


def test_format_given_wins_and_unknown_is_refused() -> None:
    assert format_of("a.csv", Format.JSONL) is Format.JSONL
    for name in ("a.xlsx", "posts", "-", "a.parquet.gz"):
        with pytest.raises(UsageError):
            format_of(name)


def test_exit_codes() -> None:
    assert (ReplyrankError.exit_code, UsageError.exit_code) == (1, 2)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "Tweet Text"], "Tweet Text"),
        (["TweetId", "TweetText"], "TweetText"),
        (["TEXT", "full_text"], "full_text"),
        (["description", "Message"], "Message"),
        (["review", "stars"], "review"),
        ([*SCORE_COLUMNS, "comment"], "comment"),
    ],
)
def test_text_column_is_found(names: list[str], expected: str) -> None:
    assert find_columns(names, source="x").text == expected


def test_text_column_not_found_says_what_is_there() -> None:
    with pytest.raises(UsageError, match=r"its columns are 'id', 'Wortlaut'.*--text-column"):
        find_columns(["id", "Wortlaut"], source="x.csv")
    with pytest.raises(UsageError, match="no text column found"):
        find_columns(SCORE_COLUMNS, source="scored before, no text of its own")
    with pytest.raises(UsageError, match=r"no column 'Txt'; its columns are 'id'"):
        find_columns(["id"], source="x.csv", text_column="Txt")


def test_message_columns_are_found_or_named() -> None:
    names = ["tweet_id", "airline", "Text", "tweet_created", "user", "followers", "body"]
    found = find_columns(names, source="x", text_column="text", named={"brand": "airline"})
    assert found == ColumnMap(
        "Text",
        {
            "id": "tweet_id",
            "brand": "airline",
            "author": "user",
            "reach": "followers",
            "created_at": "tweet_created",
        },
    )
    with pytest.raises(UsageError, match="'colour' is not a field"):
        find_columns(names, source="x", named={"colour": "airline"})


def test_unique_names() -> None:
    assert unique_names(["a", "a", "a_2", ""]) == ("a", "a_3", "a_2", "column_4")


MAP = ColumnMap(
    "text",
    {
        name: name
        for name in (
            *("id", "channel", "visibility", "brand", "author", "reach", "thread"),
            *("created_at", "language"),
        )
    },
)


def test_message_of_a_full_row() -> None:
    row: dict[str, object] = {
        "id": 17.0,
        "channel": "App Store",
        "visibility": "DM",
        "brand": " Acme ",
        "author": 12345678901234567890,
        "reach": "1,200",
        "thread": "t",
        "created_at": "2020-03-04T08:05:14Z",
        "language": "EN",
    }
    message, reasons = make_message(row, "hi", MAP, DEFAULT_TIMES)
    assert not reasons
    assert message == Message(
        text="hi",
        id="17",
        channel=Channel.APP_STORE,
        visibility=Visibility.PRIVATE,
        brand="Acme",
        author="12345678901234567890",
        reach=1200,
        thread="t",
        created_at=datetime(2020, 3, 4, 8, 5, 14, tzinfo=UTC),
        language="en",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channel", "fax"),
        ("visibility", "secret"),
        ("reach", "-1"),
        ("reach", 1.5),
        ("reach", "inf"),
        ("reach", True),
        ("created_at", "soon"),
        ("created_at", 10**30),
        ("created_at", "03/04/2020"),
        ("author", {"name": "x"}),
        ("id", float("inf")),
    ],
)
def test_bad_optional_value_is_left_empty_and_told(name: str, value: object) -> None:
    message, (reason,) = make_message({name: value, "brand": "Acme"}, "hi", MAP, DEFAULT_TIMES)
    assert getattr(message, name) is None
    assert (message.text, message.brand) == ("hi", "Acme")
    assert reason.startswith(f"column {name!r}: ")


@pytest.mark.parametrize(
    ("value", "channel"),
    [("iOS", Channel.APP_STORE), ("WhatsApp", Channel.CHAT), ("X", Channel.TWITTER)],
)
def test_channels_by_other_names(value: str, channel: Channel) -> None:
    assert make_message({"channel": value}, "hi", MAP, DEFAULT_TIMES)[0].channel is channel


@pytest.mark.parametrize("value", [None, "", "  ", "NaN", "None", float("nan")])
def test_absent_values_are_empty_without_a_word(value: object) -> None:
    row = dict.fromkeys(MAP.fields, value)
    assert make_message(row, 5, MAP, DEFAULT_TIMES) == (Message(text=""), [])


PACIFIC = timezone(timedelta(hours=-8))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2015-02-24 11:35:52 -0800", datetime(2015, 2, 24, 11, 35, 52, tzinfo=PACIFIC)),
        ("Tue Oct 31 22:10:47 +0000 2017", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
        ("2019-12-04 08:05:14", datetime(2019, 12, 4, 8, 5, 14, tzinfo=UTC)),
        ("2019/12/04 08:05", datetime(2019, 12, 4, 8, 5, tzinfo=UTC)),
        ("2017-10-31T22:10:47Z", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
        ("2017-10-31 22:10:47 UTC", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
        ("2017-10-31T22:10:47.123+02:00", datetime(2017, 10, 31, 20, 10, 47, 123000, tzinfo=UTC)),
        ("Tue, 31 Oct 2017 22:10:47 +0000", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
        ("1509487847", datetime(2017, 10, 31, 22, 10, 47, tzinfo=UTC)),
        (1509487847.5, datetime(2017, 10, 31, 22, 10, 47, 500000, tzinfo=UTC)),
        ("1509487847123", datetime(2017, 10, 31, 22, 10, 47, 123000, tzinfo=UTC)),
        (1509487847123456, datetime(2017, 10, 31, 22, 10, 47, 123456, tzinfo=UTC)),
        ("20171031", datetime(2017, 10, 31, tzinfo=UTC)),
        (date(2017, 10, 31), datetime(2017, 10, 31, tzinfo=UTC)),
        ("24.11.2026 10:00", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("4.1.2026", datetime(2026, 1, 4, tzinfo=UTC)),
        ("Nov 24, 2026 10:15 PM", datetime(2026, 11, 24, 22, 15, tzinfo=UTC)),
        ("Tuesday, November 24th, 2026 at 12:05 a.m.", datetime(2026, 11, 24, 0, 5, tzinfo=UTC)),
        ("24 Nov 2026 10:00 PM", datetime(2026, 11, 24, 22, tzinfo=UTC)),
        ("24-Nov-2026", datetime(2026, 11, 24, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 10:00:05 EST", datetime(2026, 11, 24, 15, 0, 5, tzinfo=UTC)),
        ("24.11.2026 10:00 +01:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),
    ],
)
def test_times(value: object, expected: datetime) -> None:
    assert parse_time(value) == expected


def test_naive_times_take_the_zone_given() -> None:
    london = TimeRule(ZoneInfo("Europe/London"))
    assert parse_time("2019-07-04 08:05:14", london) == datetime(2019, 7, 4, 7, 5, 14, tzinfo=UTC)
    assert parse_time(datetime(2019, 7, 4, 8), london).utcoffset() == timedelta(hours=1)  # noqa: DTZ001
    assert parse_time("2019-07-04 08:05:14Z", london).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("value", "order", "expected"),
    [
        ("03/04/2026", DateOrder.DAY_FIRST, datetime(2026, 4, 3, tzinfo=UTC)),
        ("03/04/2026", DateOrder.MONTH_FIRST, datetime(2026, 3, 4, tzinfo=UTC)),
        ("3-4-2026 7:05:09", DateOrder.DAY_FIRST, datetime(2026, 4, 3, 7, 5, 9, tzinfo=UTC)),
        ("11/24/2026, 12:30 am", DateOrder.MONTH_FIRST, datetime(2026, 11, 24, 0, 30, tzinfo=UTC)),
        ("11/24/2026 12:30 PM", DateOrder.MONTH_FIRST, datetime(2026, 11, 24, 12, 30, tzinfo=UTC)),
        ("11/24/2026 1:30 p.m.", DateOrder.MONTH_FIRST, datetime(2026, 11, 24, 13, 30, tzinfo=UTC)),
        ("24.11.2026", DateOrder.MONTH_FIRST, datetime(2026, 11, 24, tzinfo=UTC)),
    ],
)
def test_dates_in_numbers_follow_the_order_given(
    value: str, order: DateOrder, expected: datetime
) -> None:
    assert parse_time(value, TimeRule(order=order)) == expected


@pytest.mark.parametrize(
    ("value", "order", "message"),
    [
        ("03/04/2026 10:00", None, "--dates dmy or --dates mdy"),
        ("24/11/2026", DateOrder.MONTH_FIRST, "month must be in 1..12"),
        ("24.11.2026 13:00 pm", None, "no 13 o'clock with am or pm"),
        ("24.11.2026 24:00", None, "hour must be in 0..23"),
    ],
)
def test_dates_in_numbers_that_cannot_be_are_refused(
    value: str, order: DateOrder | None, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_time(value, TimeRule(order=order))


@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "2020-13-01", True, [], "568283847", 1e20, "12", "0001-01-01", -5),
        *("2100-01-01", "Nov 31, 2026", "24 Nov 2026 10:00 CET", "24 Nou 2026 10:00", "5 PM"),
    ],
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"time|epoch|ISO|day is out of range|not a month"):
        parse_time(value)


def test_utf_16_without_a_mark_is_told_by_its_name() -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        names = tuple("id,text".encode(encoding).decode().split(","))
        remedy = rf"without a byte order mark: say so \(--encoding {encoding}\)$"
        with pytest.raises(UsageError, match=f"^no text column found in f; .*{remedy}"):
            find_columns(names, source="f")
        with pytest.raises(UsageError, match=f"^f has no column 'text'; .*{remedy}"):
            find_columns(names, source="f", text_column="text")
    with pytest.raises(UsageError, match=r"\(--text-column NAME\)$"):
        find_columns(("id", "a\0"), source="f")
