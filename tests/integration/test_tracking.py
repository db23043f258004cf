"""A finished run in MLflow: what is there, that it loads, and that nothing is half there."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="tracking needs mlflow (extra train)")
pytest.importorskip("sklearn", reason="the fallback needs scikit-learn (extra train)")

import mlflow
import pandas as pd
from mlflow import MlflowClient

from replyrank.models import load_scorer
from replyrank.models.artefact import verify
from replyrank.pipeline.score_columns import score_columns
from replyrank.training import sample_replay
from replyrank.training import tracked as tracked_module
from replyrank.training.config import FallbackConfig
from replyrank.training.curves import Curves, Point, run_curves
from replyrank.training.errors import TrackingError
from replyrank.training.fallback_run import FallbackRun
from replyrank.training.material import Material, load_material
from replyrank.training.tracked import RunFacts, track
from replyrank.training.tracking import NAME, Logged, Tracking
from tests.encoders import toy_posts, write_dataset

# MLflow's own use of its libraries, and of its own parts.
pytestmark = pytest.mark.filterwarnings("default")


def _wheel(folder: Path) -> Path:
    path = folder / "replyrank-0-py3-none-any.whl"
    path.write_bytes(b"wheel")
    return path


@dataclass(frozen=True)
class Tracked:
    """A run that was logged."""

    facts: RunFacts
    folder: Path
    tracking: Tracking
    logged: Logged

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.tracking.uri, registry_uri=self.tracking.uri)


@pytest.fixture(scope="module", autouse=True)
def own_store() -> Iterator[None]:
    """No store of the machine, and none that stays behind."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        # setdefault of the code would outlive the test.
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        # Of an editable installation pip would fetch the build backend.
        patch.setattr(tracked_module, "own_wheel", _wheel)
        yield
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> RunFacts:
    folder = tmp_path_factory.mktemp("run")
    dataset = write_dataset(folder / "dataset", posts_train=toy_posts(24))
    config = FallbackConfig(kind="linear", name="toy-linear", folds=2)
    material: Material = load_material(config, dataset)
    artefact = FallbackRun(config, material).run(folder / "out", config.name)
    curves = Curves(folder / "curves.jsonl")
    for step, loss in ((50, 2.5), (100, 1.5), (100, 1.25)):
        curves.add(Point("final", step, loss))
    return RunFacts(config, material, artefact, folder)


@pytest.fixture(scope="module")
def tracked(facts: RunFacts, tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    folder = tmp_path_factory.mktemp("mlflow")
    tracking = Tracking(folder)
    return Tracked(facts, folder, tracking, track(tracking, facts))


def test_the_run_has_config_data_figures_and_papers(tracked: Tracked) -> None:
    run = tracked.client.get_run(tracked.logged.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "toy-linear"
    description = run.data.tags["mlflow.note.content"]
    assert description.startswith("# toy-linear\n")
    assert "| intent macro-F1 | 0." in description
    assert "## Training data" not in description
    assert run.data.params["folds"] == "2"
    assert run.data.params["decisions.support_recall"] == "0.95"
    artefact = verify(tracked.facts.artefact)
    assert run.data.tags["manifest_sha256"] == artefact.manifest_sha256
    assert run.data.tags["wheel_sha256"] == hashlib.sha256(b"wheel").hexdigest()
    assert run.inputs is not None
    inputs = {one.dataset.name: one.dataset for one in run.inputs.dataset_inputs}
    assert list(inputs) == ["posts"]
    assert len(inputs["posts"].digest) == 36
    metrics = run.data.metrics
    assert metrics["intent/macro_f1 low"] <= metrics["intent/macro_f1"]
    assert metrics["intent/macro_f1"] <= metrics["intent/macro_f1 high"]
    assert {"sentiment/macro_recall", "urgency_high/auroc", "behaviour/minimum"} <= {*metrics}
    assert any(name.startswith("slice/length/") for name in metrics)
    curve = tracked.client.get_metric_history(tracked.logged.run_id, "loss/final")
    assert [(point.step, point.value) for point in curve] == [(50, 2.5), (100, 1.25)]


def test_a_corrected_model_is_logged_with_the_queue_of_both(
    facts: RunFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_replay, "_SEEDS", 1)
    tracking = Tracking(tmp_path / "store")
    logged = track(tracking, replace(facts, start=verify(facts.artefact), work=tmp_path))
    data = MlflowClient(tracking.uri, registry_uri=tracking.uri).get_run(logged.run_id).data
    # No toy is of level high.
    assert data.tags["replay_posts"] == "samples"
    place = "replay/load 0.9/replyrank/cost by oracle"
    assert data.metrics[place] == data.metrics[f"before/{place}"] >= 1


def files(tracked: Tracked) -> list[Path]:
    return [path for path in (tracked.folder / "artifacts").rglob("*") if path.is_file()]


def test_report_plots_environment_and_wheel_are_kept(tracked: Tracked) -> None:
    names = {path.name for path in files(tracked)}
    assert {"report.json", "report.md", "card.md", "config.yaml", "environment.txt"} <= names
    assert any(name.endswith(".svg") for name in names)
    assert any(name.startswith("replyrank-") and name.endswith(".whl") for name in names)


def test_the_model_loads_without_pickle_and_answers_as_the_artefact(tracked: Tracked) -> None:
    assert not [path for path in files(tracked) if path.suffix in {".pkl", ".pickle", ".pt"}]
    uri = f"models:/{NAME}/{tracked.logged.version}"
    mlflow.set_tracking_uri(tracked.tracking.uri)
    model: Any = mlflow.pyfunc.load_model(uri)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    texts = ["where is my order", "thanks a lot, great", ""]
    found = model.predict(pd.DataFrame({"text": texts, "other": [1, 2, 3]}))
    batch = load_scorer(tracked.facts.artefact).score_batch(texts)
    pd.testing.assert_frame_equal(found, pd.DataFrame(score_columns(batch)))
    assert model.metadata.signature.inputs.input_names() == ["text"]
    assert model.metadata.signature.outputs.input_names() == list(found)
    with pytest.raises(Exception, match="text"):
        model.predict(pd.DataFrame({"words": texts}))
    requirements = next(path for path in files(tracked) if path.name == "requirements.txt")
    assert requirements.read_text().splitlines()[-1].startswith("replyrank==")


def test_no_text_of_a_post_is_logged(tracked: Tracked) -> None:
    texts = [text.encode() for text in tracked.facts.material.posts.texts]
    stored = [*files(tracked), *tracked.folder.glob("mlflow.db*")]
    for path in stored:
        content = path.read_bytes()
        assert not [text for text in texts if text in content], path


def test_the_same_artefact_is_logged_once(tracked: Tracked) -> None:
    assert track(tracked.tracking, tracked.facts) == tracked.logged
    assert len(tracked.client.search_model_versions(f"name='{NAME}'")) == 1


def test_the_champion_has_an_alias_and_can_be_fetched(tracked: Tracked, tmp_path: Path) -> None:
    manifest = verify(tracked.facts.artefact).manifest_sha256
    assert tracked.tracking.set_champion("0" * 64) is None
    with pytest.raises(TrackingError, match="no model was brought here"):
        tracked.tracking.fetch(None, tmp_path)
    assert tracked.tracking.set_champion(manifest) == tracked.logged.version
    for version in (None, tracked.logged.version):
        fetched = tracked.tracking.fetch(version, tmp_path / "models")
        assert fetched == tmp_path / "models" / f"toy-linear-{manifest[:12]}"
        assert verify(fetched).manifest_sha256 == manifest
    with pytest.raises(TrackingError):
        tracked.tracking.fetch("99", tmp_path)
    # A model that is in use and not registered takes the alias from the one that was.
    assert tracked.tracking.set_champion("0" * 64) is None
    with pytest.raises(TrackingError, match="no model was brought here"):
        tracked.tracking.fetch(None, tmp_path)


def test_the_same_run_has_the_same_figures(tracked: Tracked) -> None:
    (tracked.facts.work / "mlflow.json").unlink()
    again = track(tracked.tracking, tracked.facts)
    assert again.version == "2"
    first, second = (
        tracked.client.get_run(run).data for run in (tracked.logged.run_id, again.run_id)
    )
    assert first.metrics == second.metrics
    assert first.params == second.params


def test_a_store_that_is_down_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError) as error:
        Tracking(tmp_path).check()
    assert str(error.value).startswith("MLflow at http://127.0.0.1:9 failed: ")
    assert "nothing was trained" in str(error.value)
    assert "unset it" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_dies_on_the_way_has_nothing_half_registered(
    facts: RunFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (facts.work / "mlflow.json").unlink(missing_ok=True)
    tracking = Tracking(tmp_path / "store")

    def dies(*_: object, **__: object) -> None:
        message = "connection refused"
        raise OSError(message)

    monkeypatch.setattr(mlflow.pyfunc, "log_model", dies)
    with pytest.raises(TrackingError, match=r"connection refused; the model is in .*toy-linear"):
        track(tracking, facts)
    client = MlflowClient(tracking.uri, registry_uri=tracking.uri)
    assert client.search_registered_models() == []
    (experiment,) = client.search_experiments(filter_string=f"name = '{NAME}'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert not (facts.work / "mlflow.json").exists()
    monkeypatch.undo()
    assert track(tracking, facts).version == "1"


def test_the_last_step_that_fails_leaves_a_failed_run(
    facts: RunFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (facts.work / "mlflow.json").write_text("{torn")
    tracking = Tracking(tmp_path / "store")

    def dies(*_: object, **__: object) -> None:
        message = "connection reset"
        raise OSError(message)

    monkeypatch.setattr(mlflow, "register_model", dies)
    with pytest.raises(TrackingError, match="connection reset"):
        track(tracking, facts)
    client = MlflowClient(tracking.uri, registry_uri=tracking.uri)
    (experiment,) = client.search_experiments(filter_string=f"name = '{NAME}'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert client.search_model_versions(f"name='{NAME}'") == []


@pytest.mark.parametrize(
    ("last_call", "ended"), [("log_model", ["FAILED", "FINISHED"]), ("end_run", ["FINISHED"])]
)
def test_a_store_that_was_killed_has_no_run_that_goes_on_for_ever(
    facts: RunFacts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last_call: str,
    ended: list[str],
) -> None:
    facts = replace(facts, work=tmp_path)
    tracking = Tracking(tmp_path / "store")

    def dies(*_: object, **__: object) -> None:
        message = "connection refused"
        raise OSError(message)

    if last_call == "log_model":
        monkeypatch.setattr(mlflow.pyfunc, "log_model", dies)
    # From then on no call is answered: nothing can be marked either.
    monkeypatch.setattr(MlflowClient, "set_terminated", dies)
    with pytest.raises(TrackingError, match="connection refused"):
        track(tracking, facts)
    client = MlflowClient(tracking.uri, registry_uri=tracking.uri)
    (experiment,) = client.search_experiments(filter_string=f"name = '{NAME}'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "RUNNING"
    monkeypatch.undo()
    logged = track(tracking, facts)
    assert logged.version == "1"
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert [one.info.status for one in runs] == ended
    assert runs[0].info.run_id == run.info.run_id
    assert runs[-1].info.run_id == logged.run_id
    assert len(client.search_model_versions(f"name='{NAME}'")) == 1
    assert track(tracking, facts) == logged


def test_a_password_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:s3cret@127.0.0.1:9/ml")
    with pytest.raises(TrackingError) as error:
        Tracking(tmp_path).check()
    assert "s3cret" not in str(error.value)
    assert "http://127.0.0.1:9/ml" in str(error.value)


def test_curves_outlive_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    assert Curves(path).points() == []
    Curves(path).add(Point("fold-1", 50, 1.0))
    with path.open("a") as file:
        file.write('{"stage": "fold-1", "st')
    assert Curves(path).points() == [Point("fold-1", 50, 1.0)]
    assert json.loads(path.read_text().splitlines()[0]) == {
        "stage": "fold-1",
        "step": 50,
        "loss": 1.0,
    }


def test_the_curves_of_a_run_hold_those_of_its_teachers(tmp_path: Path) -> None:
    assert run_curves(tmp_path) == []
    (tmp_path / "teacher-2").mkdir()
    Curves(tmp_path / "curves.jsonl").add(Point("final", 50, 1.0))
    Curves(tmp_path / "teacher-2" / "curves.jsonl").add(Point("final", 50, 2.0))
    assert run_curves(tmp_path) == [
        Point("final", 50, 1.0),
        Point("teacher-2-final", 50, 2.0),
    ]
