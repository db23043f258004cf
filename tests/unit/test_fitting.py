"""The optimisation loop: it learns, it resumes to the bit, it keeps what it should keep."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="fitting needs torch (extra train)")

import torch

from replyrank.models.encoder import TriageModel
from replyrank.training import fitting
from replyrank.training.batches import Batch, TokenisedRows
from replyrank.training.config import StageConfig
from replyrank.training.fitting import LabelledStage, save_whole
from replyrank.training.losses import need_loss, sentiment_loss
from tests.encoders import tiny_model, tiny_tokenizer, toy_rows

CONFIG = StageConfig(epochs=2, learning_rate=3e-3, batch_size=8)
#: everything that could get lost between two halves of a run
FULL = StageConfig(
    epochs=2.5,
    learning_rate=3e-3,
    layer_decay=0.8,
    batch_size=8,
    label_smoothing=0.05,
    critical_weight=2.0,
    freeze_embeddings=True,
    ema_decay=0.9,
    brand_swap=0.5,
    misspelling=0.5,
)


class PowerCutError(Exception):
    """The machine went down."""


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On the CPU, as the tests of other machines; the generator's state is put back."""
    monkeypatch.setattr(fitting, "device", lambda: torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        yield


def _stage(folder: Path, config: StageConfig, dropout: float = 0.0) -> LabelledStage:
    rows = TokenisedRows(toy_rows(), tiny_tokenizer(), config.critical_weight)
    return LabelledStage(tiny_model(folder / "encoder", dropout=dropout), rows, config, seed=7)


def _mean_loss(stage: LabelledStage) -> float:
    stage.model.eval()
    batch = stage.rows.batch(range(len(toy_rows())))
    with torch.no_grad():
        need, sentiment = stage.model(batch.input_ids, batch.attention_mask)
        losses = need_loss(need, batch.cells, 0.0) + sentiment_loss(sentiment, batch.sentiment, 0.0)
    return losses.mean().item()


def _weights(model: TriageModel) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _interrupt_at(step: int, stage: LabelledStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every update leaves a checkpoint, and the one of ``step`` never comes."""
    update = stage.update

    def interrupted(batch: Batch) -> torch.Tensor:
        if stage.step == step:
            raise PowerCutError
        return update(batch)

    monkeypatch.setattr(fitting, "_CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(stage, "update", interrupted)


@pytest.mark.usefixtures("on_cpu")
def test_the_loss_falls_on_what_can_be_told_apart(tmp_path: Path) -> None:
    stage = _stage(tmp_path, CONFIG.model_copy(update={"epochs": 12}))
    before = _mean_loss(stage)
    stage.run()
    assert _mean_loss(stage) < before / 5


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("step", [1, 11])
@pytest.mark.parametrize("config", [CONFIG, FULL], ids=["plain", "everything"])
def test_a_resumed_run_gives_the_same_weights_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: StageConfig, step: int
) -> None:
    whole = _weights(_stage(tmp_path, config, dropout=0.3).run())
    checkpoint = tmp_path / "stage.checkpoint"
    stage = _stage(tmp_path, config, dropout=0.3)
    _interrupt_at(step, stage, monkeypatch)
    with pytest.raises(PowerCutError):
        stage.run(checkpoint)
    # Another process would have drawn other numbers by now.
    torch.manual_seed(step)
    resumed = _stage(tmp_path, config, dropout=0.3)
    assert _same(_weights(resumed.run(checkpoint)), whole)
    assert resumed.step == resumed.steps


@pytest.mark.usefixtures("on_cpu")
def test_a_run_interrupted_after_its_last_step_only_hands_on(tmp_path: Path) -> None:
    checkpoint = tmp_path / "stage.checkpoint"
    whole = _weights(_stage(tmp_path, FULL).run(checkpoint))
    again = _stage(tmp_path, FULL)
    again.update = pytest.fail  # type: ignore[method-assign,assignment]
    assert _same(_weights(again.run(checkpoint)), whole)


@pytest.mark.usefixtures("on_cpu")
def test_the_seed_decides(tmp_path: Path) -> None:
    one, same, other = (_stage(tmp_path, CONFIG, dropout=0.3) for _ in range(3))
    other.seed = 8
    weights = _weights(one.run())
    assert _same(weights, _weights(same.run()))
    assert not _same(weights, _weights(other.run()))


@pytest.mark.usefixtures("on_cpu")
def test_frozen_embeddings_stay(tmp_path: Path) -> None:
    stage = _stage(tmp_path, CONFIG.model_copy(update={"freeze_embeddings": True}))
    before = _weights(stage.model)
    after = _weights(stage.run())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if ".embeddings." not in name}


@pytest.mark.usefixtures("on_cpu")
def test_lower_layers_learn_slower_and_biases_do_not_decay(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"layer_decay": 0.5, "weight_decay": 0.1})
    stage = _stage(tmp_path, config)
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in stage.optimizer.param_groups
        for parameter in group["params"]
    }
    named = dict(stage.model.named_parameters())
    assert found.keys() == {id(parameter) for parameter in named.values()}
    expected = {
        "need.weight": (3e-3, 0.1),
        "need.bias": (3e-3, 0.0),
        "encoder.encoder.layer.1.attention.self.query.weight": (3e-3, 0.1),
        "encoder.encoder.layer.0.attention.self.query.weight": (1.5e-3, 0.1),
        "encoder.embeddings.word_embeddings.weight": (0.75e-3, 0.1),
        "encoder.embeddings.LayerNorm.weight": (0.75e-3, 0.0),
    }
    for name, figures in expected.items():
        assert found[id(named[name])] == pytest.approx(figures), name


@pytest.mark.usefixtures("on_cpu")
def test_the_average_is_handed_on(tmp_path: Path) -> None:
    stage = _stage(tmp_path, CONFIG.model_copy(update={"ema_decay": 0.9}))
    start, last = _weights(stage.model)["need.weight"], stage.model.need.weight
    update, averaged = stage.update, start.clone()

    def followed(batch: Batch) -> torch.Tensor:
        nonlocal averaged
        loss = update(batch)
        decay = min(0.9, (1 + stage.step) / (10 + stage.step))
        averaged = decay * averaged + (1 - decay) * last.detach()
        return loss

    stage.update = followed  # type: ignore[method-assign]
    handed_on = _weights(stage.run())["need.weight"]
    torch.testing.assert_close(handed_on, averaged)
    assert (handed_on - start).norm() > 0.01


@pytest.mark.usefixtures("on_cpu")
def test_the_log_tells_the_mean_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fitting, "_LOG_EVERY", 4)
    stage = _stage(tmp_path, CONFIG)
    losses: list[float] = []
    update = stage.update

    def noted(batch: Batch) -> torch.Tensor:
        loss = update(batch)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(stage, "update", noted)
    with caplog.at_level("INFO", logger="replyrank"):
        stage.run()
    means = [sum(losses[at : at + 4]) / 4 for at in (0, 4, 8, 12)]
    assert [line.rsplit(",", 1)[0] for line in caplog.messages] == [
        f"step {4 * (n + 1)} of 16, loss {mean:.4f}" for n, mean in enumerate(means)
    ]
    assert caplog.messages[-1].endswith(", 0 min left")


@pytest.mark.usefixtures("on_cpu")
def test_part_of_an_epoch(tmp_path: Path) -> None:
    assert _stage(tmp_path, CONFIG.model_copy(update={"epochs": 0.25})).steps == 2
    stage = _stage(tmp_path, CONFIG.model_copy(update={"epochs": 0.001}))
    stage.run()
    assert stage.step == stage.steps == 1


@pytest.mark.usefixtures("on_cpu")
def test_the_rate_warms_up_and_decays_to_nothing(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"epochs": 10 / 8, "warmup": 0.2})
    stage = _stage(tmp_path, config)
    rates: list[float] = []
    update = stage.update

    def noted(batch: Batch) -> torch.Tensor:
        loss = update(batch)
        rates.append(stage.optimizer.param_groups[0]["lr"] / CONFIG.learning_rate)
        return loss

    stage.update = noted  # type: ignore[method-assign]
    stage.run()
    assert rates == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_a_broken_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.pt"
    save_whole({"step": 1}, path)

    def broken(_state: object, target: Path) -> None:
        target.write_bytes(b"half")
        message = "disk full"
        raise OSError(message)

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        save_whole({"step": 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
