"""Scoring files: read, score and write in windows, in the order of the input."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from replyrank.data.errors import UsageError
from replyrank.data.readers import (
    STANDARD_STREAM,
    BadRow,
    Format,
    Problem,
    ReadOptions,
    Source,
    Window,
    WriteOptions,
    Writer,
    format_of,
    open_source,
    open_writer,
    score_types,
)
from replyrank.models.scorer import Scorer
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.rejects import Rejects
from replyrank.pipeline.score_columns import score_columns

_REJECTS_SUFFIX: Final = ".rejects.jsonl"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    rows: int
    seconds: float
    #: of the input, 0 to 1; None where its size is not known
    fraction: float | None

    @property
    def rows_per_second(self) -> float:
        """Rows by the time so far."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None where the size is not known."""
        if not self.fraction:
            return None
        return self.seconds * (1 - self.fraction) / self.fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOptions:
    """How a file is scored."""

    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)
    #: rows that are scored at once; at most about four windows are in memory
    window: int = 4096
    #: whether a text that repeats within a window is scored once
    deduplicate: bool = True
    #: report of rows left out and read with doubt; None: the target's name + .rejects.jsonl
    rejects: Path | None = None
    #: called after each window, in the thread of the caller
    on_progress: Callable[[Progress], None] | None = None
    #: called for each row left out or read with doubt, in the thread of the caller
    on_problem: Callable[[Problem], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkSummary:
    """What a run did."""

    #: read: scored and rejected
    rows: int
    scored: int
    #: left out of the output: they could not be read
    rejected: int
    #: notices: nothing was lost, but something was read with doubt or replaced
    notices: int
    #: reason -> rows that a person should look at
    reviews: dict[str, int]
    #: whether the input was read to its end
    complete: bool
    seconds: float
    rows_per_second: float
    model: str
    #: the report of rejected rows and notices, where there was any and a place for it
    rejects: str | None

    def as_dict(self) -> dict[str, object]:
        """The fields by name, fit for JSON."""
        return asdict(self)


def score_file(
    source: str | Path, target: str | Path, scorer: Scorer, options: BulkOptions | None = None
) -> BulkSummary:
    """Score each row of a file and write it, with the score columns, in the same order.

    Reading ahead and writing behind go on in threads of their own while a window is scored.
    Memory does not grow with the file. The target appears when it is complete, or not at all.

    Args:
        source: a path, or ``-`` for stdin (then ``options.read.format`` says what it is).
        target: a path, or ``-`` for stdout (then ``options.write.format`` says what it is).
        scorer: gives the scores.
        options: how.

    Raises:
        UsageError: if the source cannot be read or has no text column, or the target or the
            report is there already, is the source, or cannot be written.
    """
    options = options or BulkOptions()
    report = _rejects_path(source, target, options)
    # A name of our own making holds what an earlier run left; any other file is the user's.
    replace = options.rejects is None or options.write.force
    rereadable = format_of(target, options.write.format) is not Format.JSONL
    with (
        open_source(source, options.read, rereadable=rereadable) as opened,
        Rejects(report, force=replace) as rejects,
        open_writer(target, opened, score_types(), options.write) as writer,
        ThreadPoolExecutor(2, thread_name_prefix="bulk") as pool,
    ):
        run = _Run(scorer, writer, rejects, options)
        run.tell(writer.notices)
        run.all_windows(opened, pool)
    return run.summary()


class _Run:
    def __init__(
        self, scorer: Scorer, writer: Writer, rejects: Rejects, options: BulkOptions
    ) -> None:
        self._scorer = scorer
        self._writer = writer
        self._rejects = rejects
        self._options = options
        self._scored = self._rejected = self._notices = 0
        self._complete = True
        self._reviews = Counter[str]()
        self._began = time.perf_counter()

    def tell(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            if isinstance(problem, BadRow):
                self._rejected += problem.count
                self._complete = self._complete and not problem.is_end
            else:
                self._notices += 1
            self._rejects.add(problem)
            if self._options.on_problem is not None:
                self._options.on_problem(problem)

    def all_windows(self, source: Source, pool: ThreadPoolExecutor) -> None:
        windows = _with_fraction(source, self._options.window)
        reading = pool.submit(next, windows, None)
        writing: Future[None] | None = None
        while (item := reading.result()) is not None:
            window, fraction = item
            reading = pool.submit(next, windows, None)
            self.tell(window.problems)
            self.tell(window.text_notices())
            batch = self._score(window) if len(window) else None
            # Before the next is handed over: at most one window waits to be written.
            if writing is not None:
                writing.result()
            writing = None if batch is None else pool.submit(self._write, window, batch)
            self._report(fraction)
        if writing is not None:
            writing.result()

    def _score(self, window: Window) -> ScoreBatch:
        if self._options.deduplicate:
            batch = score_distinct(self._scorer, window.texts)
        else:
            batch = self._scorer.score_batch(window.texts)
        self._scored += len(batch)
        self._reviews.update(review.value for review in batch.review if review is not None)
        return batch

    def _write(self, window: Window, batch: ScoreBatch) -> None:
        self._writer.write(window, score_columns(batch))

    def _report(self, fraction: float | None) -> None:
        if self._options.on_progress is not None:
            seconds = time.perf_counter() - self._began
            rows = self._scored + self._rejected
            self._options.on_progress(Progress(rows, seconds, fraction))

    def summary(self) -> BulkSummary:
        seconds = time.perf_counter() - self._began
        rows = self._scored + self._rejected
        return BulkSummary(
            rows=rows,
            scored=self._scored,
            rejected=self._rejected,
            notices=self._notices,
            reviews=dict(sorted(self._reviews.items())),
            complete=self._complete,
            seconds=round(seconds, 3),
            rows_per_second=round(rows / seconds, 1),
            model=self._scorer.config.name,
            rejects=self._rejects.written,
        )


def score_distinct(scorer: Scorer, texts: Sequence[object]) -> ScoreBatch:
    """Score n texts in the order given, one that repeats only once.

    A message's scores do not depend on its neighbours, so the result is the same.
    """
    places: dict[str, int] = {}
    distinct: list[object] = []
    rows = np.empty(len(texts), np.intp)
    for row, text in enumerate(texts):
        # What is no text may have no hash; there is little of it.
        place = places.setdefault(text, len(distinct)) if isinstance(text, str) else len(distinct)
        if place == len(distinct):
            distinct.append(text)
        rows[row] = place
    if len(distinct) == len(texts):
        return scorer.score_batch(texts)
    batch = scorer.score_batch(distinct)
    order = rows.tolist()
    return ScoreBatch(
        need=batch.need[rows],
        p_sentiment=batch.p_sentiment[rows],
        language=tuple(batch.language[place] for place in order),
        review=tuple(batch.review[place] for place in order),
        model=batch.model,
    )


def _with_fraction(source: Source, size: int) -> Iterator[tuple[Window, float | None]]:
    for window in source.windows(size):
        yield window, source.fraction()


def _rejects_path(source: str | Path, target: str | Path, options: BulkOptions) -> Path | None:
    if options.rejects is not None:
        for other in (source, target):
            if str(other) != STANDARD_STREAM and options.rejects.resolve() == Path(other).resolve():
                message = f"the report of rows left out would replace {str(other)!r}; "
                raise UsageError(message + "name another file")
        return options.rejects
    path = Path(target)
    if str(target) == STANDARD_STREAM or (path.exists() and not path.is_file()):
        return None
    return path.with_name(path.name + _REJECTS_SUFFIX)
