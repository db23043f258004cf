"""The README's figures are those of the committed reports."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.labels import agreement_table
from tests.benchmarks.readme_figures import (
    quality_table,
    replay_table,
    speed_table,
    tweeteval_line,
    unseen_line,
    unseen_table,
)
from tests.benchmarks.reporting import REPORTS

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


@pytest.mark.parametrize(
    "made", [quality_table, replay_table, speed_table, tweeteval_line, unseen_line, unseen_table]
)
def test_the_figures_stand_in_the_readme(made: Callable[[], str]) -> None:
    assert made() in README.read_text(encoding="utf-8")


def test_the_agreement_of_the_added_labels_is_measured() -> None:
    pytest.importorskip("sklearn", reason="kappa needs the extra train")
    table = agreement_table()
    assert table in (ROOT / "data/labels/README.md").read_text(encoding="utf-8")
    assert table in (REPORTS / "labels.md").read_text(encoding="utf-8")
