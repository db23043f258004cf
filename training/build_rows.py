"""The rows of the training set: which posts and labels go in, and why others do not."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from replyrank.data.behaviour import load_cases
from replyrank.data.companies import company_of
from replyrank.data.corpora import (
    MEASURED_ONLY,
    CorpusPost,
    LabelledPost,
    joined_posts,
    labels_of,
    read_corpus,
    training_text,
)
from replyrank.data.labels import LabelRow, read_added_labels, read_labels
from replyrank.data.messages import Labels
from replyrank.data.near_copies import NearCopyGuard, normalise
from replyrank.data.samples.load import load_samples
from replyrank.data.splits import Split, companies_of, gate_companies, split_of
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS
from replyrank.data.written import WRITTEN, load_written
from replyrank.models.language import detect
from replyrank.training.rows import MASKED

#: Corpora whose labels, mapped by default, train beside ours.
AUXILIARY: Final = (
    "airline",
    "app_reviews",
    "apple",
    "banking77",
    "brands_products",
    "complaints",
    "facebook",
    "goemotions",
    "sanders",
    "tweeteval_emotion",
    "tweeteval_train",
    "tweeteval_val",
    "uk_mobile_labelled",
    "uva",
)
_LANGUAGE_BATCH: Final = 1000
#: texts of fewer words hold little that the labelled posts do not; they are many
_FEWEST_WORDS: Final = 4


class BuildConfig(BaseModel):
    """What goes into a training set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: corpora whose own labels are used
    auxiliary: tuple[str, ...] = AUXILIARY
    #: corpora whose texts are read without their labels
    unlabelled: tuple[str, ...] = ()
    #: corpora of which the mappings that are switched off count as well
    optional: tuple[str, ...] = ()
    #: log-probability by which another language must beat English for a post to be dropped
    language_margin: Annotated[float, Field(ge=0)] = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the training set; a label that is not known is -1."""

    source: str
    #: ``text_key`` of the text as its corpus has it
    key: str
    text: str
    #: index in ``INTENTS``
    intent: int
    #: level 0-3
    urgency: int
    #: index in ``SENTIMENT_LABELS``
    sentiment: int
    #: empty where not known
    company: str
    channel: str


class RowSelection:
    """Chooses the rows of a training set and counts what it leaves out.

    Args:
        root: the folder of the corpora.
        config: what goes in.
    """

    def __init__(self, root: Path, config: BuildConfig) -> None:
        self._root = root
        self._config = config
        #: (source, reason) -> rows that were left out
        self.dropped: Counter[tuple[str, str]] = Counter()
        self._measured = (
            *(post.text for name in sorted(MEASURED_ONLY) for post in read_corpus(name, root)),
            *written_measures(),
        )
        #: every text that no auxiliary post may copy
        self._protected: tuple[str, ...] = self._measured

    def labelled(self) -> dict[str, list[Row]]:
        """The splits ``posts_train``, ``posts_added``, ``gate`` and ``test``, without copies.

        Of a copy in two splits the one in ``test`` stays, else the one in ``gate``, else the
        one in ``posts_train``.
        """
        sides: dict[Split, list[Row]] = {split: [] for split in Split}
        for post in self._joined(read_labels()):
            sides[split_of(post)].append(_labelled_row(post))
        self._drop(sides[Split.EXCLUDED], "labelled: names a gate company")
        test = sides[Split.TEST]
        gate = self._without(sides[Split.GATE], _texts(test), "gate: near-copy of test")
        train = self._without(sides[Split.TRAIN], _texts(test), "labelled: near-copy of test")
        train = self._without(train, _texts(gate), "labelled: near-copy of gate")
        train = self._without(train, self._measured, "labelled: near-copy of a measured text")
        added = self._added(_texts([*test, *gate, *train]))
        return {"posts_train": train, "posts_added": added, "gate": gate, "test": test}

    def _added(self, labelled: Sequence[str]) -> list[Row]:
        """Public posts that were labelled to train on, and posts that were written for it."""
        rows: list[Row] = []
        for post in self._joined(read_added_labels()):
            if split_of(post) is Split.TRAIN:
                rows.append(_labelled_row(post))
            else:
                self.dropped[post.source, "added: of a gate company, or names one"] += 1
        for row in written_rows():
            if companies_of(None, row.text) & gate_companies():
                self.dropped[row.source, "added: of a gate company, or names one"] += 1
            else:
                rows.append(row)
        rows = self._without(rows, labelled, "added: near-copy of a labelled post")
        return self._without(rows, self._measured, "added: near-copy of a measured text")

    def auxiliary(self) -> list[Row]:
        """The posts of the auxiliary corpora, without copies of any labelled or measured text.

        Call ``labelled`` first: its texts are the protected ones.
        """
        return self._fresh(self._config.auxiliary, self._usable)

    def unlabelled(self) -> list[Row]:
        """The texts of corpora that are read without labels, without copies in the same sense.

        Call ``labelled`` first, as for ``auxiliary``.
        """
        return self._fresh(self._config.unlabelled, self._texts_of)

    def _fresh(self, names: Sequence[str], usable: Callable[[str], Iterator[Row]]) -> list[Row]:
        """English rows of some corpora, none twice, none a near-copy of a protected text."""
        guard = NearCopyGuard(self._protected)
        kept: list[Row] = []
        seen: set[str] = set()
        for name in sorted(names):
            for batch in _batches(usable(name)):
                texts = [row.text for row in batch]
                foreign = detect(texts, self._config.language_margin).foreign.tolist()
                for row, other_language in zip(batch, foreign, strict=True):
                    reason = "other language" if other_language else _copy(row.text, seen, guard)
                    if reason:
                        self.dropped[name, reason] += 1
                        continue
                    seen.add(normalise(row.text))
                    kept.append(row)
        return kept

    def _joined(self, labels: list[LabelRow]) -> list[LabelledPost]:
        posts = joined_posts(self._root, labels)
        found = {post.id for post in posts}
        self.dropped.update((row.source, "text not found") for row in labels if row.id not in found)
        self._protected += tuple(training_text(post) for post in posts)
        return posts

    def _without(self, rows: Sequence[Row], texts: Sequence[str], reason: str) -> list[Row]:
        kept = set(NearCopyGuard(texts).filter(row.text for row in rows))
        self._drop([row for place, row in enumerate(rows) if place not in kept], reason)
        return [row for place, row in enumerate(rows) if place in kept]

    def _drop(self, rows: Sequence[Row], reason: str) -> None:
        self.dropped.update((row.source, reason) for row in rows)

    def _usable(self, name: str) -> Iterator[Row]:
        """The posts of a corpus that have text, a label, and nothing to do with the gate."""
        for post in read_corpus(name, self._root):
            if "as_filed" in post.native:
                continue
            labels, company = self._labels(post), company_of(post.brand)
            if not normalise(post.text):
                self.dropped[name, "no text"] += 1
            elif labels == Labels():
                self.dropped[name, "no label of ours"] += 1
            elif companies_of(company, post.text) & gate_companies():
                self.dropped[name, "of a gate company, or names one"] += 1
            else:
                yield _row(name, post.text, labels, post.channel, company)

    def _texts_of(self, name: str) -> Iterator[Row]:
        """The texts of a corpus that have words, and nothing to do with the gate."""
        for post in read_corpus(name, self._root):
            company = company_of(post.brand)
            if len(normalise(post.text).split()) < _FEWEST_WORDS:
                self.dropped[name, "unlabelled: hardly any words"] += 1
            elif companies_of(company, post.text) & gate_companies():
                self.dropped[name, "unlabelled: of a gate company, or names one"] += 1
            else:
                yield _row(name, post.text, Labels(), post.channel, company)

    def _labels(self, post: CorpusPost) -> Labels:
        if post.source not in self._config.optional or "label" not in post.native:
            return post.labels
        return labels_of(post.source, *post.native["label"].split("+"), optional=True)


def written_rows() -> list[Row]:
    """The posts that were written for the project."""
    return [_row(WRITTEN, post.text, post.labels, post.channel) for post in load_written()]


def written_measures() -> list[str]:
    """The texts written for the project that measure: behaviour suites and samples."""
    cases = [text for case in load_cases() for text in case.texts]
    return [*cases, *(sample.message.text for sample in load_samples())]


def _labelled_row(post: LabelledPost) -> Row:
    text = training_text(post)
    return _row(post.source, text, post.labels, post.channel, post.company, original=post.text)


def _row(
    source: str,
    text: str,
    labels: Labels,
    channel: str | None,
    company: str | None = None,
    *,
    original: str | None = None,
) -> Row:
    """One row; ``original`` is the text as its corpus has it, where that is another."""
    intent, sentiment = labels.intent, labels.sentiment
    return Row(
        source=source,
        key=text_key(text if original is None else original),
        text=text,
        intent=MASKED if intent is None else INTENTS.index(intent),
        urgency=MASKED if labels.urgency is None else labels.urgency.value,
        sentiment=MASKED if sentiment is None else SENTIMENT_LABELS.index(sentiment),
        company=company or "",
        channel=channel or "",
    )


def _texts(rows: Sequence[Row]) -> list[str]:
    return [row.text for row in rows]


def _copy(text: str, seen: set[str], guard: NearCopyGuard) -> str:
    """Why a text is one too many, or nothing."""
    if normalise(text) in seen:
        return "duplicate"
    if guard.copied(text) is not None:
        return "near-copy of a labelled or measured text"
    return ""


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _LANGUAGE_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
