"""Opinions on brands and products, app reviews and complaints."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from replyrank.data.corpora.base import CorpusPost, csv_records, csv_rows, time_or_none
from replyrank.data.corpora.care import MIN_CONFIDENCE
from replyrank.data.corpora.mapping import labels_of
from replyrank.data.messages import Labels
from replyrank.data.text_key import restore
from replyrank.data.vocabulary import Channel

# The products that the crowd could choose from, and whose they are.
_MAKERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "iPad": "Apple",
        "Apple": "Apple",
        "iPad or iPhone App": "Apple",
        "iPhone": "Apple",
        "Other Apple product or service": "Apple",
        "Google": "Google",
        "Other Google product or service": "Google",
        "Android App": "Google",
        "Android": "Google",
    }
)
_COMPLAINT_COLUMNS: Final = 4


def brands_products(root: Path) -> Iterator[CorpusPost]:
    """Tweets on brands and products at a conference in 2011."""
    for row in csv_records(root, "crowdflower/judge-1377884607_tweet_product_company.csv"):
        native, product = row["emotion_described"], row["emotion_in_tweet_is_directed_at"]
        yield CorpusPost(
            source="brands_products",
            text=restore(row["tweet_text"]),
            labels=labels_of("brands_products", native),
            brand=_MAKERS.get(product),
            channel=Channel.TWITTER,
            native={"label": native, "product": product},
        )


def apple(root: Path) -> Iterator[CorpusPost]:
    """Tweets that name Apple, December 2014."""
    for row in csv_records(root, "crowdflower/Apple-Twitter-Sentiment-DFE.csv"):
        if not row["text"]:
            continue
        native, confidence = row["sentiment"], row["sentiment:confidence"]
        trusted = float(confidence or 0) >= MIN_CONFIDENCE
        yield CorpusPost(
            source="apple",
            text=restore(row["text"]),
            labels=labels_of("apple", native) if trusted else Labels(),
            brand="Apple",
            channel=Channel.TWITTER,
            created_at=time_or_none(row["date"]),
            native={"label": native, "confidence": confidence},
        )


def sanders(root: Path) -> Iterator[CorpusPost]:
    """Tweets on apple and google, October 2011."""
    for row in csv_records(root, "sanders/full-corpus.csv"):
        yield CorpusPost(
            source="sanders",
            text=restore(row["TweetText"]),
            labels=labels_of("sanders", row["Sentiment"]),
            brand=row["Topic"] or None,
            channel=Channel.TWITTER,
            created_at=time_or_none(row["TweetDate"]),
            native={"id": row["TweetId"], "label": row["Sentiment"]},
        )


def app_reviews(root: Path) -> Iterator[CorpusPost]:
    """Reviews from two app stores; the stars speak of sentiment."""
    for row in csv_records(root, "app_reviews/maalej_all.csv"):
        title, comment = row["title"], row["comment"]
        yield CorpusPost(
            source="app_reviews",
            text=restore(f"{title}. {comment}" if title else comment),
            labels=labels_of("app_reviews", row["rating"]),
            channel=Channel.APP_STORE,
            native={"id": row["reviewId"], "label": row["rating"], "kind": row["label"]},
        )


def complaints(root: Path) -> Iterator[CorpusPost]:
    """Tweets to companies of nine domains, complaint or not; the brand is the domain."""
    for number, row in enumerate(csv_rows(root, "complaints/complaints-data.csv")):
        if len(row) != _COMPLAINT_COLUMNS or (number == 0 and row[0] == "0"):
            continue
        identity, text, native, domain = row
        yield CorpusPost(
            source="complaints",
            text=restore(text),
            labels=labels_of("complaints", native),
            brand=domain,
            channel=Channel.TWITTER,
            native={"id": identity, "label": native},
        )


def complaints_xci(root: Path) -> Iterator[CorpusPost]:
    """The same tweets with sentiment, emotion and severity."""
    for row in csv_records(root, "complaints/X-CI.csv"):
        native = row["sentiment"].lower()
        yield CorpusPost(
            source="complaints_xci",
            text=restore(row["tweet"]),
            labels=labels_of("complaints_xci", native),
            brand=row["domain"] or None,
            channel=Channel.TWITTER,
            native={
                "id": row["id"],
                "label": native,
                "complaint": row["label"],
                "emotion": row["emotion"],
                "severity": row["Severity"],
            },
        )


def uva(root: Path) -> Iterator[CorpusPost]:
    """A keyword stream on airlines and telecoms, complaint or not."""
    for row in csv_records(root, "complaints/uva_airlines_telecom.csv"):
        yield CorpusPost(
            source="uva",
            text=restore(row["text"]),
            labels=labels_of("uva", row["complaint"]),
            channel=Channel.TWITTER,
            native={"label": row["complaint"], "industry": row["industry"]},
        )
