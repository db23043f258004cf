"""Traces of requests: when there are any, and what they must not tell."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")
pytest.importorskip("opentelemetry.sdk.trace", reason="traces need the extra otel")

import httpx
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from structlog.testing import capture_logs

from replyrank.serving import tracing
from replyrank.serving.inbox import Inbox
from replyrank.serving.queue.keys import Scope, make_key
from tests.queues import opened
from tests.services import message, running, settings, until

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TEXT = "my kettle exploded over breakfast"
AUTHOR = "marguerite.h"


@dataclass
class Collector:
    """What was sent to a collector."""

    address: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[dict[str, Any]]:
        """Name, service, attributes and events of every span, in the order of their ends."""
        return [
            {
                "name": span.name,
                "service": {one.key: one.value.string_value for one in sent.resource.attributes}[
                    "service.name"
                ],
                **{
                    one.key: one.value.string_value or one.value.int_value
                    for one in span.attributes
                },
                "events": [
                    {one.key: one.value.string_value for one in event.attributes}
                    for event in span.events
                ],
            }
            for body in self.bodies
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in sent.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that listens on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests name their own."""
    for name in (*("ENDPOINT", "TRACES_ENDPOINT"), *("HEADERS", "COMPRESSION")):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SEMCONV_STABILITY_OPT_IN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@dataclass
class Traced:
    """A traced service, a key for it, and what was sent of it."""

    client: httpx.Client
    key: str
    inbox: Inbox
    collector: Collector
    flush: Callable[[], object]

    def spans(self, count: int) -> list[dict[str, Any]]:
        """All there are once there are so many: one ends after its answer has come."""

        def are_there() -> bool:
            self.flush()
            return len(self.collector.spans()) >= count

        until(are_there)
        return self.collector.spans()


@pytest.fixture
def traced(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Traced]:
    monkeypatch.setenv(ENDPOINT, collector.address)
    of = settings(tmp_path)
    with opened(of.database) as database:
        key = make_key(database, "desk", frozenset(Scope), None)
    apps: list[Any] = []
    providers: list[TracerProvider | None] = []

    def before(app: Any) -> None:
        apps.append(app)
        providers.append(tracing.set_up(app))

    with running(of, before) as service, service.client(key) as client:
        [provider] = providers
        assert provider is not None
        yield Traced(client, key, service.inbox, collector, provider.force_flush)
    provider.shutdown()
    FastAPIInstrumentor.uninstrument_app(apps[0].routes)


def _is_traced(app: FastAPI) -> bool:
    return getattr(app, "_is_instrumented_by_opentelemetry", False)


def test_without_an_address_nothing_is_traced() -> None:
    app = FastAPI()
    assert tracing.set_up(SimpleNamespace(routes=app)) is None
    assert not _is_traced(app)


@pytest.mark.parametrize(
    "absent",
    [
        "opentelemetry",
        "opentelemetry.sdk",
        "opentelemetry.exporter.otlp.proto.http",
        "opentelemetry.instrumentation.fastapi",
    ],
)
def test_without_the_extra_nothing_is_traced_and_it_is_told(
    absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> ModuleSpec | None:
        if name == absent:
            return None
        if name.startswith(f"{absent}."):
            raise ModuleNotFoundError(name=absent)
        return importlib.util.find_spec(name)

    monkeypatch.setattr(tracing, "find_spec", find)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    app = FastAPI()
    with capture_logs() as logs:
        assert tracing.set_up(SimpleNamespace(routes=app)) is None
    assert not _is_traced(app)
    assert [(one["log_level"], one["event"]) for one in logs] == [("warning", "not_traced")]


def test_a_request_is_told_with_method_route_and_status(traced: Traced) -> None:
    assert traced.client.post("/v1/messages", json=message("1", TEXT)).status_code == 201
    assert traced.client.get("/v1/items/7").status_code == 404
    assert traced.client.get("/nowhere").status_code == 404
    assert traced.spans(3) == [
        {
            "name": "POST /v1/messages",
            "service": "replyrank",
            "http.method": "POST",
            "http.route": "/v1/messages",
            "http.status_code": 201,
            "events": [],
        },
        {
            "name": "GET /v1/items/{item}",
            "service": "replyrank",
            "http.method": "GET",
            "http.route": "/v1/items/{item}",
            "http.status_code": 404,
            "events": [],
        },
        {
            "name": "GET",
            "service": "replyrank",
            "http.method": "GET",
            "http.status_code": 404,
            "events": [],
        },
    ]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v2/health/live"])
def test_what_watches_the_service_is_not_traced(path: str, traced: Traced) -> None:
    # The name of a machine is no path.
    headers = {"host": "metrics.example"}
    assert traced.client.get(path, headers=headers).status_code == 200
    assert traced.client.get("/v1/queue", headers=headers).status_code == 200
    assert [span["name"] for span in traced.spans(1)] == ["GET /v1/queue"]


def test_no_text_author_or_key_leaves(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    client, handed_in = traced.client, message("1", TEXT, author=AUTHOR)
    assert client.post("/v1/messages", json=handed_in).status_code == 201
    assert client.get("/v1/queue", params={"agent": AUTHOR}).status_code == 200
    assert client.get(f"/v1/{AUTHOR}", params={"key": traced.key}).status_code == 404
    assert client.post("/v1/messages", json=handed_in, headers={"user-agent": AUTHOR}).is_success

    async def fail(*_: object) -> None:
        raise ValueError(TEXT, AUTHOR, traced.key)

    monkeypatch.setattr(traced.inbox, "ingest", fail)
    with capture_logs():
        assert client.post("/v1/messages", json=handed_in).status_code == 500
    spans = traced.spans(5)
    assert [span["name"] for span in spans] == [
        *("POST /v1/messages", "GET /v1/queue", "GET", "POST /v1/messages", "POST /v1/messages"),
    ]
    assert spans[-1]["events"] == [{"exception.type": "ValueError"}]
    sent = b"".join(traced.collector.bodies)
    for secret in (TEXT, "kettle", AUTHOR, traced.key):
        assert secret.encode() not in sent


def test_the_service_has_the_name_that_the_environment_gives(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "care-desk")
    traced: Traced = request.getfixturevalue("traced")
    traced.client.get("/v1/queue")
    assert [span["service"] for span in traced.spans(1)] == ["care-desk"]
