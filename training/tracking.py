"""MLflow: where runs are tracked, and what of a finished run goes there.

Training itself never speaks to a server. What it learns by the way lies in its work folder, and a
finished run is logged as a whole, its model registered last: a server that fails on the way has a
run marked as failed and no version, and the same command logs it again. One that is killed cannot
mark its run, which is ended when the artefact is logged again. Keys, hashes and figures are logged,
never a text.
"""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from replyrank.models.artefact import MANIFEST, Artefact, verify
from replyrank.training.curves import Point
from replyrank.training.errors import TrackingError

#: what the experiment and the registered model are called, unless another name is given
NAME: Final = "replyrank"

_URI: Final = "MLFLOW_TRACKING_URI"
_EXPERIMENT: Final = "MLFLOW_EXPERIMENT_NAME"
_RETRIES: Final = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_DATABASE: Final = "mlflow.db"
_BATCH: Final = 500
#: tag of runs and versions
_MANIFEST: Final = "manifest_sha256"
#: of the version in use
_ALIAS: Final = "champion"
_LOADER: Final = "replyrank.pipeline.mlflow_model"


@dataclass(frozen=True)
class DataInput:
    """Rows that a run read."""

    name: str
    #: hash of the rows
    digest: str
    #: what it is for, such as training
    context: str
    #: rows by source
    rows: Mapping[str, int]


@dataclass(frozen=True)
class FinishedRun:
    """What is logged of a run."""

    name: str
    #: Markdown that its page begins with
    description: str
    artefact: Path
    params: Mapping[str, object]
    tags: Mapping[str, str]
    inputs: Sequence[DataInput]
    curves: Sequence[Point]
    metrics: Mapping[str, float]
    #: folder whose files are kept with the run: report, plots, environment, wheel
    files: Path
    #: ``replyrank==X``, what the model needs to load
    requirement: str


@dataclass(frozen=True, slots=True)
class Logged:
    """Where a run was logged."""

    run_id: str
    model: str
    version: str
    uri: str


class Tracking:
    """A tracking store.

    Args:
        folder: of the embedded store, which is made where ``MLFLOW_TRACKING_URI`` names none.
        experiment: name, else that of ``MLFLOW_EXPERIMENT_NAME``.
    """

    def __init__(self, folder: Path, experiment: str | None = None) -> None:
        self._experiment = experiment or os.environ.get(_EXPERIMENT) or NAME
        self._given = os.environ.get(_URI)
        self._folder = folder.resolve()
        self._uri = self._given or f"sqlite:///{self._folder / _DATABASE}"
        # Seven tries, as MLflow has it, would let a user wait for minutes.
        os.environ.setdefault(_RETRIES, "2")

    @classmethod
    def present(cls, folder: Path) -> "Tracking | None":
        """The store that is named, else the embedded one in ``folder``; None if neither is."""
        return cls(folder) if os.environ.get(_URI) or folder.is_dir() else None

    @property
    def uri(self) -> str:
        """Where it is, without a password."""
        return _without_password(self._uri)

    def check(self) -> None:
        """Ask the store for something, so that one that is down is told before the work.

        Raises:
            TrackingError: if it does not answer.
        """
        with self._answered("nothing was trained", "give --no-mlflow"):
            self._find_experiment()

    def log(self, run: FinishedRun) -> Logged:
        """Log a run and register its model; ends what a store that died left running of it.

        Raises:
            TrackingError: if the store does not take it; no version is registered then, unless
                the store died after its last step: the next call finds that.
        """
        import mlflow  # noqa: PLC0415  slow, and only runs that are tracked need it

        kept = f"the model is in {run.artefact}, and the same command logs it"
        with self._answered(kept, "give --no-mlflow"):
            experiment = self._find_experiment()
            whole = self._end_unfinished(experiment, run.tags[_MANIFEST])
            if whole is not None:
                return whole
            # The tags at once: by them a run that is never ended is found again.
            with mlflow.start_run(
                experiment_id=experiment,
                run_name=run.name,
                description=run.description,
                tags=dict(run.tags),
            ) as begun:
                mlflow.log_params({key: str(value) for key, value in run.params.items()})
                for one in run.inputs:
                    mlflow.log_input(_dataset(one), context=one.context)
                self._log_curves(begun.info.run_id, run.curves)
                mlflow.log_metrics(dict(run.metrics))
                mlflow.log_artifacts(str(run.files))
                model = _log_model(run)
                # The last step of the run: one that fails here has failed, and has no version.
                version = mlflow.register_model(
                    model.model_uri, NAME, tags={_MANIFEST: run.tags[_MANIFEST]}
                )
        return Logged(begun.info.run_id, NAME, str(version.version), self.uri)

    def _end_unfinished(self, experiment: str, manifest_sha256: str) -> Logged | None:
        """End the runs of an artefact that seem to go on, since the store died under them.

        They have failed, but for one whose version is registered: that was the last step, so it is
        ended as finished. Two commands that log one artefact at the same time are not told apart
        from that: the run that is ended here ends itself anew.

        Returns:
            The run that had come to its end, if there is one.
        """
        from mlflow import MlflowClient  # noqa: PLC0415  see ``log``

        client = MlflowClient(self._uri)
        going = f"tags.{_MANIFEST} = '{manifest_sha256}' and attributes.status = 'RUNNING'"
        runs = client.search_runs([experiment], going)
        if not runs:
            return None
        versions = {one.run_id: one for one in client.search_model_versions(f"name='{NAME}'")}
        whole = None
        for one in runs:
            version = versions.get(one.info.run_id)
            client.set_terminated(one.info.run_id, "FAILED" if version is None else "FINISHED")
            if version is not None:
                whole = Logged(one.info.run_id, NAME, str(version.version), self.uri)
        return whole

    def has(self, logged: Logged) -> bool:
        """Whether a version that was logged is still there.

        Raises:
            TrackingError: if the store does not answer.
        """
        from mlflow import MlflowClient  # noqa: PLC0415  see ``log``

        with self._answered("nothing was logged", "give --no-mlflow"):
            found = MlflowClient(self._uri).search_model_versions(f"name='{NAME}'")
        return any(str(one.version) == logged.version for one in found)

    def fetch(self, version: str | None, folder: Path) -> Path:
        """Bring a registered model here; returns the artefact's folder.

        Args:
            version: a number; None takes the one with the alias ``champion``.
            folder: in which the artefact gets a folder of its own (``adopt``).

        Raises:
            TrackingError: if there is no such version, or the store does not give it.
            ArtefactError: if what it gives is damaged.
        """
        from mlflow import artifacts  # noqa: PLC0415  see ``log``

        wanted = f"models:/{NAME}@{_ALIAS}" if version is None else f"models:/{NAME}/{version}"
        with tempfile.TemporaryDirectory() as place:
            with self._answered("no model was brought here", "name a version that is registered"):
                path = Path(artifacts.download_artifacts(wanted, dst_path=place))
                (manifest,) = path.rglob(MANIFEST)
            return adopt(verify(manifest.parent), folder)

    def set_champion(self, manifest_sha256: str) -> str | None:
        """Give the alias ``champion`` to the version of an artefact, and to no other.

        Returns:
            The version; None if the artefact is not registered: then none has the alias.

        Raises:
            TrackingError: if the store does not answer.
        """
        from mlflow import MlflowClient  # noqa: PLC0415  see ``log``

        with self._answered("the alias in the registry stays as it was", "set it there by hand"):
            client = MlflowClient(self._uri)
            versions = client.search_model_versions(f"name='{NAME}'")
            fitting = [one for one in versions if one.tags.get(_MANIFEST) == manifest_sha256]
            if not fitting:
                if versions:
                    client.delete_registered_model_alias(NAME, _ALIAS)
                return None
            latest = max(fitting, key=lambda one: int(one.version))
            client.set_registered_model_alias(NAME, _ALIAS, str(latest.version))
            return str(latest.version)

    def _find_experiment(self) -> str:
        import mlflow  # noqa: PLC0415  see ``log``

        if self._given is None:
            self._folder.mkdir(parents=True, exist_ok=True)
        found = mlflow.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        place = None if self._given else (self._folder / "artifacts").as_uri()
        return str(mlflow.create_experiment(self._experiment, artifact_location=place))

    def _log_curves(self, run_id: str, points: Sequence[Point]) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415  see ``log``
        from mlflow.entities import Metric  # noqa: PLC0415

        metrics = [Metric(f"loss/{one.stage}", one.loss, 0, one.step) for one in points]
        client = MlflowClient(self._uri)
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run_id, metrics[start : start + _BATCH])

    @contextmanager
    def _answered(self, consequence: str, remedy: str) -> Generator[None]:
        """Speak to the store, and turn whatever MLflow raises into an error of ours."""
        import mlflow  # noqa: PLC0415  see ``log``

        given, migrations = os.environ.get(_URI), logging.getLogger("alembic")
        level = migrations.level
        migrations.setLevel(logging.WARNING)
        try:
            with warnings.catch_warnings():
                # Of MLflow's own use of its libraries.
                warnings.simplefilter("ignore")
                mlflow.set_tracking_uri(self._uri)
                yield
        except Exception as error:  # MLflow, its HTTP client and its database share no base class
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            message = (
                f"MLflow at {self.uri} failed: {reason.replace(self._uri, self.uri)}; "
                f"{consequence}. Start the server, set {_URI} to another or unset it for a store "
                f"of this machine, or {remedy}"
            )
            raise TrackingError(message) from error
        finally:
            migrations.setLevel(level)
            # MLflow writes its choice into the environment.
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
            if given is not None:
                os.environ[_URI] = given


def adopt(artefact: Artefact, folder: Path) -> Path:
    """A copy of an artefact in a folder of its own, which nothing else is ever written to.

    Args:
        artefact: verified.
        folder: in which its folder stands, by name and content.

    Raises:
        ArtefactError: if what stands there is damaged.
    """
    target = folder / f"{artefact.config.name}-{artefact.manifest_sha256[:12]}"
    if target.exists():
        return verify(target).folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        copy = Path(place) / target.name
        shutil.copytree(artefact.folder, copy)
        verify(copy)
        copy.rename(target)
    return target


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return (
        uri if "@" not in parts.netloc else uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "")
    )


def _dataset(given: DataInput) -> Any:
    from mlflow.data.code_dataset_source import CodeDatasetSource  # noqa: PLC0415
    from mlflow.data.meta_dataset import MetaDataset  # noqa: PLC0415

    rows = {source: str(count) for source, count in given.rows.items()}
    # MLflow keeps 36 characters of a digest.
    source = CodeDatasetSource(rows)
    # Of a property that it does without.
    return MetaDataset(source, name=given.name, digest=given.digest[:36])  # type: ignore[abstract]


def _log_model(run: FinishedRun) -> Any:
    import mlflow  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    from replyrank.data.readers import score_types  # noqa: PLC0415
    from replyrank.pipeline.mlflow_model import TEXT  # noqa: PLC0415

    outputs = [
        ColSpec("string" if str(kind) == "string" else "double", name, required=False)
        for name, kind in score_types().items()
    ]
    return mlflow.pyfunc.log_model(
        name="model",
        loader_module=_LOADER,
        data_path=str(run.artefact),
        pip_requirements=[run.requirement],
        signature=ModelSignature(Schema([ColSpec("string", TEXT)]), Schema(outputs)),  # type: ignore[arg-type]
        input_example=pd.DataFrame({TEXT: ["@acme I was charged twice, where is my refund?"]}),
    )
