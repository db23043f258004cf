"""The adaptation stage: what is hidden, what is asked, and that it is learnt."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="fitting needs torch (extra train)")

import torch

from replyrank.data.errors import UsageError
from replyrank.training import fitting
from replyrank.training.adaptation import (
    MaskedModel,
    MaskedStage,
    MaskedTexts,
    Masking,
)
from replyrank.training.config import AdaptationConfig
from tests.encoders import VOCABULARY, tiny_model, tiny_tokenizer, toy_rows

MASK = VOCABULARY.index("[MASK]")
OWN = [VOCABULARY.index(token) for token in ("[CLS]", "[SEP]", "[PAD]")]
TEXTS = [*toy_rows(24).texts, "so"]


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fitting, "device", lambda: torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _texts(share: float = 0.15, seed: int = 3, texts: Sequence[str] = TEXTS) -> MaskedTexts:
    return MaskedTexts(texts, tiny_tokenizer(), Masking(share, seed, len(VOCABULARY)))


def test_a_share_of_the_words_is_hidden_and_asked_for() -> None:
    texts = _texts(0.3)
    rows = range(len(TEXTS))
    batch = texts.batch(rows)
    whole = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(tokens) for tokens in texts.tokens], batch_first=True
    )
    assert torch.equal(batch.answers, whole[batch.hidden])
    assert torch.equal(batch.input_ids[~batch.hidden], whole[~batch.hidden])
    assert not np.isin(batch.answers.numpy(), OWN).any()
    words = sum(len(tokens) - 2 for tokens in texts.tokens)
    assert batch.hidden.sum().item() / words == pytest.approx(0.3, abs=0.05)
    shown = batch.input_ids[batch.hidden]
    assert (shown == MASK).float().mean().item() == pytest.approx(0.8, abs=0.08)
    kept = (shown == batch.answers).float().mean().item()
    assert kept == pytest.approx(0.1, abs=0.07)


def test_the_same_rows_are_masked_alike_and_other_batches_otherwise() -> None:
    first, again = _texts().batch([1, 2, 3]), _texts().batch([1, 2, 3])
    assert torch.equal(first.hidden, again.hidden)
    assert torch.equal(first.input_ids, again.input_ids)
    moved = _texts().batch([2, 1, 3])
    assert not torch.equal(first.hidden[0], moved.hidden[1])
    assert not torch.equal(first.hidden, _texts(seed=4).batch([1, 2, 3]).hidden)


def test_an_encoder_without_a_mask_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_tokenizer()
    monkeypatch.setattr(type(tokenizer), "mask_id", None)
    with pytest.raises(UsageError, match="no token for a masked word; name another encoder"):
        MaskedTexts(TEXTS, tokenizer, Masking(0.15, 1, 10))


def _stage(folder: Path, epochs: float, texts: Sequence[str] = TEXTS) -> MaskedStage:
    model = tiny_model(folder / "encoder")
    masked = MaskedModel(model.encoder, model.hidden_size)
    config = AdaptationConfig(epochs=epochs, learning_rate=3e-3, batch_size=16)
    return MaskedStage(masked, _texts(texts=texts), config, seed=7)


def test_it_learns_what_stands_where(tmp_path: Path) -> None:
    # The words of a toy text stand in any order: what can be learnt is eight of them.
    few = TEXTS[:8] * 4
    stage = _stage(tmp_path, 50, few)
    batch = _texts(seed=99, texts=few).batch(range(len(few)))
    with torch.no_grad():
        before = stage.loss(batch).item()
    stage.run()
    stage.model.eval()
    with torch.no_grad():
        after = stage.loss(batch).item()
    assert after < before / 2


def test_a_batch_in_which_nothing_is_asked_costs_nothing(tmp_path: Path) -> None:
    stage = _stage(tmp_path, 1)
    batch = _texts(1e-9).batch([0, len(TEXTS) - 1])
    assert len(batch.answers) == 0
    assert stage.loss(batch).item() == 0


def test_the_encoder_itself_is_adapted_and_the_head_is_not_kept(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "encoder")
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    masked = MaskedModel(model.encoder, model.hidden_size)
    config = AdaptationConfig(epochs=1, learning_rate=3e-3, batch_size=16)
    MaskedStage(masked, _texts(), config, seed=7).run()
    after = model.encoder.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert not any(name.startswith("transform") for name in model.state_dict())
