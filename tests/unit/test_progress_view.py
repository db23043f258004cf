"""The progress bar shows pace and remaining time on a terminal, and nothing in a pipe."""

import io

import pytest
from rich.console import Console

from replyrank.data.readers import Notice
from replyrank.pipeline.bulk import Progress
from replyrank.serving.commands.problems import ProblemPrinter
from replyrank.serving.progress_view import clock, pace, progress_bar


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(12_000, 8.0, 0.25), "12,000 rows, 1,500 rows/s, 0:24 left"),
        (Progress(12_000, 8.0, None), "12,000 rows, 1,500 rows/s"),
        (Progress(0, 0.0, 0.0), "0 rows, 0 rows/s"),
        (Progress(900, 3.0, 1.0), "900 rows, 300 rows/s, 0:00 left"),
    ],
)
def test_pace(progress: Progress, words: str) -> None:
    assert pace(progress) == words


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0:00"), (59.6, "1:00"), (65, "1:05"), (3_599, "59:59"), (7_400, "2:03:20")],
)
def test_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_in_a_pipe_nothing_is_called_and_nothing_printed() -> None:
    out = io.StringIO()
    with progress_bar(Console(file=out)) as show:
        assert show is None
    assert out.getvalue() == ""


def test_on_a_terminal_the_bar_shows_the_pace() -> None:
    out = io.StringIO()
    with progress_bar(Console(file=out, force_terminal=True, width=100)) as show:
        assert show is not None
        show(Progress(12_000, 8.0, 0.25))
    assert "25%" in out.getvalue()
    assert "12,000 rows, 1,500 rows/s, 0:24 left" in out.getvalue()


def test_a_notice_stands_on_a_line_of_its_own_beside_the_bar() -> None:
    out = io.StringIO()
    told = ProblemPrinter()
    with progress_bar(Console(file=out, force_terminal=True, width=100)) as show:
        assert show is not None
        show(Progress(12_000, 8.0, 0.25))
        told(Notice("the text is long", line=7))
    before, _, _ = out.getvalue().partition("line 7: the text is long")
    # The bar was wiped away first: back to the beginning of its line, and that erased.
    assert before.endswith("\r\x1b[2K")
