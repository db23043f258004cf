"""Traces, where the extra ``otel`` is there and an address to send them to is named."""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_LOG: Final = structlog.get_logger("replyrank.tracing")
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NEEDED: Final = (
    "opentelemetry.sdk.trace",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.fastapi",
)


def set_up(app: Any) -> "TracerProvider | None":
    """Trace the requests of an application that has not started.

    Args:
        app: what ``create_app`` made.

    Returns:
        what holds the spans until they are sent; None where nothing is traced.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    if not all(_is_there(name) for name in _NEEDED):
        _LOG.warning(
            "not_traced", why="the extra otel is missing", remedy="install replyrank[otel]"
        )
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  the extra
        OTLPSpanExporter,
    )

    from replyrank.serving.spans import instrument, stages_of  # noqa: PLC0415  the extra

    # A span is made on the way through the application.
    app.direct.bypass_nothing()
    provider = instrument(app.routes, OTLPSpanExporter())
    app.inbox.trace = stages_of(provider)
    return provider


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
