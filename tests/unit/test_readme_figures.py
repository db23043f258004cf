"""The README's figures are those of the committed reports."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.readme_figures import quality_table, speed_table, tweeteval_line

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.parametrize("made", [quality_table, speed_table, tweeteval_line])
def test_the_figures_stand_in_the_readme(made: Callable[[], str]) -> None:
    assert made() in README.read_text(encoding="utf-8")
