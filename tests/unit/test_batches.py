"""Rows of token ids go through in batches of equal length, and come back in their order."""

import threading

import numpy as np
import pytest

from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS
from replyrank.models.batches import EqualLengthBatches, IntArray, Logits


class Graph:
    """Says of a row its first id; remembers what it was asked."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.threads = set[int]()
        self._fails_at = fails_at

    def __call__(self, ids: IntArray) -> Logits:
        self.shapes.append(ids.shape)
        self.threads.add(threading.get_ident())
        if self._fails_at is not None and self._fails_at in ids[:, 0]:
            message = "no memory"
            raise RuntimeError(message)
        first = ids[:, :1].astype(np.float32)
        return Logits(
            np.repeat(first, NEED_CELLS, axis=1), np.repeat(first, len(SENTIMENT_LABELS), axis=1)
        )


def rows(count: int) -> list[list[int]]:
    """Rows that begin with their number and have from one to seven ids."""
    return [[number] * (1 + number % 7) for number in range(count)]


def logits(graph: Graph, chunks: list[list[list[int]]], *, threads: int, most: int = 4) -> Logits:
    with EqualLengthBatches(
        graph, rows=most, tokens=1_000, threads=threads, id_type=np.int64
    ) as batches:
        for chunk in chunks:
            batches.add(chunk)
        return batches.finish()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 10, 5_000])
def test_order_is_kept_whatever_the_chunks(threads: int, size: int) -> None:
    given, graph = rows(1_000), Graph()
    chunks = [given[start : start + size] for start in range(0, len(given), size)]
    found = logits(graph, chunks, threads=threads)
    assert found.need[:, 0].tolist() == list(range(1_000))
    assert found.sentiment[:, -1].tolist() == list(range(1_000))
    assert sum(count for count, _ in graph.shapes) == 1_000
    # At most one batch of each length is not full.
    assert sum(count < 4 for count, _ in graph.shapes) <= 7
    assert max(count for count, _ in graph.shapes) == 4


def test_long_rows_go_fewer_at_a_time() -> None:
    graph = Graph()
    given = [[number] * length for length in (1, 4, 6, 30) for number in range(8)]
    with EqualLengthBatches(graph, rows=4, tokens=12, threads=1, id_type=np.int64) as batches:
        batches.add(given)
        assert batches.finish().need[:, 0].tolist() == [*range(8)] * 4
    assert sorted(graph.shapes) == sorted(
        [(4, 1)] * 2 + [(3, 4)] * 2 + [(2, 4)] + [(2, 6)] * 4 + [(1, 30)] * 8
    )


def test_one_thread_runs_in_the_callers() -> None:
    graph = Graph()
    logits(graph, [rows(50)], threads=1)
    assert graph.threads == {threading.get_ident()}


def test_what_is_one_batch_needs_no_other_thread() -> None:
    graph = Graph()
    logits(graph, [[[1, 2, 3]]], threads=4)
    assert graph.threads == {threading.get_ident()}
    assert graph.shapes == [(1, 3)]


def test_nothing_gives_nothing() -> None:
    found = logits(Graph(), [[]], threads=2)
    assert found.need.shape == (0, NEED_CELLS)
    assert found.sentiment.shape == (0, len(SENTIMENT_LABELS))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_a_batch_reaches_the_caller(threads: int) -> None:
    with pytest.raises(RuntimeError, match="no memory"):
        logits(Graph(fails_at=13), [rows(400)], threads=threads)
