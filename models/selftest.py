"""The texts that an artefact carries with the scores that it must get on any machine.

The int8 weights are limited to 7 bits, so that no CPU's 8-bit products can saturate; what is
left between machines is rounding. A larger difference means that this CPU or runtime
computes something else, and the model is refused before it takes a request.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replyrank.data.vocabulary import NEED_CELLS, SENTIMENT_LABELS
from replyrank.models.artefact import first_fault
from replyrank.models.errors import SelfTestError
from replyrank.models.scorer import Scorer

#: The largest difference in probability that rounding may make. What rounding flips an 8-bit
#: step of an activation moves scores by thousandths, saturation by tenths.
TOLERANCE: Final = 0.02

_DIGITS: Final = 6


class SelfTestCase(BaseModel):
    """One line of ``selftest.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    #: calibrated p of the 16 cells
    need: Annotated[tuple[float, ...], Field(min_length=NEED_CELLS, max_length=NEED_CELLS)]
    #: calibrated p of the 3 sentiments
    sentiment: Annotated[
        tuple[float, ...],
        Field(min_length=len(SENTIMENT_LABELS), max_length=len(SENTIMENT_LABELS)),
    ]


def write_selftest(scorer: Scorer, texts: Sequence[str], path: Path) -> None:
    """Write ``texts`` with the scores that ``scorer`` gives them on this machine."""
    batch = scorer.score_batch(texts)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row, text in enumerate(texts):
            need = np.round(batch.need[row], _DIGITS).tolist()
            sentiment = np.round(batch.p_sentiment[row], _DIGITS).tolist()
            line = {"text": text, "need": need, "sentiment": sentiment}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def run_selftest(scorer: Scorer, path: Path, tolerance: float = TOLERANCE) -> float:
    """Score the texts of ``path`` and compare.

    Args:
        scorer: the model under test.
        path: ``selftest.jsonl`` of the same artefact.
        tolerance: the largest difference in probability that passes.

    Returns:
        The largest difference found.

    Raises:
        SelfTestError: if it is above ``tolerance`` or the file holds no usable case.
    """
    cases = _read_cases(path)
    batch = scorer.score_batch([case.text for case in cases])
    difference = max(
        float(np.abs(batch.need - np.array([case.need for case in cases])).max()),
        float(np.abs(batch.p_sentiment - np.array([case.sentiment for case in cases])).max()),
    )
    # Written so that a NaN fails too.
    if not difference <= tolerance:
        message = (
            f"model {scorer.config.name} answers its self-test differently on this machine: a "
            f"probability is off by {difference:.4f}, at most {tolerance:g} is allowed. This CPU "
            "or onnxruntime version computes the graph otherwise: try another onnxruntime, "
            "or load the linear model with --model fallback"
        )
        raise SelfTestError(message)
    return difference


def selftest_texts(path: Path) -> list[str]:
    """The texts of ``selftest.jsonl``.

    Raises:
        SelfTestError: if the file holds no usable case.
    """
    return [case.text for case in _read_cases(path)]


def _read_cases(path: Path) -> list[SelfTestCase]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        cases = [SelfTestCase.model_validate_json(line) for line in lines if line.strip()]
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else error
        message = f"{path} is not a self-test of this version: {fault}; build the artefact again"
        raise SelfTestError(message) from error
    if not cases:
        message = f"{path} holds no case; an artefact must prove itself: build it again"
        raise SelfTestError(message)
    return cases
