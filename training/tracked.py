"""What of a finished run is tracked: its config, its data by hash, its figures, its papers."""

import hashlib
import json
import platform
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Final

import yaml

from replyrank.data.readers.targets import Target
from replyrank.models.artefact import CARD, Artefact, verify
from replyrank.pipeline.policy_file import load_policy
from replyrank.training.code_version import code_tags
from replyrank.training.config import AnyConfig
from replyrank.training.curves import run_curves
from replyrank.training.evaluation_report import DataReport, EvaluationReport, Figure, Report
from replyrank.training.held_out_report import held_out_before, held_out_report
from replyrank.training.material import Material
from replyrank.training.report import write_report
from replyrank.training.rows import TrainingRows
from replyrank.training.tracked_replay import NOT_IN_NAMES, Replayed, replayed, replayed_beside
from replyrank.training.tracking import DataInput, FinishedRun, Logged, Tracking
from replyrank.training.wheel import own_wheel

_LOGGED: Final = "mlflow.json"
#: heading of the card with which its summary ends, and the most that MLflow takes of a description
_AFTER_SUMMARY: Final = "\n## Training data"
_LONGEST_TAG: Final = 5_000


@dataclass(frozen=True)
class RunFacts:
    """A run that made an artefact."""

    config: AnyConfig
    material: Material
    artefact: Path
    #: its folder, with the curves in it
    work: Path
    #: the model that it corrected
    start: Artefact | None = None


def track(
    tracking: Tracking, facts: RunFacts, tell: Callable[[str], None] = lambda _line: None
) -> Logged:
    """Log a run once: what was logged of the same artefact in the same store stays as it is.

    Args:
        tracking: the store.
        facts: of the run.
        tell: is told what could not be logged.

    Raises:
        TrackingError: if the store does not take it.
    """
    artefact, note = verify(facts.artefact), facts.work / _LOGGED
    known = _known(note, tracking.uri, artefact.manifest_sha256)
    if known is not None and tracking.has(known):
        return known
    with _finished(facts, artefact, tell) as run:
        logged = tracking.log(run)
    facts_of_it = {**asdict(logged), "manifest": artefact.manifest_sha256}
    with Target(note, force=True) as out:
        out.stream.write(json.dumps(facts_of_it).encode())
    return logged


def _known(note: Path, uri: str, manifest_sha256: str) -> Logged | None:
    """What was logged of an artefact before; a note that cannot be read counts as none."""
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if (known["uri"], known["manifest"]) != (uri, manifest_sha256):
            return None
        return Logged(known["run_id"], known["model"], known["version"], known["uri"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _finished(
    facts: RunFacts, artefact: Artefact, tell: Callable[[str], None]
) -> Generator[FinishedRun]:
    report = held_out_report(artefact, facts.material, load_policy())
    replay = _replay(facts, artefact)
    with tempfile.TemporaryDirectory() as place:
        files = Path(place)
        _write_files(files, facts, artefact, report)
        wheel = own_wheel(files / "wheel")
        if wheel is None:
            tell("without the wheel of this package: it could not be made here")
        yield FinishedRun(
            name=facts.config.name,
            description=_summary(artefact),
            artefact=facts.artefact,
            params=dict(_flat(facts.config.model_dump(mode="json"))),
            tags={
                "replyrank": version("replyrank"),
                **code_tags(wheel),
                "python": platform.python_version(),
                "machine": f"{platform.system()} {platform.machine()}",
                "manifest_sha256": artefact.manifest_sha256,
                "replay_posts": replay.posts,
                **({} if facts.start is None else {"corrects": facts.start.manifest_sha256}),
            },
            inputs=data_inputs(facts.material),
            curves=run_curves(facts.work),
            metrics={
                **report_metrics(report),
                **before_metrics(facts, artefact),
                **replay.metrics,
            },
            files=files,
            requirement=f"replyrank=={version('replyrank')}",
        )


def _replay(facts: RunFacts, artefact: Artefact) -> Replayed:
    if facts.start is None:
        return replayed(artefact)
    return replayed_beside(facts.start, artefact, facts.material)


def _summary(artefact: Artefact) -> str:
    """The card as far as it fits a tag: what the model is, its figures, what its export cost."""
    card = artefact.path(CARD).read_text(encoding="utf-8")
    return card.partition(_AFTER_SUMMARY)[0].strip()[:_LONGEST_TAG]


def _write_files(
    files: Path, facts: RunFacts, artefact: Artefact, report: EvaluationReport
) -> None:
    data = DataReport(
        file="posts of companies not seen" if facts.start is None else "the team's posts",
        sha256=facts.material.fingerprint(),
        rows=report.rows,
        left_out=(),
    )
    whole = Report(data=data, baseline_data=None, model=report, baselines=())
    write_report(whole, files / "report")
    (files / CARD).write_bytes(artefact.path(CARD).read_bytes())
    config = yaml.safe_dump(facts.config.model_dump(mode="json"), sort_keys=False)
    (files / "config.yaml").write_text(config, encoding="utf-8")
    installed = sorted({f"{one.name}=={one.version}" for one in distributions()})
    (files / "environment.txt").write_text("\n".join(installed) + "\n", encoding="utf-8")
    (files / "wheel").mkdir()


def data_inputs(material: Material) -> list[DataInput]:
    """The parts of the material that are not empty, each by the hash of its rows."""
    parts = {
        "posts": (material.posts, "training"),
        "beside": (material.companions, "training"),
        "first stage": (material.auxiliary, "pretraining"),
    }
    sources = {
        "posts": material.counts.get("posts", {}),
        "beside": {**material.counts.get("added posts", {}), **material.counts.get("beside", {})},
        "first stage": material.counts.get("first stage", {}),
    }
    found = [
        DataInput(name, rows_hash(rows), context, sources[name])
        for name, (rows, context) in parts.items()
        if len(rows)
    ]
    if material.unlabelled:
        digest = hashlib.sha256("\n".join(map(json.dumps, material.unlabelled)).encode())
        read = material.counts.get("read without labels", {})
        found.append(DataInput("read without labels", digest.hexdigest(), "pretraining", read))
    return found


def rows_hash(rows: TrainingRows) -> str:
    """SHA-256 of texts and labels in their order."""
    digest = hashlib.sha256()
    for line in rows.lines():
        digest.update(line)
    return digest.hexdigest()


def report_metrics(report: EvaluationReport) -> dict[str, float]:
    """Every figure that is defined, with the ends of its interval, by a name of its place."""
    found: dict[str, float] = {}

    def add(place: str, figures: Mapping[str, Figure]) -> None:
        for name, figure in figures.items():
            for end, value in (("", figure.value), (" low", figure.low), (" high", figure.high)):
                if value is not None:
                    found[NOT_IN_NAMES.sub("_", f"{place}/{name}{end}")] = value

    for head, of_head in report.heads.items():
        add(head, of_head.figures)
        for one in of_head.classes:
            figures = {"precision": one.precision, "recall": one.recall, "f1": one.f1}
            add(f"{head}/{one.name}", figures)
    for event, of_event in report.binary.items():
        add(event, of_event.figures)
    add("queue", report.queue)
    add("review", report.review)
    for part in report.slices:
        add(f"slice/{part.dimension}/{part.value}", part.figures)
    if report.behaviour is not None:
        add("behaviour", report.behaviour.kinds)
        add("behaviour", {suite.capability: suite.passed for suite in report.behaviour.suites})
    return found


def before_metrics(facts: RunFacts, artefact: Artefact) -> dict[str, float]:
    """Figures of the model that was corrected, on the same posts; nothing of any other run."""
    if facts.start is None:
        return {}
    found = report_metrics(held_out_before(facts.start, artefact, facts.material))
    return {f"before/{name}": value for name, value in found.items()}


def _flat(values: Mapping[str, object], place: str = "") -> Iterator[tuple[str, object]]:
    """Keys of nested mappings joined by dots."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value
