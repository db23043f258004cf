"""``config.json`` of an artefact: everything that a model needs to know about itself."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from replyrank.data.vocabulary import INTENTS, NEED_CELLS, SENTIMENT_LABELS, URGENCY_LEVELS

Probability = Annotated[float, Field(ge=0, le=1)]

_SUM_TOLERANCE = 1e-6


class ModelKind(StrEnum):
    """How an artefact turns text into logits."""

    TRANSFORMER = "transformer"
    LINEAR = "linear"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadCalibration(_Frozen):
    """Vector scaling of a head: p = softmax(scale * logits + bias) (Guo et al. 2017, sec. 4.2)."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.scale) != len(self.bias):
            message = f"scale has {len(self.scale)} values, bias {len(self.bias)}; give one a class"
            raise ValueError(message)
        return self


class Calibration(_Frozen):
    """Calibration of both heads, fitted on the artefact's own (quantised) logits."""

    need: HeadCalibration
    sentiment: HeadCalibration

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        sizes = len(self.need.scale), len(self.sentiment.scale)
        if sizes != (NEED_CELLS, len(SENTIMENT_LABELS)):
            message = f"calibration has {sizes} classes; need has {NEED_CELLS}, sentiment 3"
            raise ValueError(message)
        return self


class Priors(_Frozen):
    """Class shares of the training posts: what a message that cannot be scored gets."""

    need: tuple[Probability, ...]
    sentiment: tuple[Probability, ...]

    @model_validator(mode="after")
    def _are_distributions(self) -> Self:
        for name, values, size in (
            ("need", self.need, NEED_CELLS),
            ("sentiment", self.sentiment, len(SENTIMENT_LABELS)),
        ):
            if len(values) != size or abs(sum(values) - 1) > _SUM_TOLERANCE:
                message = f"priors of {name}: {len(values)} values that sum to {sum(values):.6f}; "
                message += f"give {size} that sum to 1"
                raise ValueError(message)
        return self


class Thresholds(_Frozen):
    """Decisions that follow from probabilities; chosen out of fold, never on test posts."""

    #: p_support_request from which a message counts as a request (recall >= 0.95 out of fold)
    support_request: Probability
    #: below this p of the likeliest intent the review is ``low_confidence``
    low_confidence: Probability
    #: log-probability by which another language must beat English to be flagged ``language``
    language_margin: Annotated[float, Field(ge=0)]


class LabelSpace(_Frozen):
    """The order of the model's outputs; must be that of the vocabulary."""

    intent: tuple[str, ...] = tuple(INTENTS)
    urgency_level: tuple[str, ...] = tuple(level.label for level in URGENCY_LEVELS)
    sentiment: tuple[str, ...] = tuple(SENTIMENT_LABELS)

    @model_validator(mode="after")
    def _is_ours(self) -> Self:
        ours = (
            tuple(INTENTS),
            tuple(level.label for level in URGENCY_LEVELS),
            tuple(SENTIMENT_LABELS),
        )
        if (self.intent, self.urgency_level, self.sentiment) != ours:
            message = "the artefact's labels are not those of this version; use a matching artefact"
            raise ValueError(message)
        return self


#: what an artefact may be called: one plain folder name
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class ModelConfig(_Frozen):
    """The whole of ``config.json``."""

    schema_version: Literal[1] = 1
    #: name and version in one, such as ``minilm-l6-1.0``; it stands in the column ``model``, and
    #: folders are called by it
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    kind: ModelKind
    #: version of ``replyrank.data.cleaning`` that the model was trained with
    cleaning: int
    #: longest input in tokens, special ones included; the rest is cut
    max_tokens: Annotated[int, Field(ge=8, le=512)] = 128
    labels: LabelSpace = LabelSpace()
    calibration: Calibration
    priors: Priors
    thresholds: Thresholds
