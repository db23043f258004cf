"""The report of an evaluation, as it is written to JSON."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

#: stands for a figure that is not defined
NOT_DEFINED: Final = "-"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Frozen):
    """A figure, its 95 % interval, and the posts it was measured on; None: not defined."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Reliability(_Frozen):
    """Bins of equal mass in the order of the probability, empty ones left out."""

    mean_p: tuple[float, ...]
    #: share of the posts of the bin in which the event was true
    share: tuple[float, ...]
    rows: tuple[int, ...]


class PrecisionRecallCurve(_Frozen):
    """Precision and recall at rising thresholds, thinned."""

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    threshold: tuple[float, ...]


class ClassFigures(_Frozen):
    """One class of a head."""

    name: str
    #: posts of the class
    support: int
    #: posts predicted as it
    predicted: int
    precision: Figure
    recall: Figure
    f1: Figure
    reliability: Reliability


class HeadReport(_Frozen):
    """Intent, urgency level or sentiment."""

    classes: tuple[ClassFigures, ...]
    #: counts; rows are true, columns predicted, both in the order of ``classes``
    confusion: tuple[tuple[int, ...], ...]
    #: macro_f1, macro_recall, accuracy, quadratic_kappa (urgency), ece, ece_by_chance, brier
    figures: dict[str, Figure]

    @property
    def n(self) -> int:
        """Posts with this label."""
        return sum(a.support for a in self.classes)


class BinaryReport(_Frozen):
    """An event that is true of a post or not."""

    positives: int
    #: the artefact's own threshold, where it has one
    threshold: float | None
    #: auroc, average_precision, ece, ece_by_chance, precision_at_threshold, recall_at_threshold
    figures: dict[str, Figure]
    reliability: Reliability
    curve: PrecisionRecallCurve | None


class SliceReport(_Frozen):
    """The main figures on part of the posts."""

    dimension: str
    value: str
    rows: int
    #: intent_macro_f1, urgency_kappa, urgency_high_auroc, sentiment_macro_recall
    figures: dict[str, Figure]


class SuiteReport(_Frozen):
    """One capability of the behaviour suites."""

    capability: str
    templates: int
    #: share of its cases that pass; n counts cases
    passed: Figure
    #: of its cases of invariance, the share in which urgency stands still; None without any
    steady: Figure | None
    #: of its cases of direction, the share in which what must not fall rises; None without any
    rises: Figure | None = None


class BehaviourReport(_Frozen):
    """What a model makes of the behaviour suites."""

    suites: tuple[SuiteReport, ...]
    #: minimum, invariance, direction: share of cases that pass, over all suites
    kinds: dict[str, Figure]
    #: share of the cases of direction in which what must not fall rises, over all suites
    rises: Figure | None = None


class EvaluationReport(_Frozen):
    """All figures of one model on one set of posts."""

    name: str
    rows: int
    seed: int
    resamples: int
    #: what the intervals draw
    resampled: Literal["posts", "companies"]
    #: of intent, urgency, sentiment those that have labels and predictions
    heads: dict[str, HeadReport]
    #: urgency_high, critical, support_request
    binary: dict[str, BinaryReport]
    #: critical_in_top, high_or_critical_in_top; n counts the posts looked for
    queue: dict[str, Figure]
    #: low_confidence_share, intent_macro_f1_on_rest, gain
    review: dict[str, Figure]
    #: posts by reason to look
    reviews: dict[str, int]
    slices: tuple[SliceReport, ...]
    #: None for a model that lacks a head
    behaviour: BehaviourReport | None = None


class LeftOut(_Frozen):
    """A row of the file that could not be used."""

    line: int
    reason: str


class DataReport(_Frozen):
    """What was read."""

    file: str
    sha256: str
    rows: int
    left_out: tuple[LeftOut, ...]


class Report(_Frozen):
    """What ``replyrank evaluate`` writes."""

    schema_version: Literal[1] = 1
    data: DataReport
    #: posts that the baselines were fitted on, where there are such
    baseline_data: DataReport | None
    model: EvaluationReport
    baselines: tuple[EvaluationReport, ...]
