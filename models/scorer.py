"""From text to calibrated scores: the one path that every caller takes.

clean -> tokenize -> ONNX session -> calibrate. A message's scores do not depend on its
neighbours: the session only ever sees batches of messages of exactly equal length in tokens,
so there is no padding and no mask, and every operator of the graph works row by row. What is
left is the order of a kernel's sums in a batch of one; models/README.md says how a graph
avoids that too.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from replyrank.data.cleaning import CLEANING_VERSION
from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS, Review
from replyrank.models import language
from replyrank.models.artefact import MODEL, TOKENIZER, Artefact
from replyrank.models.calibration import apply_calibration
from replyrank.models.config import ModelConfig
from replyrank.models.errors import ArtefactError
from replyrank.models.intake import Intake, take_in
from replyrank.models.scores import Score, ScoreBatch
from replyrank.models.session import INPUT, NEED, SENTIMENT, open_session
from replyrank.models.tokens import PostTokenizer

#: Rows that go through the session at once: see models/README.md for the measurement.
BATCH_ROWS: Final = 16

# Rows that are tokenized and grouped by length at a time: enough that most groups fill their
# batches, few enough that memory stays flat whatever the caller hands over.
_WINDOW_ROWS: Final = 4096

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


class Logits(NamedTuple):
    """What a model says before calibration."""

    #: (n, 16)
    need: npt.NDArray[np.float32]
    #: (n, 3)
    sentiment: npt.NDArray[np.float32]


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
    def logits(self, texts: Sequence[str]) -> Logits:
        """Raw logits of n cleaned posts; what calibration is fitted on."""

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
        intake = take_in(texts, self._config.thresholds.language_margin)
        return self._assemble(intake, self.logits(intake.texts))

    def score(self, texts: Sequence[object]) -> list[Score]:
        """Score n texts as objects, in the order given; see ``score_batch``."""
        return list(self.score_batch(texts))

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

    def logits(self, texts: Sequence[str]) -> Logits:
        """Raw logits of n cleaned posts."""
        need = np.empty((len(texts), NEED_CELLS), dtype=np.float32)
        sentiment = np.empty((len(texts), len(SENTIMENT_LABELS)), dtype=np.float32)
        for start in range(0, len(texts), _WINDOW_ROWS):
            stop = start + _WINDOW_ROWS
            self._fill(texts[start:stop], Logits(need[start:stop], sentiment[start:stop]))
        return Logits(need, sentiment)

    def _fill(self, texts: Sequence[str], out: Logits) -> None:
        """Write the logits of one window into ``out``."""
        ids = self._tokenize(texts)

        def run(rows: list[int]) -> None:
            batch = np.array([ids[row] for row in rows], dtype=self._id_type)
            need, sentiment = self._session.run([NEED, SENTIMENT], {INPUT: batch})
            out.need[rows] = need
            out.sentiment[rows] = sentiment

        batches = _equal_length_batches(ids, self._batch_rows)
        if self._threads == 1 or len(batches) == 1:
            for rows in batches:
                run(rows)
            return
        with ThreadPoolExecutor(min(self._threads, len(batches))) as pool:
            # Asking for every result is what raises an error of a thread here.
            for _ in pool.map(run, batches):
                pass

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        # A parallel call runs on every core of the machine, whatever ``threads`` says.
        return self._tokenizer.ids(texts, parallel=self._threads > 1)


def _equal_length_batches(ids: Sequence[Sequence[int]], batch_rows: int) -> list[list[int]]:
    """Rows grouped by length, at most ``batch_rows`` together; the longest first.

    Long batches first: the threads then end at about the same time.
    """
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for row, sequence in enumerate(ids):
        groups[len(sequence)].append(row)
    return [
        rows[start : start + batch_rows]
        for _, rows in sorted(groups.items(), reverse=True)
        for start in range(0, len(rows), batch_rows)
    ]


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
