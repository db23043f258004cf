"""Traces of requests, where the extra ``otel`` is there and an address to send them to is named.

Spans name route, status and time; no text, no author, no body stands in them.
"""

import os
from importlib.util import find_spec
from typing import Any, Final

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NEEDED: Final = "opentelemetry.instrumentation.fastapi"


def set_up(app: Any) -> bool:
    """Trace the requests of an application; whether it is done.

    Args:
        app: what ``create_app`` made.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS) or not _is_there(_NEEDED):
        return False
    from opentelemetry import trace  # noqa: PLC0415  the extra otel
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": "replyrank"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(app.routes, excluded_urls="livez,readyz,metrics")
    return True


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
