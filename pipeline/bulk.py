"""Scoring files: read, score and write in windows, in the order of the input."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from replyrank.data.errors import UsageError
from replyrank.data.readers import (
    STANDARD_STREAM,
    Added,
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
from replyrank.data.readers.targets import appears_whole, move
from replyrank.models.scorer import Scorer
from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.errors import DiskError
from replyrank.pipeline.parts import Parts, left_words, open_parts
from replyrank.pipeline.rejects import Rejects
from replyrank.pipeline.score_columns import score_columns

_REJECTS_SUFFIX: Final = ".rejects.jsonl"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    rows: int
    #: since the first row was scored that no earlier run had scored
    seconds: float
    #: of the input, 0 to 1; None where its size is not known
    fraction: float | None
    #: rows that an earlier run had scored, and the fraction of the input that they are
    rows_before: int = 0
    fraction_before: float = 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows that this run scored by the time that it took."""
        return (self.rows - self.rows_before) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None where that, or the size, is not known."""
        if self.fraction is None or self.fraction <= self.fraction_before:
            return None
        return self.seconds * (1 - self.fraction) / (self.fraction - self.fraction_before)


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
    #: of the rows scored: had their scores from an earlier run that was stopped
    resumed: int
    #: reason -> rows that a person should look at
    reviews: dict[str, int]
    #: whether the input was read to its end
    complete: bool
    seconds: float
    #: without those of an earlier run
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
    Memory does not grow with the file. The target appears when it is complete, or not at all. A
    run that was stopped goes on when it is called again, with the same result as if it had not
    been (``parts``).

    Args:
        source: a path, or ``-`` for stdin (then ``options.read.format`` says what it is), or a
            folder of Parquet files.
        target: a path, or ``-`` for stdout (then ``options.write.format`` says what it is); of a
            folder, a name without the suffix of a format is a folder with the same files.
        scorer: gives the scores.
        options: how.

    Raises:
        UsageError: if the source cannot be read or has no text column, or the target or the
            report is there already, is the source, or cannot be written; or if what an earlier
            run left is of another model or input.
        DiskError: if a file could not be read or written to its end.
        OSError: if stdout, a pipe or a device could not.
    """
    options = options or BulkOptions()
    try:
        return _scored(source, target, scorer, options)
    except OSError as error:
        if not appears_whole(target):
            raise
        reason = error.strerror or str(error)
        message = f"{error.filename or target}: {reason}; {left_words(target)}, once that is mended"
        raise DiskError(message) from error


def _scored(
    source: str | Path, target: str | Path, scorer: Scorer, options: BulkOptions
) -> BulkSummary:
    report = _rejects_path(source, target, options)
    is_folder = Path(source).is_dir()
    if is_folder and Path(source).resolve() in Path(target).resolve().parents:
        message = f"{str(target)!r} is inside the folder that is read; give a place outside"
        raise UsageError(message)
    rereadable = not is_folder and format_of(target, options.write.format) is not Format.JSONL
    # Left in the opposite order: the output appears, then the report, then the parts go.
    with (
        open_source(source, options.read, rereadable=rereadable) as opened,
        open_parts(target, scorer.config) as parts,
    ):
        if parts is not None and (done := parts.finished()) is not None:
            return _finished(BulkSummary(**done), report, parts)
        with (
            _open_rejects(report, parts, options) as rejects,
            open_writer(
                target,
                opened,
                score_types(),
                options.write,
                part=None if parts is None else parts.output,
            ) as writer,
            _threads() as pool,
        ):
            run = _Run(scorer, writer, rejects, parts, options)
            run.tell(writer.notices)
            run.all_windows(opened, pool)
            summary = run.summary()
            if parts is not None:
                rejects.flush()
                parts.finish(summary.as_dict())
    return summary


@contextmanager
def _threads() -> Generator[ThreadPoolExecutor]:
    """One thread to read ahead and one to write behind."""
    pool = ThreadPoolExecutor(2, thread_name_prefix="bulk")
    try:
        yield pool
    except Exception:
        pool.shutdown(cancel_futures=True)
        raise
    except BaseException:
        # Who ends the process does not wait for a pipe that has nothing to read.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _finished(summary: BulkSummary, report: Path | None, parts: Parts) -> BulkSummary:
    """Do what a run had left to do that was killed between its output and its end."""
    if report is not None:
        if summary.rejects is None:
            report.unlink(missing_ok=True)
        elif parts.report.exists():
            move(parts.report, report)
    return summary


class _Run:
    def __init__(
        self,
        scorer: Scorer,
        writer: Writer,
        rejects: Rejects,
        parts: Parts | None,
        options: BulkOptions,
    ) -> None:
        self._scorer = scorer
        self._writer = writer
        self._rejects = rejects
        self._parts = parts
        self._options = options
        self._scored = self._rejected = self._notices = self._resumed = 0
        self._complete = True
        self._reviews = Counter[str]()
        self._began = self._began_scoring = time.perf_counter()
        self._fraction_before = 0.0

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
        windows, number = _with_fraction(source, self._options.window), 0
        reading = pool.submit(next, windows, None)
        writing: Future[None] | None = None
        try:
            while (item := reading.result()) is not None:
                window, fraction = item
                reading = pool.submit(next, windows, None)
                self.tell(window.problems)
                self.tell(window.text_notices())
                columns = self._columns(number, window) if len(window) else None
                # Before the next is handed over: at most one window waits to be written.
                if writing is not None:
                    writing.result()
                writing = (
                    None if columns is None else pool.submit(self._writer.write, window, columns)
                )
                number += 1
                self._report(fraction)
        finally:
            # Whatever happens, the writer is closed by nobody while it writes.
            if writing is not None:
                wait([writing])
        if writing is not None:
            writing.result()

    def _columns(self, number: int, window: Window) -> Added:
        """Find the scores of a window among the parts, or make them and keep them there."""
        self._scored += len(window)
        columns = self._parts.find(number, window.texts) if self._parts is not None else None
        if columns is not None:
            self._resumed += len(window)
        else:
            columns = score_columns(self._score(window))
            if self._parts is not None:
                self._parts.keep(number, window.texts, columns)
        self._reviews.update(str(review) for review in columns["review"] if review is not None)
        return columns

    def _score(self, window: Window) -> ScoreBatch:
        if self._options.deduplicate:
            return score_distinct(self._scorer, window.texts)
        return self._scorer.score_batch(window.texts)

    def _report(self, fraction: float | None) -> None:
        rows = self._scored + self._rejected
        if self._scored == self._resumed:
            # What an earlier run did says nothing of the pace.
            self._began_scoring, self._fraction_before = time.perf_counter(), fraction or 0.0
        if self._options.on_progress is not None:
            seconds = time.perf_counter() - self._began_scoring
            progress = Progress(rows, seconds, fraction, self._resumed, self._fraction_before)
            self._options.on_progress(progress)

    def summary(self) -> BulkSummary:
        seconds = time.perf_counter() - self._began
        rows = self._scored + self._rejected
        return BulkSummary(
            rows=rows,
            scored=self._scored,
            rejected=self._rejected,
            notices=self._notices,
            resumed=self._resumed,
            reviews=dict(sorted(self._reviews.items())),
            complete=self._complete,
            seconds=round(seconds, 3),
            rows_per_second=round((rows - self._resumed) / seconds, 1),
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
        sentiment_shares=batch.sentiment_shares,
    )


def _with_fraction(source: Source, size: int) -> Iterator[tuple[Window, float | None]]:
    for window in source.windows(size):
        yield window, source.fraction()


def _open_rejects(report: Path | None, parts: Parts | None, options: BulkOptions) -> Rejects:
    # A name of our own making holds what an earlier run left; any other file is the user's.
    force = options.rejects is None or options.write.force
    return Rejects(report, force=force, part=None if parts is None else parts.report)


def _rejects_path(source: str | Path, target: str | Path, options: BulkOptions) -> Path | None:
    if options.rejects is not None:
        report = options.rejects.resolve()
        for other in (source, target):
            if str(other) != STANDARD_STREAM and report == Path(other).resolve():
                message = f"the report of rows left out would replace {str(other)!r}; "
                raise UsageError(message + "name another file")
        if Path(target).is_dir() and Path(target).resolve() in report.parents:
            message = f"the report of rows left out would stand in {str(target)!r}; "
            raise UsageError(message + "name a file elsewhere")
        return options.rejects
    if not appears_whole(target):
        return None
    path = Path(target)
    if path.name in ("", ".."):
        path = path.resolve()
    return path.with_name(path.name + _REJECTS_SUFFIX) if path.name else None
