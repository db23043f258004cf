"""Batches: every row once an epoch, by a seed, little padding, the right tensors."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch", reason="batches need torch (extra train)")

import torch

from replyrank.training.batches import TokenisedRows, label_cells, pad
from replyrank.training.config import StageConfig
from replyrank.training.rows import TrainingRows
from tests.encoders import VOCABULARY, tiny_tokenizer, toy_rows


def _tokenised(n_each: int = 30) -> TokenisedRows:
    return TokenisedRows(toy_rows(n_each), tiny_tokenizer())


def _row(text: str, intent: int = -1, urgency: int = -1, sentiment: int = -1) -> TrainingRows:
    return TrainingRows((text,), np.array([intent]), np.array([urgency]), np.array([sentiment]))


@pytest.mark.parametrize("batch_size", [1, 7, 32, 1_000])
def test_an_epoch_holds_every_row_once(batch_size: int) -> None:
    batches = _tokenised().batch_rows(batch_size, seed=4)
    assert sorted(row for rows in batches for row in rows) == list(range(150))
    assert max(map(len, batches)) == min(batch_size, 150)


def test_the_seed_decides_the_order() -> None:
    rows = _tokenised()
    assert rows.batch_rows(8, seed=4) == rows.batch_rows(8, seed=4)
    assert rows.batch_rows(8, seed=4) != rows.batch_rows(8, seed=5)


def test_a_batch_holds_rows_of_like_length_but_batches_come_in_any_order() -> None:
    rows = _tokenised()
    lengths = [[len(rows.tokens[row]) for row in batch] for batch in rows.batch_rows(10, seed=4)]
    # Sorted into one pool, batches overlap in a length at most.
    ordered = sorted(lengths, key=lambda batch: (min(batch), max(batch)))
    assert all(max(one) <= min(next_one) for one, next_one in pairwise(ordered))
    assert lengths != ordered


def test_batch_tensors() -> None:
    rows = TrainingRows.concatenate(
        [_row("fire &amp; danger", 0, 3, 0), _row("it", urgency=1), _row("the best day", 1, 0, 2)]
    )
    batch = TokenisedRows(rows, tiny_tokenizer(), critical_weight=2.5).batch([1, 0])
    number = VOCABULARY.index
    start, end = number("[CLS]"), number("[SEP]")
    # The text is cleaned first: "&amp;" is one character that the tokenizer does not know.
    assert batch.input_ids.tolist() == [
        [start, number("it"), end, 0, 0],
        [start, number("fire"), number("[UNK]"), number("danger"), end],
    ]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch.cells[0].nonzero().flatten().tolist() == [1, 5, 9, 13]
    assert batch.cells[1].nonzero().flatten().tolist() == [3]
    assert batch.sentiment.tolist() == [-1, 0]
    assert batch.weight.tolist() == [1.0, 2.5]


def test_pad() -> None:
    ids, mask = pad([[5], [6, 7, 8]])
    assert ids.tolist() == [[5, 0, 0], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert ids.dtype == torch.int64


def test_label_cells_agree_with_the_labels() -> None:
    rows = toy_rows(2)
    cells = label_cells(rows)
    assert cells.shape == (10, 16)
    assert cells.argmax(dim=1).tolist() == (rows.intent * 4 + rows.urgency).tolist()
    assert cells.sum(dim=1).tolist() == [1.0] * 10


def _changing(brand_swap: float = 0.0, misspelling: float = 0.0) -> StageConfig:
    return StageConfig(epochs=1, learning_rate=1e-3, brand_swap=brand_swap, misspelling=misspelling)


def test_misspellings_change_tokens() -> None:
    rows = TokenisedRows(
        TrainingRows.concatenate([_row("please answer"), _row("nothing works")]), tiny_tokenizer()
    )
    before = list(rows.tokens)
    seeds = range(20)
    for seed in seeds:
        rows.change(_changing(misspelling=1.0), seed)
        if rows.tokens != before:
            break
    else:
        pytest.fail(f"no seed of {len(seeds)} misspells anything")
    rows.change(_changing(), seed=0)
    assert rows.tokens == before


def test_brand_swaps_change_tokens_and_not_the_given_texts() -> None:
    texts = tuple(f"{name} is bad" for name in ("Delta", "Spotify", "Walmart", "Verizon"))
    rows = TokenisedRows(TrainingRows.concatenate([_row(text) for text in texts]), tiny_tokenizer())
    before = list(rows.tokens)
    rows.change(_changing(brand_swap=1.0), seed=3)
    after = list(rows.tokens)
    assert after != before
    rows.change(_changing(brand_swap=1.0), seed=3)
    assert rows.tokens == after
    rows.change(_changing(), seed=3)
    assert rows.tokens == before
    assert texts == tuple(f"{name} is bad" for name in ("Delta", "Spotify", "Walmart", "Verizon"))
