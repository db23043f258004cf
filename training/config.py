"""The training config: one YAML file, validated, logged whole with every run."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from replyrank.data.errors import UsageError
from replyrank.models.config import NAME_PATTERN
from replyrank.models.encoder import PACKAGED_MINILM

Share = Annotated[float, Field(ge=0, le=1)]
#: where the shipped configs lie
SHIPPED: Final = Path(__file__).parent / "configs"
#: of teachers, for each seed of a student
_SEEDS = 10

Positive = Annotated[float, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OptimisationConfig(_Frozen):
    """How a stage goes through its rows, whatever it learns from them."""

    #: passes over the rows
    epochs: Annotated[float, Field(gt=0, le=50)]
    learning_rate: Positive
    #: share of the learning rate that each layer below the last keeps of the one above
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    warmup: Share = 0.06
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    batch_size: Annotated[int, Field(ge=1)] = 32
    freeze_embeddings: bool = False
    #: decay of the moving average of the weights, which is what the stage hands on
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    #: chance that a company's name in a text is swapped for another's
    brand_swap: Share = 0.0
    #: chance that a text is read as if typed in haste
    misspelling: Share = 0.0


class StageConfig(OptimisationConfig):
    """One pass of optimisation over one mixture of labelled rows."""

    label_smoothing: Share = 0.0
    #: weight of a sentiment loss beside a need loss of 1
    sentiment_weight: Positive = 1.0
    #: loss weight of posts at level critical, the rarest class
    critical_weight: Positive = 1.0


class SoftConfig(OptimisationConfig):
    """A stage that learns what other models say, and the labels that are known."""

    #: weight of a known label; the models' word has the rest
    label_share: Share = 0.3


class StudentConfig(SoftConfig):
    """The last stage: a small model learns what several models of the other stages say."""

    #: how many models teach; they differ in their seed
    teachers: Annotated[int, Field(ge=1, le=10)] = 3
    #: the teachers' layers that the student begins with, from 0 for the lowest
    layers: Annotated[tuple[int, ...], Field(min_length=1)]


class DecisionConfig(_Frozen):
    """How the thresholds are chosen, out of fold."""

    #: share of the support requests that the threshold of ``support_request`` must find
    support_recall: Annotated[float, Field(gt=0, le=1)] = 0.95
    #: share of the posts that ``low_confidence`` may send to a person
    review_share: Share = 0.14
    #: log-probability by which another language must beat English for the review ``language``
    language_margin: Annotated[float, Field(ge=0)] = 3.75


class RunConfig(_Frozen):
    """What every kind of model has."""

    #: name and version; it becomes a folder's name
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    seed: int = 1
    #: longest input in tokens
    max_tokens: Annotated[int, Field(ge=8, le=512)] = 128
    decisions: DecisionConfig = DecisionConfig()
    #: folds that leave company groups out; their predictions calibrate the artefact
    folds: Annotated[int, Field(ge=2)] = 5
    #: how many of the folds are run; fewer cost less and calibrate on fewer posts
    calibration_folds: Annotated[int, Field(ge=1)] | None = None
    #: sources of labelled posts that may train; without any, all
    post_sources: tuple[str, ...] = ()
    #: whether the posts that were labelled for training alone train beside the others
    added_posts: bool = False
    #: corpora of the first stage; posts of companies are left out of it, so that one first
    #: stage serves every fold. Added posts of any source named here, as "written", go there too,
    #: and stand beside the posts only as ``companions`` has it
    auxiliary: tuple[str, ...] = ()
    #: corpora whose texts, without their labels, the student reads
    unlabelled: tuple[str, ...] = ()
    #: corpora of which the mappings that ``mapping.csv`` switches off count as well
    optional: tuple[str, ...] = ()
    #: corpora, and sources of added posts, that stand beside the posts in the second stage, by the
    #: rows drawn from each
    companions: dict[str, Annotated[int, Field(ge=1)]] = {}

    @property
    def folds_run(self) -> range:
        """The folds whose predictions calibrate the artefact."""
        return range(min(self.calibration_folds or self.folds, self.folds))


class TrainConfig(RunConfig):
    """Everything that decides what transformer comes out, apart from the data."""

    kind: Literal["transformer"] = "transformer"
    encoder: str = PACKAGED_MINILM
    dropout: Share = 0.1
    auxiliary_stage: StageConfig | None = None
    posts_stage: StageConfig
    #: with it the other stages make teachers, and what ships is their student
    student_stage: StudentConfig | None = Field(default=None, validate_default=True)

    @field_validator("student_stage")
    @classmethod
    def _reads_unlabelled(
        cls, stage: StudentConfig | None, info: ValidationInfo
    ) -> StudentConfig | None:
        if stage is None and info.data.get("unlabelled"):
            message = "texts of unlabelled corpora are read by a student alone"
            raise ValueError(message)
        return stage

    def teachers(self) -> tuple["TrainConfig", ...]:
        """The configs of the student's teachers: no two seeds have one in common."""
        if self.student_stage is None:
            return ()
        seeds = range(self.seed * _SEEDS, self.seed * _SEEDS + self.student_stage.teachers)
        return tuple(
            self.model_copy(update={"seed": seed, "student_stage": None}) for seed in seeds
        )


class FallbackConfig(RunConfig):
    """Everything that decides what linear fallback comes out, apart from the data."""

    kind: Literal["linear"]

    @field_validator("unlabelled")
    @classmethod
    def _reads_labels(cls, corpora: tuple[str, ...]) -> tuple[str, ...]:
        if corpora:
            message = "a linear model reads no text without labels"
            raise ValueError(message)
        return corpora


class CorrectionConfig(RunConfig):
    """How a team's labels correct a model that is there already."""

    kind: Literal["corrections"]
    #: folder or name of the model to begin with; without it the one in use
    start: str | None = None
    #: that the model to begin with was made of: it gives the network's shape
    encoder: str = PACKAGED_MINILM
    stage: SoftConfig

    @model_validator(mode="after")
    def _takes_these_from_its_start(self) -> Self:
        """A few labels decide no calibration, no threshold and no length."""
        kept = {"max_tokens", "decisions", "auxiliary", "unlabelled", "calibration_folds"}
        if given := sorted(kept & self.model_fields_set):
            message = f"{', '.join(given)}: corrections take that from the model they begin with"
            raise ValueError(message)
        return self


#: any config file
AnyConfig = TrainConfig | FallbackConfig | CorrectionConfig

_KINDS: Final[dict[str, type[FallbackConfig | CorrectionConfig]]] = {
    "linear": FallbackConfig,
    "corrections": CorrectionConfig,
}


def find_config(given: Path) -> Path:
    """A file, or the shipped config of that name.

    Raises:
        UsageError: if there is neither.
    """
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}
    if given.exists() or given.suffix:
        return given
    if str(given) not in shipped:
        message = f"{str(given)!r} is no file and no shipped config; use one of these: "
        raise UsageError(message + ", ".join(shipped))
    return shipped[str(given)]


def load_config(path: Path, **overrides: Any) -> AnyConfig:
    """Read and validate a config file; ``overrides`` replace its top-level keys.

    Raises:
        UsageError: naming the key, its value and what it should be.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read the training config {path}: {error.strerror}; name a YAML file"
        raise UsageError(message) from error
    except UnicodeDecodeError as error:
        message = f"the training config {path} is not UTF-8; save it as UTF-8"
        raise UsageError(message) from error
    except (yaml.YAMLError, ValueError) as error:  # a date that there is not is a ValueError
        message = f"the training config {path} is not YAML: {error}; mend it there"
        raise UsageError(message) from error
    if not isinstance(raw, dict):
        message = f"the training config {path} holds no keys; see training/configs for examples"
        raise UsageError(message)
    try:
        kind = _KINDS.get(str(raw.get("kind")), TrainConfig)
        return kind.model_validate(raw | overrides)
    except ValidationError as error:
        message = f"{path}: {_first(error)}"
        raise UsageError(message) from error


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    key = ".".join(str(part) for part in detail["loc"])
    # The input of a missing key is all that stands beside it.
    if detail["type"] == "missing":
        return f"{key} is missing; add the key"
    return f"{key} = {detail['input']!r}: {detail['msg']}; change or remove the key"
