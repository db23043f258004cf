"""The gate: whether a challenger may take the champion's place, and every reason why not."""

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from replyrank.data.behaviour import load_cases
from replyrank.data.errors import UsageError
from replyrank.models.artefact import Artefact
from replyrank.models.find import open_artefact
from replyrank.models.held_out import has_held_out, load_held_out
from replyrank.models.scorer import Scorer
from replyrank.pipeline.errors import SimulationError
from replyrank.pipeline.markdown import table
from replyrank.pipeline.simulation.orders import OrderName
from replyrank.training.behaviour import behaviour_report, case_texts
from replyrank.training.export_record import EXPORT
from replyrank.training.gate_export import EXPORT_FIGURES, export_figures, why_not_judged
from replyrank.training.gate_figures import FIGURES_OF, Compared, Pairing, Subject
from replyrank.training.gate_posts import GatePosts
from replyrank.training.gate_rules import GateRules
from replyrank.training.held_out_posts import held_out_posts
from replyrank.training.predictions import Predictions, predict
from replyrank.training.rows import MASKED
from replyrank.training.sample_replay import replay_sample

_COMPANION: Final = ": "
#: figures that there need not be: no slice may be large enough
_OPTIONAL: Final = frozenset({"slice_ece", "slice_ece_urgency_high", "slice_ece_sentiment"})
#: figures of which less is better
_LESS: Final = frozenset(
    {"ece_intent", "ece_urgency_high", "ece_sentiment", *_OPTIONAL, "queue_cost", "latency"}
)
#: figures whose tolerance is a share of the champion's
_RELATIVE: Final = frozenset({"queue_cost", "latency"})
#: figures of the challenger alone
_ABSOLUTE: Final = frozenset({"alone_in_batch", *EXPORT_FIGURES})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure, and whether it lets the challenger pass."""

    figure: str
    champion: float | None
    #: None: could not be measured
    challenger: float | None
    #: challenger less champion, of latency and cost as a share; its interval where it is resampled
    difference: float | None
    low: float | None
    high: float | None
    #: posts, or texts, that it was measured on
    n: int
    tolerance: float
    passed: bool

    @property
    def sentence(self) -> str:
        """The figure in words."""
        if self.difference is None or self.challenger is None:
            name = self.figure.partition(_COMPANION)[0]
            return (
                f"{self.figure}: not measured: {_why_not(name, self.n)}, or state {name}: null "
                "under tolerances in a file for --rules"
            )
        was = "" if self.champion is None else f"{self.champion:.4g} -> "
        interval = "" if self.low is None else f", 95 % {self.low:+.4f} to {self.high:+.4f}"
        return (
            f"{self.figure}: {was}{self.challenger:.4g} ({self.difference:+.4f}{interval}; "
            f"tolerance {self.tolerance:g}, n {self.n:,})"
        )


@dataclass(frozen=True)
class GateReport:
    """What the gate found."""

    champion: str
    challenger: str
    rules: str
    posts: str
    verdicts: tuple[Verdict, ...]
    #: which rules do not apply, and why
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every figure lets the challenger pass."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """What does not let it pass."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)

    def as_dict(self) -> dict[str, object]:
        """Fit for JSON."""
        return {**asdict(self), "passed": self.passed}

    def markdown(self) -> str:
        """One row a figure."""
        rows = [
            (
                "pass" if one.passed else "**FAIL**",
                one.figure,
                "-" if one.champion is None else f"{one.champion:.4g}",
                "not measured" if one.challenger is None else f"{one.challenger:.4g}",
                "-" if one.difference is None else f"{one.difference:+.4f}",
                "-" if one.low is None else f"{one.low:+.4f} to {one.high:+.4f}",
                f"{one.tolerance:g}",
                f"{one.n:,}",
            )
            for one in self.verdicts
        ]
        names = ("", "figure", "champion", "challenger", "difference", "95 %", "tolerance", "n")
        outcome = "may take its place" if self.passed else "is refused"
        return (
            f"# {self.challenger} against {self.champion}\n\nOn {self.posts}, by the rules "
            f"{self.rules!r}: the challenger {outcome}.\n\n{table(names, rows)}\n"
            + "".join(f"\n{note}\n" for note in self.notes)
        )


def run_gate(
    champion: Artefact, challenger: Artefact, posts: GatePosts, rules: GateRules
) -> GateReport:
    """Hold a challenger against a champion.

    Args:
        champion: the model in use.
        challenger: the one that is to replace it.
        posts: labelled posts that neither was trained on; see ``unseen``.
        rules: the tolerances.
    """
    old, new = (open_artefact(one, threads=1) for one in (champion, challenger))
    texts = (*posts.rows.texts, *case_texts(load_cases()))
    said = [predict(scorer, texts) for scorer in (old, new)]
    subjects = [
        Subject.of(one.part(slice(0, len(posts))), scorer.config.thresholds.support_request)
        for one, scorer in zip(said, (old, new), strict=True)
    ]
    pairing = Pairing(posts, subjects[0], subjects[1], rules.seed, rules.resamples)
    found = pairing.compare(rules.least_slice)
    found |= {f"behaviour_{kind}": one for kind, one in _behaviour(said, len(posts)).items()}
    found |= _queue_cost(posts, subjects)
    found["latency"] = _latency(old, new, posts, rules.timed_texts)
    found["alone_in_batch"] = _alone_in_batch(new, posts, rules.timed_texts)
    of_export, notes = export_figures(challenger), tuple[str, ...]()
    judged = [name for name in EXPORT_FIGURES if getattr(rules.tolerances, name) is not None]
    if of_export is None:
        rules = rules.without(EXPORT_FIGURES)
        notes = (why_not_judged(challenger, judged),) if judged else ()
    found |= of_export or {}
    companies = len({one for one in posts.companies if one is not None})
    return GateReport(
        old.config.name,
        new.config.name,
        rules.name,
        f"{posts.name} ({len(posts):,} posts of {companies:,} companies)",
        tuple(_verdicts(found, rules)),
        notes,
    )


def unseen(posts: GatePosts, models: Iterable[Artefact]) -> GatePosts:
    """The posts that no model is known to have been trained on.

    A model knows its fully labelled training posts by their keys; others that trained beside them
    it does not tell.

    Raises:
        UsageError: if none is left.
    """
    known = [load_held_out(one).places(posts.rows.texts) for one in models if has_held_out(one)]
    kept = [row for row in range(len(posts)) if all(places[row] is None for places in known)]
    if not kept:
        message = f"every post of {posts.name} trained one of the two models; give others"
        raise UsageError(message)
    lost = len(posts) - len(kept)
    if not lost:
        return posts
    return posts.take(
        np.array(kept, dtype=np.int64),
        f"{lost:,} of {len(posts):,} posts are left out: one of the two models was trained on them",
    )


def _why_not(figure: str, n: int) -> str:
    """What is lacking to measure a figure, and the remedy; ``n`` posts have its label."""
    if figure in EXPORT_FIGURES:
        return f"{EXPORT} of the challenger does not tell it; train it again"
    if figure == "queue_cost":
        return "a replay needs more posts that have all three labels; label such posts"
    label = next((label for label, of in FIGURES_OF.items() if figure in of), None)
    if label is None or n:
        return f"none of the {n:,} posts is of the kind that it is about; label such posts"
    return f"no post has a label of {label}; label such posts"


def _verdicts(found: Mapping[str, Compared], rules: GateRules) -> Iterator[Verdict]:
    """A verdict for every figure that is judged, in the order of the rules."""
    for figure in type(rules.tolerances).model_fields:
        tolerance: float | None = getattr(rules.tolerances, figure)
        of_figure = {
            name: one for name, one in found.items() if name.partition(_COMPANION)[0] == figure
        }
        if tolerance is None:
            continue
        if not of_figure and figure not in _OPTIONAL:
            yield Verdict(figure, None, None, None, None, None, 0, tolerance, passed=False)
        for name, one in of_figure.items():
            yield _verdict(name, figure, one, tolerance)


def _verdict(name: str, figure: str, one: Compared, tolerance: float) -> Verdict:
    tolerance = max(tolerance, one.chance)
    scale = one.champion if figure in _RELATIVE and one.champion else 1.0
    worse = (one.difference if figure in _LESS else -one.difference) / scale
    if np.isnan(one.challenger):
        champion = None if np.isnan(one.champion) else one.champion
        return Verdict(name, champion, None, None, None, None, one.n, tolerance, passed=False)
    if np.isnan(one.champion):
        # Nothing to compare with: what is better than undefined, or decided by itself.
        worse = one.challenger if figure in _ABSOLUTE else 0.0
    resampled = not np.isnan(one.low)
    return Verdict(
        figure=name,
        champion=None if np.isnan(one.champion) else one.champion,
        challenger=one.challenger,
        difference=float(worse) if np.isnan(one.difference) else one.difference / scale,
        low=one.low / scale if resampled else None,
        high=one.high / scale if resampled else None,
        n=one.n,
        tolerance=tolerance,
        passed=bool(worse <= tolerance),
    )


def _behaviour(said: Sequence[Predictions], start: int) -> dict[str, Compared]:
    """Share of cases that pass, by kind."""
    reports = [
        behaviour_report(one.part(slice(start, None)), seed=0, resamples=1).kinds for one in said
    ]
    return {
        kind: _plain(float(old.value or 0), float(reports[1][kind].value or 0), old.n)
        for kind, old in reports[0].items()
    }


def _queue_cost(posts: GatePosts, subjects: Sequence[Subject]) -> dict[str, Compared]:
    """Cost of waiting on the sample trace, its messages labelled by the gate's posts.

    Nothing for too few posts with all labels.
    """
    labels = posts.rows
    known = (labels.intent != MASKED) & (labels.urgency != MASKED) & (labels.sentiment != MASKED)
    rows = np.flatnonzero(known)
    names = sorted({name for name in posts.companies if name is not None})
    numbers = {name: number for number, name in enumerate(names)}
    companies = np.array([numbers.get(posts.companies[row] or "", -1) for row in rows], np.int64)
    costs: list[float] = []
    for subject in subjects:
        judged = held_out_posts(
            labels.take(rows), companies, subject.need[rows], subject.p_sentiment[rows]
        )
        try:
            runs = replay_sample(judged, (OrderName.OURS,))
        except SimulationError:
            return {}
        costs.append(float(sum(one.figure(OrderName.OURS, "cost").sum() for one in runs)))
    return {"queue_cost": _plain(costs[0], costs[1], len(rows))}


def _latency(old: Scorer, new: Scorer, posts: GatePosts, most: int) -> Compared:
    """Median milliseconds of one text, both models in turn."""
    texts = posts.rows.texts[:most]
    times: dict[int, list[float]] = {0: [], 1: []}
    for scorer in (old, new):
        scorer.score(texts[:5])
    for turn, text in enumerate(texts):
        # Which goes first changes, so that neither always finds the other's cache.
        for which in ((0, 1), (1, 0))[turn % 2]:
            start = time.perf_counter()
            (old, new)[which].score([text])
            times[which].append(1_000 * (time.perf_counter() - start))
    return _plain(statistics.median(times[0]), statistics.median(times[1]), len(texts))


def _alone_in_batch(scorer: Scorer, posts: GatePosts, most: int) -> Compared:
    """Largest difference of a probability between a text alone and in a batch."""
    texts = posts.rows.texts[:most]
    batch = scorer.score_batch(texts)
    alone = [scorer.score_batch([text]) for text in texts]
    largest = max(
        float(np.abs(np.concatenate([one.need for one in alone]) - batch.need).max()),
        float(np.abs(np.concatenate([one.p_sentiment for one in alone]) - batch.p_sentiment).max()),
    )
    return _plain(np.nan, largest, len(texts))


def _plain(champion: float, challenger: float, n: int) -> Compared:
    """A figure without an interval."""
    return Compared(champion, challenger, challenger - champion, np.nan, np.nan, n)
