"""From text to calibrated scores: the one path that every caller takes.

clean -> tokenize -> ONNX session -> calibrate. Many texts go through it chunk by chunk, so that the
session works while the next chunk is cleaned. A message's scores do not depend on its
neighbours: the session only ever sees batches of messages of exactly equal length in tokens,
so there is no padding and no mask, and every operator of the graph works row by row. What is
left is the order of a kernel's sums in a batch of one; models/README.md says how a graph
avoids that too.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np

from replyrank.data.cleaning import CLEANING_VERSION
from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS, Review
from replyrank.models import language
from replyrank.models.artefact import MODEL, TOKENIZER, Artefact
from replyrank.models.batches import EqualLengthBatches, IntArray, Logits
from replyrank.models.calibration import apply_calibration
from replyrank.models.config import ModelConfig
from replyrank.models.errors import ArtefactError
from replyrank.models.intake import Intake, joined, take_in
from replyrank.models.scores import Score, ScoreBatch
from replyrank.models.session import INPUT, NEED, SENTIMENT, open_session
from replyrank.models.tokens import PostTokenizer

#: Rows that go through the session at once.
BATCH_ROWS: Final = 16
#: Tokens that do: what a session needs grows with them, and it keeps what it once needed.
_BATCH_TOKENS: Final = 1_024

# Rows that are cleaned and tokenized at a time: few enough that the session soon has work.
_CHUNK_ROWS: Final = 256

_ID_TYPES: Final[dict[str, type[np.signedinteger[Any]]]] = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class Scorer(Protocol):
    """What every caller of a model sees."""

    @property
    def config(self) -> ModelConfig:
        """What the artefact says of itself."""
        ...

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        """Score n texts as columns, in the order given."""
        ...

    def score(self, texts: Sequence[object]) -> list[Score]:
        """Score n texts as objects, in the order given."""
        ...


class TextScorer(ABC):
    """The part of the path that all kinds of model share; a kind adds its ``logits``."""

    def __init__(self, config: ModelConfig) -> None:
        """Take the configuration of an artefact whose texts are cleaned as they are here."""
        if config.cleaning != CLEANING_VERSION:
            message = (
                f"model {config.name} was trained on texts cleaned by version {config.cleaning}; "
                f"this replyrank cleans by version {CLEANING_VERSION}: use a matching artefact"
            )
            raise ArtefactError(message)
        self._config = config
        # The language model is loaded now, so that no message waits for it.
        language.load()

    @property
    def config(self) -> ModelConfig:
        """What the artefact says of itself."""
        return self._config

    @abstractmethod
    def logits_of(self, chunks: Iterable[Sequence[str]]) -> Logits:
        """Raw logits of all cleaned posts of some chunks, in their order."""

    def logits(self, texts: Sequence[str]) -> Logits:
        """Raw logits of n cleaned posts; what calibration is fitted on."""
        return self.logits_of(
            texts[start : start + _CHUNK_ROWS] for start in range(0, len(texts), _CHUNK_ROWS)
        )

    def score_batch(self, texts: Sequence[object]) -> ScoreBatch:
        """Score n texts as columns, in the order given.

        A row that cannot be scored (not text, empty, surely not English) gets the artefact's
        priors and a reason in ``review``; it never raises.

        Raises:
            TypeError: if ``texts`` is one text, which would be scored letter by letter.
        """
        if isinstance(texts, str | bytes):
            message = f"texts is one {type(texts).__name__}; give a list of texts: score([text])"
            raise TypeError(message)
        taken = list[Intake]()
        logits = self.logits_of(self._cleaned(texts, taken))
        return self._assemble(joined(taken), logits)

    def score(self, texts: Sequence[object]) -> list[Score]:
        """Score n texts as objects, in the order given; see ``score_batch``."""
        return list(self.score_batch(texts))

    def _cleaned(self, texts: Sequence[object], taken: list[Intake]) -> Iterator[list[str]]:
        """The cleaned texts of each chunk that can be scored; what was taken in is kept."""
        margin = self._config.thresholds.language_margin
        for start in range(0, len(texts), _CHUNK_ROWS):
            taken.append(take_in(texts[start : start + _CHUNK_ROWS], margin))
            yield taken[-1].texts

    def _assemble(self, intake: Intake, logits: Logits) -> ScoreBatch:
        config, n = self._config, len(intake.review)
        need = np.tile(np.asarray(config.priors.need, dtype=np.float64), (n, 1))
        sentiment = np.tile(np.asarray(config.priors.sentiment, dtype=np.float64), (n, 1))
        need[intake.rows] = apply_calibration(logits.need, config.calibration.need)
        sentiment[intake.rows] = apply_calibration(logits.sentiment, config.calibration.sentiment)
        batch = ScoreBatch(
            need=need,
            p_sentiment=sentiment,
            language=tuple(intake.language),
            review=tuple(intake.review),
            model=config.name,
            sentiment_shares=config.priors.sentiment,
        )
        unsure = batch.p_intent.max(axis=1, initial=0) < config.thresholds.low_confidence
        review = list(intake.review)
        for row in intake.rows:
            if unsure[row]:
                review[row] = Review.LOW_CONFIDENCE
        return replace(batch, review=tuple(review))


class OnnxScorer(TextScorer):
    """Scores posts by an ONNX graph; safe to share between threads."""

    def __init__(
        self, artefact: Artefact, *, threads: int = 1, batch_rows: int = BATCH_ROWS
    ) -> None:
        """Open the graph and the tokenizer of a verified artefact.

        Args:
            artefact: what ``verify`` returned.
            threads: how many batches run at the same time.
            batch_rows: the most rows of one batch.

        Raises:
            ArtefactError: if either file does not hold what this version needs.
        """
        super().__init__(artefact.config)
        if threads < 1 or batch_rows < 1:
            message = f"threads {threads} and batch_rows {batch_rows} must both be at least 1"
            raise ValueError(message)
        self._threads = threads
        self._batch_rows = batch_rows
        self._session = _open_graph(artefact)
        self._id_type = _check_signature(self._session, artefact)
        self._tokenizer = _open_tokenizer(artefact)

    def logits_of(self, chunks: Iterable[Sequence[str]]) -> Logits:
        """Raw logits of all cleaned posts of some chunks, in their order."""
        with EqualLengthBatches(
            self._run,
            rows=self._batch_rows,
            tokens=_BATCH_TOKENS,
            threads=self._threads,
            id_type=self._id_type,
        ) as batches:
            for texts in chunks:
                batches.add(self._tokenize(texts))
            return batches.finish()

    def _run(self, ids: IntArray) -> Logits:
        return Logits(*self._session.run([NEED, SENTIMENT], {INPUT: ids}))

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        # A parallel call runs on every core of the machine, whatever ``threads`` says.
        return self._tokenizer.ids(texts, parallel=self._threads > 1)


def _open_graph(artefact: Artefact) -> Any:
    path = artefact.path(MODEL)
    try:
        return open_session(path)
    except Exception as error:  # the runtime's exceptions share no base class
        message = f"{path} does not open as an ONNX graph: {error}; build the artefact again"
        raise ArtefactError(message) from error


def _check_signature(session: Any, artefact: Artefact) -> type[np.signedinteger[Any]]:
    """Check names and widths; returns the type of the graph's token ids."""
    inputs = {item.name: item.type for item in session.get_inputs()}
    outputs = {item.name: item.shape[-1] for item in session.get_outputs()}
    expected = {NEED: NEED_CELLS, SENTIMENT: len(SENTIMENT_LABELS)}
    id_type = _ID_TYPES.get(inputs.get(INPUT, ""))
    if list(inputs) != [INPUT] or id_type is None or outputs != expected:
        message = (
            f"{artefact.path(MODEL)} takes {inputs} and gives {outputs}; replyrank needs the one "
            f"input {INPUT} of int64 or int32 and the outputs {expected}: export it again"
        )
        raise ArtefactError(message)
    return id_type


def _open_tokenizer(artefact: Artefact) -> PostTokenizer:
    path = artefact.path(TOKENIZER)
    try:
        return PostTokenizer.from_file(path, artefact.config.max_tokens)
    except Exception as error:  # the library raises Exception itself
        message = f"{path} does not open as a tokenizer: {error}; build the artefact again"
        raise ArtefactError(message) from error
