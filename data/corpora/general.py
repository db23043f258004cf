"""Posts that address no brand: sentiment, emotion, acts, crises, requests, questions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from replyrank.data.corpora.base import (
    CorpusPost,
    Loader,
    csv_records,
    csv_rows,
    text_lines,
    time_or_none,
)
from replyrank.data.corpora.mapping import labels_of
from replyrank.data.errors import UsageError
from replyrank.data.text_key import restore
from replyrank.data.vocabulary import Channel

_ACT_COLUMNS: Final = 2
_GOEMOTIONS_COLUMNS: Final = 3
# Valence 0-1 in three bands, the doubtful posts between them left out (band "between").
_LOW_VALENCE: Final = 0.4
_MIDDLE_VALENCE: Final = (0.47, 0.53)
_HIGH_VALENCE: Final = 0.6
# Politeness is given as a z-score; the outer quarters are the ones its authors use.
_POLITE: Final = 0.67


def _tweeteval(source: str, task: str, parts: tuple[str, ...]) -> Loader:
    """A loader of a TweetEval task: one text a line, its label's number on the same line."""

    def load(root: Path) -> Iterator[CorpusPost]:
        folder = f"tweeteval/{task}"
        names = dict(line.split("\t") for line in text_lines(root, f"{folder}/mapping.txt") if line)
        for part in parts:
            texts = list(text_lines(root, f"{folder}/{part}_text.txt"))
            labels = list(text_lines(root, f"{folder}/{part}_labels.txt"))
            if len(texts) != len(labels):
                message = (
                    f"{folder}: {part} has {len(texts)} texts and {len(labels)} labels; "
                    "fetch both files anew"
                )
                raise UsageError(message)
            for text, number in zip(texts, labels, strict=True):
                native = names[number]
                yield CorpusPost(
                    source=source,
                    text=restore(text),
                    labels=labels_of(source, native),
                    channel=Channel.TWITTER,
                    native={"label": native, "part": part},
                )

    return load


tweeteval_val = _tweeteval("tweeteval_val", "sentiment", ("val",))
tweeteval_test = _tweeteval("tweeteval_test", "sentiment", ("test",))
tweeteval_emotion = _tweeteval("tweeteval_emotion", "emotion", ("train", "val"))
tweeteval_irony = _tweeteval("tweeteval_irony", "irony", ("train", "val"))
tweeteval_offensive = _tweeteval("tweeteval_offensive", "offensive", ("train", "val"))
tweeteval_hate = _tweeteval("tweeteval_hate", "hate", ("train", "val"))


def tweeteval_train(root: Path) -> Iterator[CorpusPost]:
    """TweetEval sentiment's training text, rebuilt from SemEval's files."""
    folder = "tweeteval/sentiment"
    names = dict(line.split("\t") for line in text_lines(root, f"{folder}/mapping.txt") if line)
    rebuilt = f"{folder}/train_rebuilt_from_semeval.tsv.gz"
    for row in csv_records(root, rebuilt, delimiter="\t", quoted=False):
        native = names[row["label"]]
        yield CorpusPost(
            source="tweeteval_train",
            text=restore(row["text"]),
            labels=labels_of("tweeteval_train", native),
            channel=Channel.TWITTER,
            native={"id": row["tweet_id"], "label": native, "part": row["source_file"]},
        )


def goemotions(root: Path) -> Iterator[CorpusPost]:
    """Reddit comments with one or more of 28 emotions; read with quoting off."""
    names = list(text_lines(root, "goemotions/labels.txt"))
    for part in ("train", "dev", "test"):
        for line in text_lines(root, f"goemotions/{part}.tsv"):
            cells = line.split("\t")
            if len(cells) != _GOEMOTIONS_COLUMNS:
                continue
            text, numbers, identity = cells
            native = [names[int(number)] for number in numbers.split(",")]
            yield CorpusPost(
                source="goemotions",
                text=restore(text),
                labels=labels_of("goemotions", *native),
                channel=Channel.REDDIT,
                native={"id": identity, "label": "+".join(native), "part": part},
            )


def tweet_acts(root: Path) -> Iterator[CorpusPost]:
    """Tweets on public affairs and celebrities with their speech act."""
    for number, row in enumerate(csv_rows(root, "tweet_acts/TWEET_DATA.csv")):
        if len(row) != _ACT_COLUMNS or (number == 0 and row[0] == "0"):
            continue
        yield CorpusPost(
            source="tweet_acts",
            text=restore(row[0]),
            labels=labels_of("tweet_acts", row[1]),
            channel=Channel.TWITTER,
            native={"label": row[1]},
        )


def trec_is(root: Path) -> Iterator[CorpusPost]:
    """Tweets in crises with the priority that assessors gave; split by event if at all."""
    for row in csv_records(root, "trec_is/trecis_priority_rawtext.csv.gz"):
        yield CorpusPost(
            source="trec_is",
            text=restore(row["text"]),
            labels=labels_of("trec_is", row["priority"]),
            channel=Channel.TWITTER,
            created_at=time_or_none(row["created_at"]),
            native={"id": row["tweet_id"], "label": row["priority"], "event": row["event"]},
        )


def semeval_valence(root: Path) -> Iterator[CorpusPost]:
    """Tweets with a valence of 0-1, of SemEval 2018 (training, development, test gold)."""
    for part in ("train", "dev", "test-gold"):
        name = f"semeval2018/V-reg/Valence-reg-En-{part}.txt"
        for row in csv_records(root, name, delimiter="\t", quoted=False):
            score = row["Intensity Score"]
            native = _valence_band(float(score))
            yield CorpusPost(
                source="semeval_valence",
                text=restore(row["Tweet"]),
                labels=labels_of("semeval_valence", native),
                channel=Channel.TWITTER,
                native={"id": row["ID"], "label": native, "valence": score, "part": part},
            )


def _valence_band(score: float) -> str:
    if score <= _LOW_VALENCE:
        return "low"
    if score >= _HIGH_VALENCE:
        return "high"
    low, high = _MIDDLE_VALENCE
    return "middle" if low <= score <= high else "between"


def politeness(root: Path) -> Iterator[CorpusPost]:
    """Requests on Wikipedia and Stack Exchange with a politeness score.

    The number of raters differs from row to row, so the score is the last cell.
    """
    for part in ("wikipedia", "stack-exchange"):
        rows = csv_rows(root, f"politeness/{part}.annotated.csv")
        next(rows, None)
        for row in rows:
            _, identity, text, *_, score = row
            native = _manner(float(score))
            yield CorpusPost(
                source="politeness",
                text=restore(text),
                labels=labels_of("politeness", native),
                channel=Channel.OTHER,
                native={"id": identity, "label": native, "score": score, "part": part},
            )


def _manner(score: float) -> str:
    if abs(score) < _POLITE:
        return "plain"
    return "polite" if score > 0 else "rude"


def banking77(root: Path) -> Iterator[CorpusPost]:
    """Bank customers' questions with one of 77 intents."""
    for part in ("train", "test"):
        for row in csv_records(root, f"banking77/{part}.csv"):
            yield CorpusPost(
                source="banking77",
                text=restore(row["text"]),
                labels=labels_of("banking77", "question"),
                channel=Channel.CHAT,
                native={"label": "question", "category": row["category"], "part": part},
            )
