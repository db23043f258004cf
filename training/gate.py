"""The gate: whether a challenger may take the champion's place, and every reason why not."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from replyrank.data.behaviour import load_cases
from replyrank.data.readers import ReadOptions
from replyrank.data.samples.load import sample_path
from replyrank.data.text_key import text_key
from replyrank.models.artefact import Artefact
from replyrank.models.find import open_artefact
from replyrank.models.held_out import HeldOut, short_key
from replyrank.models.scorer import Scorer
from replyrank.pipeline.errors import SimulationError
from replyrank.pipeline.markdown import table
from replyrank.pipeline.policy_file import load_policy
from replyrank.pipeline.simulation.orders import MODEL, OrderName
from replyrank.pipeline.simulation.population import make_population
from replyrank.pipeline.simulation.rules import load_rules
from replyrank.pipeline.simulation.scenarios import load_scenarios
from replyrank.pipeline.simulation.study import main_cases, run_cases
from replyrank.pipeline.simulation.trace import read_trace
from replyrank.pipeline.simulation.world import Setting
from replyrank.training.behaviour import behaviour_report, case_texts
from replyrank.training.gate_figures import Compared, Pairing, Subject
from replyrank.training.gate_posts import GatePosts
from replyrank.training.gate_rules import GateRules
from replyrank.training.predictions import Predictions, predict
from replyrank.training.rows import MASKED

_SEEDS: Final = 3
_COMPANION: Final = ": "
#: figures of which less is better
_LESS: Final = frozenset(
    {"ece_intent", "ece_urgency_high", "ece_sentiment", "slice_ece", "queue_cost", "latency"}
)
#: figures whose tolerance is a share of the champion's
_RELATIVE: Final = frozenset({"queue_cost", "latency"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure, and whether it lets the challenger pass."""

    figure: str
    champion: float | None
    challenger: float
    #: challenger less champion, of latency and cost as a share; its interval where it is resampled
    difference: float
    low: float | None
    high: float | None
    #: posts, or texts, that it was measured on
    n: int
    tolerance: float
    passed: bool

    @property
    def sentence(self) -> str:
        """The figure in words."""
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
                f"{one.challenger:.4g}",
                f"{one.difference:+.4f}",
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
        )


def run_gate(
    champion: Artefact, challenger: Artefact, posts: GatePosts, rules: GateRules
) -> GateReport:
    """Hold a challenger against a champion.

    Args:
        champion: the model in use.
        challenger: the one that is to replace it.
        posts: labelled posts that neither was trained on.
        rules: the tolerances.
    """
    old, new = (open_artefact(one, threads=1) for one in (champion, challenger))
    cases = case_texts(load_cases())
    texts = (*posts.rows.texts, *cases)
    said = [predict(scorer, texts) for scorer in (old, new)]
    subjects = [
        Subject.of(one.part(slice(0, len(posts))), scorer.config.thresholds.support_request)
        for one, scorer in zip(said, (old, new), strict=True)
    ]
    pairing = Pairing(posts, subjects[0], subjects[1], rules.seed, rules.resamples)
    verdicts = [
        _verdict(name, one, rules) for name, one in pairing.compare(rules.least_slice).items()
    ]
    for kind, one in _behaviour(said, len(posts)).items():
        verdicts.append(_verdict(f"behaviour_{kind}", one, rules))
    cost = _queue_cost(posts, subjects)
    verdicts += [] if cost is None else [_verdict("queue_cost", cost, rules)]
    verdicts.append(_verdict("latency", _latency(old, new, posts, rules.timed_texts), rules))
    verdicts.append(_alone_in_batch(new, posts, rules))
    return GateReport(
        old.config.name,
        new.config.name,
        rules.name,
        f"{posts.name} ({len(posts):,} posts of "
        f"{len({one for one in posts.companies if one is not None}):,} companies)",
        tuple(verdicts),
    )


def _verdict(name: str, one: Compared, rules: GateRules) -> Verdict:
    figure = name.partition(_COMPANION)[0]
    tolerance = float(getattr(rules.tolerances, figure))
    scale = one.champion if figure in _RELATIVE and one.champion else 1.0
    worse = (one.difference if figure in _LESS else -one.difference) / scale
    resampled = not np.isnan(one.low)
    return Verdict(
        figure=name,
        champion=one.champion,
        challenger=one.challenger,
        difference=one.difference / scale,
        low=one.low / scale if resampled else None,
        high=one.high / scale if resampled else None,
        n=one.n,
        tolerance=tolerance,
        # A figure that neither has (no critical post, say) decides nothing.
        passed=bool(worse <= tolerance or np.isnan(worse)),
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


def _queue_cost(posts: GatePosts, subjects: Sequence[Subject]) -> Compared | None:
    """Cost of waiting on the sample trace, its messages labelled by the gate's posts.

    None for too few posts with all labels.
    """
    policy = load_policy()
    scenarios = load_scenarios().model_copy(update={"seeds": _SEEDS})
    with sample_path("trace.csv") as sample:
        trace = read_trace(sample, ReadOptions(), scenarios, policy)
    costs: list[float] = []
    for subject in subjects:
        try:
            population = make_population({MODEL: _held_out(posts, subject)}, load_rules())
            setting = Setting(scenarios, trace, population, scenarios.reference_mix)
            runs = run_cases(setting, policy, main_cases(setting, (OrderName.OURS,)))
        except SimulationError:
            return None
        costs.append(float(sum(one.figure(OrderName.OURS, "cost").sum() for one in runs)))
    return _plain(costs[0], costs[1], len(posts))


def _held_out(posts: GatePosts, subject: Subject) -> HeldOut:
    labels = posts.rows
    known = (labels.intent != MASKED) & (labels.urgency != MASKED) & (labels.sentiment != MASKED)
    rows = np.flatnonzero(known)
    names = sorted({name for name in posts.companies if name is not None})
    numbers = {name: number for number, name in enumerate(names)}
    rules = load_rules()
    texts = [labels.texts[row] for row in rows]
    return HeldOut(
        key=np.array([short_key(text_key(text)) for text in texts], dtype=np.uint64),
        company=np.array([numbers.get(posts.companies[row] or "", -1) for row in rows], np.int64),
        intent=labels.intent[rows],
        urgency=labels.urgency[rows],
        sentiment=labels.sentiment[rows],
        need=subject.need[rows],
        p_sentiment=subject.p_sentiment[rows],
        rule_hits=rules.hits(texts),
        rules=rules.fingerprint,
    )


def _latency(old: Scorer, new: Scorer, posts: GatePosts, most: int) -> Compared:
    """Median milliseconds of one text, both models in turn."""
    texts = posts.rows.texts[:most]
    times: dict[int, list[float]] = {0: [], 1: []}
    for text in texts[:5]:
        old.score([text]), new.score([text])
    for turn, text in enumerate(texts):
        # Which goes first changes, so that neither always finds the other's cache.
        for which in ((0, 1), (1, 0))[turn % 2]:
            start = time.perf_counter()
            (old, new)[which].score([text])
            times[which].append(1_000 * (time.perf_counter() - start))
    return _plain(statistics.median(times[0]), statistics.median(times[1]), len(texts))


def _alone_in_batch(scorer: Scorer, posts: GatePosts, rules: GateRules) -> Verdict:
    """Largest difference of a probability between a text alone and in a batch."""
    texts = posts.rows.texts[: rules.timed_texts]
    batch = scorer.score_batch(texts)
    alone = [scorer.score_batch([text]) for text in texts]
    largest = max(
        float(np.abs(np.concatenate([one.need for one in alone]) - batch.need).max()),
        float(np.abs(np.concatenate([one.p_sentiment for one in alone]) - batch.p_sentiment).max()),
    )
    tolerance = rules.tolerances.alone_in_batch
    return Verdict(
        "alone_in_batch", None, largest, largest, None, None, len(texts), tolerance,
        passed=largest <= tolerance,
    )  # fmt: skip


def _plain(champion: float, challenger: float, n: int) -> Compared:
    """A figure without an interval."""
    return Compared(champion, challenger, challenger - champion, np.nan, np.nan, n)
