"""The rules of the gate: one YAML file, every tolerance in it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from replyrank.pipeline.settings_file import SettingsFile

#: None: the figure is not judged
_Tolerance = Annotated[float, Field(ge=0)] | None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tolerances(_Frozen):
    """By how much a challenger may be worse; ``gate.yaml`` says in what unit.

    A figure that has a tolerance must be measured; ``null`` leaves one out.
    """

    support_request_recall: _Tolerance
    support_request_precision: _Tolerance
    intent_macro_f1: _Tolerance
    urgency_macro_f1: _Tolerance
    sentiment_macro_f1: _Tolerance
    urgency_kappa: _Tolerance
    urgency_auroc: _Tolerance
    critical_average_precision: _Tolerance
    ece_intent: _Tolerance
    ece_urgency_high: _Tolerance
    ece_sentiment: _Tolerance
    #: of intent
    slice_ece: _Tolerance
    slice_ece_urgency_high: _Tolerance
    slice_ece_sentiment: _Tolerance
    behaviour_minimum: _Tolerance
    behaviour_invariance: _Tolerance
    behaviour_direction: _Tolerance
    queue_cost: _Tolerance
    latency: _Tolerance
    alone_in_batch: _Tolerance
    int8_macro_f1: _Tolerance
    int8_ece: _Tolerance
    int8_p99: _Tolerance


class GateRules(_Frozen):
    """How a challenger is compared with a champion."""

    name: str
    seed: int
    resamples: Annotated[int, Field(ge=1)]
    least_slice: Annotated[int, Field(ge=1)]
    timed_texts: Annotated[int, Field(ge=1)]
    tolerances: Tolerances

    def without(self, figures: Iterable[str]) -> Self:
        """The same, with some figures not judged."""
        tolerances = self.tolerances.model_copy(update=dict.fromkeys(figures))
        return self.model_copy(update={"tolerances": tolerances})


_FILE: Final = SettingsFile(GateRules, "gate rules", "replyrank.training", "gate.yaml")


def load_gate_rules(path: str | Path | None = None) -> GateRules:
    """The shipped rules, or those of a file, which may state only what differs from them.

    Raises:
        SettingsError: naming the key, the value and the remedy.
    """
    return _FILE.load(path)
