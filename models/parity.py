"""The export gate: an int8 graph that differs too much from what was trained does not ship."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from replyrank.models.calibration import softmax
from replyrank.models.errors import ArtefactError
from replyrank.models.session import INPUT, NEED, SENTIMENT, open_session

FloatArray = npt.NDArray[np.float64]
Tokens = Sequence[Sequence[int]]

#: torch against ONNX fp32, largest difference in probability
FP32_MAX: Final = 1e-4
#: int8 against fp32: 99th percentile of the differences in probability, over all 16 cells of
#: need and the 3 sentiments of every text
INT8_P99: Final = 0.05
#: int8 against fp32: drop of a macro-F1, in points
INT8_F1_DROP: Final = 0.5
#: int8 against fp32: rise of a calibration error
INT8_ECE_RISE: Final = 0.01
#: int8 alone, sorted and shuffled: largest difference in probability
INVARIANCE_MAX: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Probabilities:
    """What one graph says of n texts, before calibration."""

    need: FloatArray  # (n, 16)
    sentiment: FloatArray  # (n, 3)

    @classmethod
    def of_logits(cls, need: npt.NDArray[np.floating], sentiment: npt.NDArray[np.floating]) -> Self:
        """Softmax of both heads."""
        return cls(softmax(need), softmax(sentiment))

    def differences(self, other: "Probabilities") -> FloatArray:
        """|difference| of every probability, flat."""
        both: FloatArray = np.concatenate(
            [(self.need - other.need).ravel(), (self.sentiment - other.sentiment).ravel()]
        )
        return np.abs(both)

    def labels_changed(self, other: "Probabilities") -> int:
        """Texts whose likeliest cell or sentiment differs."""
        cells = self.need.argmax(axis=1) != other.need.argmax(axis=1)
        moods = self.sentiment.argmax(axis=1) != other.sentiment.argmax(axis=1)
        return int((cells | moods).sum())


@dataclass(frozen=True, slots=True)
class Check:
    """One figure of the gate and its limit."""

    name: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the figure is within its limit (NaN is not)."""
        return self.value <= self.limit


class OnnxGraph:
    """A graph under test, run in batches that the test chooses."""

    def __init__(self, path: Path) -> None:
        self._session: Any = open_session(path)

    def logits(
        self, tokens: Tokens, batches: Sequence[Sequence[int]]
    ) -> tuple[FloatArray, FloatArray]:
        """Need (n, 16) and sentiment (n, 3) logits; a batch holds rows of texts of one length."""
        need = np.zeros((len(tokens), 16))
        sentiment = np.zeros((len(tokens), 3))
        for rows in batches:
            ids = np.array([tokens[row] for row in rows], dtype=np.int64)
            need[rows], sentiment[rows] = self._session.run([NEED, SENTIMENT], {INPUT: ids})
        return need, sentiment

    def run(self, tokens: Tokens, batches: Sequence[Sequence[int]]) -> Probabilities:
        """Probabilities of all texts; batches as for ``logits``."""
        return Probabilities.of_logits(*self.logits(tokens, batches))


def alone(tokens: Tokens) -> list[list[int]]:
    """Every text in a batch of its own."""
    return [[row] for row in range(len(tokens))]


def by_length(tokens: Tokens, batch: int, seed: int | None = None) -> list[list[int]]:
    """Batches of equal length; ``seed`` shuffles which neighbours a text gets."""
    order = list(range(len(tokens)))
    if seed is not None:
        np.random.default_rng(seed).shuffle(order)
    groups: dict[int, list[int]] = {}
    for row in order:
        groups.setdefault(len(tokens[row]), []).append(row)
    return [
        rows[start : start + batch]
        for rows in groups.values()
        for start in range(0, len(rows), batch)
    ]


def check_export(
    reference: Probabilities,
    fp32: Path,
    int8: Path,
    tokens: Tokens,
) -> list[Check]:
    """The figures of the gate that need no labels, on n real texts.

    Args:
        reference: what torch says of them.
        fp32: the exported graph.
        int8: the quantised graph that is to ship.
        tokens: token ids of the texts.
    """
    full = OnnxGraph(fp32).run(tokens, by_length(tokens, 16))
    graph = OnnxGraph(int8)
    single = graph.run(tokens, alone(tokens))
    together = [graph.run(tokens, by_length(tokens, 16, seed)) for seed in (None, 1, 2)]
    return [
        Check("torch to fp32, largest |dp|", float(reference.differences(full).max()), FP32_MAX),
        Check(
            "fp32 to int8, p99 |dp|", float(np.quantile(full.differences(single), 0.99)), INT8_P99
        ),
        Check(
            "int8 alone to batches, largest |dp|",
            max(float(single.differences(other).max()) for other in together),
            INVARIANCE_MAX,
        ),
        Check(
            "int8 alone to batches, labels changed",
            float(max(single.labels_changed(other) for other in together)),
            0.0,
        ),
    ]


def require(checks: Sequence[Check]) -> None:
    """Refuse an export of which a figure is out of its limit.

    Raises:
        ArtefactError: names every failed figure.
    """
    failed = [check for check in checks if not check.passed]
    if failed:
        figures = "; ".join(f"{c.name} is {c.value:.3g}, limit {c.limit:.3g}" for c in failed)
        message = f"the export is refused: {figures}; no artefact was written"
        raise ArtefactError(message)
