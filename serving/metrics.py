"""What the service counts, by the names that its dashboards go by. No text, no id of a person."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from replyrank.models.scores import ScoreBatch
from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.index import class_posterior, class_targets
from replyrank.pipeline.policy import Policy
from replyrank.serving.queue.items import Finished, Receipt
from replyrank.serving.scoring.engine import Batch
from replyrank.serving.scoring.models import Loaded

_FAST: Final = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW: Final = (60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
#: messages whose classes the population stability index is taken of
_RECENT: Final = 2_000
_LEAST: Final = 200


class Metrics:
    """The figures of one process, for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter("inbox_requests", "Requests.", ("route", "code"), registry=registry)
        self.request_seconds = Histogram(
            "inbox_request_seconds", "From the request's head to the answer's end.", ("route",),
            buckets=_FAST, registry=registry,
        )  # fmt: skip
        self.rejected = Counter(
            "inbox_admission_rejected", "Refused: full, deadline, expired, quota.", ("reason",),
            registry=registry,
        )  # fmt: skip
        self._inflight = Gauge(
            "inbox_inflight_tokens", "Tokens queued or running.", registry=registry
        )
        self._batch_size = Histogram(
            "inbox_batch_size", "Texts of a batch.", buckets=_SIZES, registry=registry
        )
        self._inference = Histogram(
            "inbox_inference_seconds", "Of a batch.", ("model",), buckets=_FAST, registry=registry
        )
        self._waiting = Gauge(
            "inbox_waiting", "Items that wait.", ("class", "channel"), registry=registry
        )
        self._oldest = Gauge(
            "inbox_oldest_wait_seconds", "Of the first that waits.", ("class",), registry=registry
        )
        self._first_response = Histogram(
            "inbox_first_response_seconds", "From arrival to answer.", ("class", "channel"),
            buckets=_SLOW, registry=registry,
        )  # fmt: skip
        self._breaches = Counter(
            "inbox_sla_breaches", "Answers after the target.", ("class", "channel"),
            registry=registry,
        )  # fmt: skip
        self._expired = Counter("inbox_leases_expired", "Leases that ran out.", registry=registry)
        self._tick = Histogram(
            "inbox_rank_tick_seconds", "Of ordering all.", buckets=_FAST, registry=registry
        )
        self._ingested = Counter(
            "inbox_ingest", "Messages taken in.", ("channel", "result"), registry=registry
        )
        self._model = Gauge(
            "inbox_model_info", "1 for the model in use.", ("version",), registry=registry
        )
        self._swap_failures = Counter(
            "inbox_model_swap_failures", "Models that were not taken.", registry=registry
        )
        self._psi = Gauge(
            "inbox_score_psi", "Share of a class against the model's prior (PSI term).",
            ("class",), registry=registry,
        )  # fmt: skip
        self._conservation = Gauge(
            "inbox_conservation_error", "Items missing (+) or too many (-).", registry=registry
        )
        self._states = Gauge("inbox_items", "Items by state.", ("state",), registry=registry)
        self._recent: deque[np.ndarray] = deque(maxlen=_RECENT)
        self._prior: np.ndarray | None = None

    def exposed(self) -> bytes:
        """All of it in the text format."""
        self._expose_psi()
        return generate_latest(self.registry)

    def model(self, loaded: Loaded | None) -> None:
        """A model came into use."""
        self._model.clear()
        if loaded is not None:
            self._model.labels(loaded.name).set(1)
            priors = np.array([loaded.scorer.config.priors.need], dtype=np.float64)
            self._prior = class_posterior(priors)[0]
        self._recent.clear()

    def swap_failed(self) -> None:
        """A model was not taken."""
        self._swap_failures.inc()

    def computed(self, batch: Batch) -> None:
        """A batch was computed."""
        self._batch_size.observe(batch.texts)
        self._inference.labels(batch.model).observe(batch.seconds)

    def scored(self, scores: ScoreBatch) -> None:
        """Messages of the queue were scored."""
        self._recent.extend(class_posterior(scores.need))

    def ingested(self, channel: str, receipt: Receipt) -> None:
        """A message was handed in."""
        self._ingested.labels(channel, receipt.value).inc()

    def refused(self) -> None:
        """A message of a batch was not taken: what is wrong with it was told."""
        self._ingested.labels("unknown", "refused").inc()

    def follow(self, inside: Callable[[], float]) -> None:
        """What is asked for the tokens that are queued or running."""
        self._inflight.set_function(inside)

    def leases_expired(self, count: int) -> None:
        """Leases ran out."""
        self._expired.inc(count)

    def answered(self, done: Finished, policy: Policy) -> None:
        """An item was answered."""
        kind = 0 if done.posterior is None else int(done.posterior.argmax())
        name = "unknown" if done.posterior is None else POLICY_CLASSES[kind].value
        channel = done.channel or "other"
        waited = (done.finished_at - done.age_from) / 1_000
        self._first_response.labels(name, channel).observe(waited)
        target = class_targets(np.array([done.target]), policy)[0, kind]
        if waited > target * 60:
            self._breaches.labels(name, channel).inc()

    def ticked(self, seconds: float, waiting: Mapping[tuple[str, str], tuple[int, float]]) -> None:
        """The whole order was computed."""
        self._tick.observe(seconds)
        self._waiting.clear()
        oldest: dict[str, float] = {}
        for (kind, channel), (count, age) in waiting.items():
            self._waiting.labels(kind, channel).set(count)
            oldest[kind] = max(oldest.get(kind, 0.0), age)
        for name in POLICY_CLASSES:
            self._oldest.labels(name.value).set(oldest.get(name.value, 0.0))

    def counted(self, counts: Mapping[str, int]) -> None:
        """Items by state, and what is missing."""
        for name, count in counts.items():
            if name == "conservation_error":
                self._conservation.set(count)
            else:
                self._states.labels(name).set(count)

    def _expose_psi(self) -> None:
        """(now - prior) * ln(now / prior) of each class, over the latest messages."""
        if self._prior is None or len(self._recent) < _LEAST:
            return
        shares = np.mean(self._recent, axis=0)
        for name, now, was in zip(POLICY_CLASSES, shares, self._prior, strict=True):
            term = (now - was) * math.log(max(now, 1e-6) / max(was, 1e-6))
            self._psi.labels(name.value).set(term)
