"""Posts to and about companies on Twitter and Facebook."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from replyrank.data.corpora.base import CorpusPost, csv_records, text_lines, time_or_none
from replyrank.data.corpora.mapping import labels_of
from replyrank.data.messages import Labels
from replyrank.data.text_key import restore
from replyrank.data.vocabulary import Channel

#: Below this share of trust-weighted votes a crowd label is close to a coin toss.
MIN_CONFIDENCE: Final = 0.65

_HANDLE: Final = re.compile(r"@(\w+)")
_FACEBOOK_COLUMNS: Final = 5


def addressed_brand(text: str) -> str | None:
    """The first handle that is not a number: these corpora write customers as numbers."""
    for handle in _HANDLE.findall(text):
        if not handle.isdigit():
            return str(handle)
    return None


def airline(root: Path) -> Iterator[CorpusPost]:
    """Tweets to six US airlines, February 2015."""
    for row in csv_records(root, "airline_sentiment/Tweets.csv"):
        native, confidence = row["airline_sentiment"], row["airline_sentiment_confidence"]
        trusted = float(confidence or 0) >= MIN_CONFIDENCE
        yield CorpusPost(
            source="airline",
            text=restore(row["text"]),
            labels=labels_of("airline", native) if trusted else Labels(),
            brand=row["airline"] or None,
            channel=Channel.TWITTER,
            created_at=time_or_none(row["tweet_created"]),
            native={
                "id": row["tweet_id"],
                "label": native,
                "confidence": confidence,
                "reason": row["negativereason"],
            },
        )


def twcs(root: Path) -> Iterator[CorpusPost]:
    """Customers' tweets of Customer Support on Twitter; the companies' own are left out."""
    for row in csv_records(root, "twcs/twcs_union.csv.gz"):
        if row["inbound"] != "True":
            continue
        text = restore(row["text"])
        yield CorpusPost(
            source="twcs",
            text=text,
            brand=addressed_brand(text),
            channel=Channel.TWITTER,
            created_at=time_or_none(row["created_at"]),
            native={
                "id": row["tweet_id"],
                "author": row["author_id"],
                "in_reply_to": row["in_response_to_tweet_id"],
            },
        )


def twcs_mixed(root: Path) -> Iterator[CorpusPost]:
    """More customers' tweets of the same corpus, text only."""
    for row in csv_records(root, "twcs/mixed_brands_inbound.csv"):
        text = restore(row["text"])
        yield CorpusPost(
            source="twcs_mixed",
            text=text,
            brand=addressed_brand(text),
            channel=Channel.TWITTER,
        )


def asapp(root: Path) -> Iterator[CorpusPost]:
    """First utterances of support dialogues with airlines, the marks read as handles."""
    for row in csv_records(root, "asapp_airlines/airlines_raw.csv.gz"):
        text = row["first_utterance"].replace("<cust__", "").replace("__cust>", "")
        text = text.replace("__company__", "@airline").replace("__cust__", "@user")
        yield CorpusPost(
            source="asapp",
            text=restore(text),
            channel=Channel.TWITTER,
            native={"id": row["first_tweet_id"], "tag": row["tag"]},
        )


def uk_mobile(root: Path) -> Iterator[CorpusPost]:
    """Every mention of three UK mobile operators over nine days; its clock is UTC."""
    for row in csv_records(root, "uk_mobile/stream.csv.gz"):
        yield CorpusPost(
            source="uk_mobile",
            text=restore(row["Tweet Text"]),
            brand=row["Mobile Network"].removeprefix("@") or None,
            channel=Channel.TWITTER,
            created_at=time_or_none(row["Tweet Created At"]),
        )


def uk_mobile_labelled(root: Path) -> Iterator[CorpusPost]:
    """The part of that stream which one person labelled."""
    for row in csv_records(root, "uk_mobile/labelled.csv"):
        native = row["Sentiment"]
        yield CorpusPost(
            source="uk_mobile_labelled",
            text=restore(row["Tweet Text"]),
            labels=labels_of("uk_mobile_labelled", native),
            brand=row["Mobile Network"].removeprefix("@") or None,
            channel=Channel.TWITTER,
            created_at=time_or_none(row["Tweet Created At"]),
            native={"label": native, "subject": row["Subject"]},
        )


def facebook(root: Path) -> Iterator[CorpusPost]:
    """Users' posts on brand pages.

    The file quotes a message twice over where it has a comma or a quote. Our labels were
    given partly to the messages as filed and partly to what they say, so a message that the
    quoting changes is given twice: as it reads, and with ``native["as_filed"]`` as it
    stands in the file.
    """
    lines = text_lines(root, "facebook_brand_posts/FB_posts_labeled.txt")
    next(lines, None)
    for line in lines:
        cells = line.split("\t")
        if len(cells) != _FACEBOOK_COLUMNS:
            continue
        identity, filed, *flags = cells
        names = ("Appreciation", "Complaint", "Feedback")
        native = "+".join(name for name, flag in zip(names, flags, strict=True) if flag == "1")
        facts = {"id": identity, "label": native}
        forms = {restore(unquoted(filed)): facts}
        forms.setdefault(restore(filed), {**facts, "as_filed": "yes"})
        for text, described in forms.items():
            yield CorpusPost(
                source="facebook",
                text=text,
                labels=labels_of("facebook", native),
                brand=identity.partition("_")[0],
                channel=Channel.FACEBOOK,
                native=described,
            )


def unquoted(filed: str) -> str:
    """Undo two layers of CSV quoting, where there are any."""
    for _ in range(2):
        if filed.startswith('"'):
            filed = next(csv.reader([filed], delimiter="\t"))[0]
    return filed
