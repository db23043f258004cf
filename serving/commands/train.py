"""``replyrank train``: from raw corpora to an artefact."""

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from replyrank.data.errors import UsageError
from replyrank.serving.commands import options
from replyrank.serving.commands.extras import needs_extra


def train(
    config_file: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG", help="YAML file, or the name of a shipped one, such as corrections."
        ),
    ],
    target: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to put the artefact in.")
    ],
    *,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the artefact, else that of the config.")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for what can be resumed, else runs/NAME."),
    ] = None,
    posts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labelled posts of your own, in place of the public corpora.",
            dir_okay=False,
        ),
    ] = None,
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    corpora: options.Corpora = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of MLflow, else replyrank.")
    ] = None,
    tracked: Annotated[
        bool, typer.Option("--mlflow/--no-mlflow", help="Log the run, register the model.")
    ] = True,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Print plan and estimate only.")
    ] = False,
) -> None:
    """Train, calibrate, export and check a model; resumes where it was interrupted.

    The training set is made first if the work folder has none, of the public corpora or, with
    --posts, of your own labelled posts. Then plan and estimate are printed, and it is trained. The
    run is logged to MLflow: to the server that MLFLOW_TRACKING_URI names, else to a store in
    runs/mlflow. Needs the extra `train`.
    """
    with needs_extra("train", "train", "torch", "transformers", "datasets", "onnx", "mlflow"):
        # Each of these needs the extra.
        from replyrank.training.config import find_config, load_config  # noqa: PLC0415
        from replyrank.training.material import load_material  # noqa: PLC0415
        from replyrank.training.runs import open_run  # noqa: PLC0415
        from replyrank.training.tracked import RunFacts  # noqa: PLC0415
        from replyrank.training.tracking import Tracking  # noqa: PLC0415

        _show_progress()
        config = load_config(find_config(config_file), **({"name": name} if name else {}))
        work = work or options.RUNS / config.name
        if posts is None and (text_column or columns):
            message = "--text-column and --column say where --posts has what; give --posts too"
            raise UsageError(message)
        # A mistake in a file, and a store that does not answer, are told before the work.
        own = posts and _own_dataset(posts, work / "dataset", text_column, columns)
        store = Tracking(options.MLFLOW, experiment) if tracked and not plan_only else None
        if store is not None:
            store.check()
        dataset = own or _public_dataset(config_file, config, corpora, work / "dataset")
        material = load_material(config, dataset)
        run = open_run(config, material, work)
        _say(str(run.plan()))
        if plan_only:
            return
        artefact = run.run(target, config.name)
        if store is not None:
            _track(store, RunFacts(config, material, artefact, work, run.start))
        typer.echo(artefact)


def _show_progress() -> None:
    """What training logs, with its time."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("replyrank").setLevel(logging.INFO)


def _own_dataset(
    posts: Path, folder: Path, text_column: str | None, columns: list[str] | None
) -> Path:
    from replyrank.training.labelled import labelled_options  # noqa: PLC0415  needs the extra
    from replyrank.training.own_posts import own_dataset  # noqa: PLC0415  as above

    reading = options.read_options(None, text_column, None, None, columns=columns)
    return own_dataset(posts, folder, labelled_options(reading, None), report=_say)


def _public_dataset(file: Path, config: Any, corpora: Path | None, folder: Path) -> Path:
    from replyrank.training.build import dataset_for  # noqa: PLC0415  needs the extra
    from replyrank.training.config import CorrectionConfig  # noqa: PLC0415  as above

    if isinstance(config, CorrectionConfig):
        message = f"{file} corrects a model by a team's own labels; give --posts"
        raise UsageError(message)
    return dataset_for(config, corpora, folder, report=_say)


def _track(store: Any, facts: Any) -> None:
    from replyrank.training.tracked import track  # noqa: PLC0415  needs the extra

    _say("logging to MLflow: figures, intervals, a replay of the sample trace")
    logged = track(store, facts, _say)
    _say(f"{logged.model} version {logged.version}, run {logged.run_id}, {logged.uri}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
