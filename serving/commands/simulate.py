"""``replyrank simulate``: what each way of ordering the queue would have cost."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from replyrank.data.errors import UsageError
from replyrank.data.readers.targets import Target
from replyrank.data.samples.load import sample_path
from replyrank.data.wording import counted
from replyrank.models.artefact import Artefact
from replyrank.models.config import ModelKind
from replyrank.models.cpus import available_cpus
from replyrank.models.errors import ArtefactError, ModelNotFoundError
from replyrank.models.find import FALLBACK as FALLBACK_MODEL
from replyrank.models.find import find_artefact, load_scorer
from replyrank.models.held_out import HeldOut, load_held_out
from replyrank.pipeline.policy import FloatArray, Policy
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.simulation.mix import trace_mix
from replyrank.pipeline.simulation.orders import FALLBACK, MODEL
from replyrank.pipeline.simulation.population import make_population, shared_posts
from replyrank.pipeline.simulation.replay import OWN_MIX, REFERENCE_MIX, Replay, replay
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.pipeline.simulation.scenarios import Scenarios, load_scenarios
from replyrank.pipeline.simulation.trace import Trace, read_trace
from replyrank.pipeline.simulation.world import Setting
from replyrank.serving import simulation_view as view
from replyrank.serving.commands import options
from replyrank.serving.commands.problems import ProblemPrinter
from replyrank.serving.simulation_plot import plot

_REPORT: Final = "replay"
_SUFFIXES: Final = ("md", "json", "svg")
#: a second model stands beside if it knows so many of the first one's posts
_ENOUGH: Final = 0.9


def simulate(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="TRACE", help="Messages with times: CSV, JSONL or Parquet; else the sample."
        ),
    ] = None,
    *,
    target: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for report, figures, picture."),
    ] = None,
    scenario_file: Annotated[
        Path | None,
        typer.Option(
            "--scenarios", metavar="FILE", help="YAML; states what differs from the default."
        ),
    ] = None,
    policy_file: options.PolicyFile = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Also the reference mix, and one thing changed at a time."),
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(callback=options.at_least(2), help="Runs of each scenario.")
    ] = None,
    model: options.ModelName = None,
    threads: options.Threads = None,
    kind: options.InputFormat = None,
    text_column: options.TextColumn = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    encoding: options.Encoding = None,
    zone: options.Zone = "UTC",
    dates: options.Dates = None,
    force: options.Force = False,
) -> None:
    """Replay real arrivals and show what each way of ordering the queue costs.

    TRACE gives the times and what the messages are about. Their true labels, and what the model
    says of them, are those of labelled posts of companies that its training had not seen. As many
    runs go on at the same time as --threads says.
    """
    if target is not None:
        _check_target(target, force=force)
    policy, scenarios = load_policy(policy_file), load_scenarios(scenario_file)
    if seeds is not None:
        scenarios = scenarios.model_copy(update={"seeds": seeds})
    reading = options.read_options(
        kind, text_column, delimiter, encoding, columns=columns, zone=zone, dates=dates
    )
    artefact = find_artefact(model)
    population = make_population(_models(artefact), load_rules())
    told = ProblemPrinter()
    with sample_path("trace.csv") as sample:
        trace = read_trace(source or sample, reading, scenarios, policy, told)
    told.close()
    mixes = _mixes(trace, scenarios, model, threads)
    setting = Setting(scenarios, trace, population, scenarios.reference_mix)
    found = _run(setting, policy, mixes, full=full, processes=threads or available_cpus())
    about = _about(found, policy, artefact)
    if target is not None:
        _write(found, about, target, force=force)
    _show(found)
    if target is None:
        typer.echo("for a report with the picture and all figures: -o FOLDER", err=True)
    told.require_whole(source or "the sample")


def _models(artefact: Artefact) -> dict[str, HeldOut]:
    """The model, and the shipped linear one where it was trained on the same posts."""
    models = {MODEL: load_held_out(artefact)}
    if artefact.config.kind is ModelKind.LINEAR:
        return models
    try:
        other = load_held_out(find_artefact(FALLBACK_MODEL))
    except (ArtefactError, ModelNotFoundError) as error:
        typer.echo(f"without the linear model: {error}", err=True)
        return models
    share = len(shared_posts(models[MODEL], other)) / max(len(models[MODEL]), 1)
    if share >= _ENOUGH:
        models[FALLBACK] = other
    else:
        typer.echo(f"without the linear model: it knows {share:.0%} of the model's posts", err=True)
    return models


def _mixes(
    trace: Trace, scenarios: Scenarios, model: str | None, threads: int | None
) -> dict[str, FloatArray]:
    typer.echo(f"scoring the {len(trace):,} messages of {trace.name} for their mix", err=True)
    own = trace_mix(trace.texts, load_scorer(model, threads=threads))
    mixes = {} if own is None else {OWN_MIX: own}
    return mixes | {REFERENCE_MIX: scenarios.reference_mix}


def _run(
    setting: Setting,
    policy: Policy,
    mixes: dict[str, FloatArray],
    *,
    full: bool,
    processes: int,
) -> Replay:
    bar = Progress(
        TextColumn("replaying"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )
    with bar:
        task = bar.add_task("replaying", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return replay(setting, policy, mixes, full=full, processes=processes, on_done=show)


def _about(found: Replay, policy: Policy, artefact: Artefact) -> list[tuple[str, str]]:
    setting, trace = found.setting, found.setting.trace
    population = setting.population
    without = f"; without {counted(trace.empty_weeks, 'week')} in which hardly anybody wrote"
    without = f"{without} ({counted(trace.left_out, 'message')})" if trace.empty_weeks else ""
    return [
        ("trace", f"{trace.name}: {len(trace):,} messages in {trace.days:.1f} days{without}"),
        ("model", artefact.config.name),
        (
            "labelled posts",
            f"{len(population):,} of {population.companies:,} companies, each judged by a model "
            "that had not seen its company",
        ),
        ("policy", f"{policy.name} ({policy.fingerprint})"),
        ("scenarios", f"{setting.scenarios.name} ({setting.scenarios.fingerprint})"),
        ("agents", str(setting.scenarios.agents)),
        ("seeds", str(setting.scenarios.seeds)),
    ]


def _show(found: Replay) -> None:
    console = Console()
    if console.is_terminal:
        view.tables(found, console)
    else:
        typer.echo(view.text(found), nl=False)


def _check_target(folder: Path, *, force: bool) -> None:
    """Refuse a target before the work, not after it."""
    if folder.exists() and not folder.is_dir():
        message = f"{str(folder)!r} is a file; give a folder for the report"
        raise UsageError(message)
    for suffix in _SUFFIXES:
        if (folder / f"{_REPORT}.{suffix}").exists() and not force:
            message = f"{str(folder)!r} holds a replay already; "
            raise UsageError(message + "name another folder, or give --force")


def _write(found: Replay, about: list[tuple[str, str]], folder: Path, *, force: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    contents = (view.markdown(found, about), view.as_json(found, about), plot(found))
    for suffix, content in zip(_SUFFIXES, contents, strict=True):
        with Target(folder / f"{_REPORT}.{suffix}", force=force) as out:
            out.stream.write(content.encode("utf-8"))
    typer.echo(f"wrote {folder / _REPORT}.md, .json and .svg", err=True)
