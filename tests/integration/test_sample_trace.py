"""The sample trace is what its program makes."""

from replyrank.data.samples.load import sample_path
from tests.benchmarks.sample_trace import content


def test_the_sample_trace_is_made_by_its_program() -> None:
    with sample_path("trace.csv") as path:
        assert path.read_text(encoding="utf-8") == content()
