"""A progress bar for long work: on a terminal only."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from replyrank.pipeline.bulk import Progress as BulkProgress


def pace(progress: BulkProgress) -> str:
    """Rows so far, rows a second, and the time that is left where it is known."""
    words = f"{progress.rows:,} rows, {progress.rows_per_second:,.0f} rows/s"
    left = progress.seconds_left
    return words if left is None else f"{words}, {clock(left)} left"


def clock(seconds: float) -> str:
    """A span of time as ``1:05`` or ``2:03:20``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def progress_bar(console: Console) -> Generator[Callable[[BulkProgress], None] | None]:
    """What to call with every step of a run; None where no person watches."""
    if not console.is_terminal:
        yield None
        return
    bar = Progress(
        TextColumn("scoring"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[pace]}"),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("scoring", total=None, pace=Text(""))

        def show(progress: BulkProgress) -> None:
            total = None if progress.fraction is None else 1.0
            bar.update(task, total=total, completed=progress.fraction or 0.0, pace=pace(progress))

        yield show
