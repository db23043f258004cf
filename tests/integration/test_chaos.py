"""The store killed at random moments, a few times; the benchmark does it a thousand times."""

import sys

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")
if sys.platform == "win32":
    pytest.skip("there is no fork here", allow_module_level=True)

from tests.benchmarks.chaos import chaos


def test_nothing_acknowledged_is_lost(url: str) -> None:
    found = chaos(url, kills=50, seed=7)
    assert found.pop("kills") == 50
    assert found.pop("acknowledged") > 1_000
    assert set(found.values()) == {0}, found
