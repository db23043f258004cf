"""What traces tell: of a request method, route, status and time, of a stage the items it went over.

The libraries of the extra ``otel`` would also tell the query, addresses, and the words of an
exception, in which a person's may stand. Needs the extra.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, Status

from replyrank.serving.api.guard import OPEN
from replyrank.serving.stages import Stage, Telling

#: what may leave, in the older and the newer words of OpenTelemetry
_TOLD: Final = frozenset(
    {
        *("http.method", "http.route", "http.status_code"),
        *("http.request.method", "http.response.status_code", "error.type"),
        *("exception.type",),
        *("replyrank.items", "replyrank.count", "replyrank.model"),
    }
)
#: items that a span names; it counts all
_SHOWN: Final = 100
#: what asks every few seconds whether all is well
_UNTRACED: Final = ",".join(f"{path}$" for path in sorted({*OPEN, "/metrics"}))


def instrument(app: FastAPI, exporter: SpanExporter) -> TracerProvider:
    """Make spans of the requests of an application that has not started.

    Args:
        app: the routes; what never reaches them makes no span.
        exporter: where the spans go.

    Returns:
        what holds them until they are sent; the end of the process sends the rest.
    """
    # The variables of OpenTelemetry have the last word.
    resource = Resource.create({"service.name": "replyrank"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(_Sparing(exporter)))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls=_UNTRACED,
        # A stream of events would make one for each of its pieces.
        exclude_spans=["receive", "send"],
    )
    return provider


def stages_of(provider: TracerProvider) -> Callable[[Stage], AbstractContextManager[Telling]]:
    """What makes a span of each stage: below that of its request, where one waits for it.

    Items are told by their numbers, which are ours: they say nothing of a person.
    """
    tracer = provider.get_tracer("replyrank")

    @contextmanager
    def trace(stage: Stage) -> Generator[Telling]:
        with tracer.start_as_current_span(stage.value) as span:
            yield _telling(span)

    return trace


def _telling(span: Span) -> Telling:
    def tell(items: Iterable[int], model: str | None = None) -> None:
        numbers = list(items)
        span.set_attribute("replyrank.count", len(numbers))
        span.set_attribute("replyrank.items", numbers[:_SHOWN])
        if model is not None:
            span.set_attribute("replyrank.model", model)

    return tell


class _Sparing(SpanExporter):
    """Hands on of each span only what may leave."""

    def __init__(self, to: SpanExporter) -> None:
        self._to = to

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        return self._to.export([_spared(span) for span in spans])

    def shutdown(self) -> None:
        """No more of them come."""
        self._to.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is held back."""
        return self._to.force_flush(timeout_millis)


def _spared(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_told(span.attributes),
        events=[
            Event(event.name, _told(event.attributes), event.timestamp) for event in span.events
        ],
        kind=span.kind,
        # Its description would be the words of the exception.
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _told(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in _TOLD}
