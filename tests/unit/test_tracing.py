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

from replyrank.models.find import find_artefact
from replyrank.serving import tracing
from replyrank.serving.inbox import Inbox
from replyrank.serving.queue.keys import Scope, make_key
from replyrank.serving.stages import Stage
from tests.queues import opened
from tests.services import message, running, settings, until

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TEXT = "my kettle exploded over breakfast"
AUTHOR = "marguerite.h"
STAGES = frozenset(Stage)


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
                "id": span.span_id,
                "parent": span.parent_span_id,
                "service": {one.key: one.value.string_value for one in sent.resource.attributes}[
                    "service.name"
                ],
                **{one.key: _plain(one.value) for one in span.attributes},
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


def _plain(value: Any) -> Any:
    if value.HasField("array_value"):
        return [one.int_value for one in value.array_value.values]
    return value.string_value or value.int_value


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
        """Of all requests, once there are so many: one ends after its answer has come."""
        return self._of(count, lambda name: name not in STAGES)

    def stages(self, count: int) -> list[dict[str, Any]]:
        """Of all stages, once there are so many."""
        return self._of(count, lambda name: name in STAGES)

    def _of(self, count: int, wanted: Callable[[str], bool]) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            self.flush()
            return [span for span in self.collector.spans() if wanted(span["name"])]

        until(lambda: len(found()) >= count)
        return found()


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
    found = traced.spans(3)
    # Nothing that the client sent stands above them.
    assert [(span.pop("parent"), len(span.pop("id"))) for span in found] == [(b"", 8)] * 3
    assert found == [
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


def test_each_stage_of_a_message_is_told_with_its_item(traced: Traced) -> None:
    client = traced.client
    assert client.post("/v1/messages", json=message("1", TEXT)).status_code == 201
    # What came in stands in the order, and again when a model has spoken.
    traced.stages(4)
    held = client.post("/v1/queue/claim", json={"agent": "ann"}).json()
    finish = {"generation": held["generation"], "outcome": "answered"}
    assert client.post(f"/v1/items/{held['item']}/finish", json=finish).status_code == 200
    found = traced.stages(6)
    assert sorted(span["name"] for span in found) == [
        *("claim", "ingest", "rank", "rank", "reply", "score"),
    ]
    for span in found:
        assert span["replyrank.items"] == [held["item"]]
        assert span["replyrank.count"] == 1
    models = {span["name"]: span["replyrank.model"] for span in found if "replyrank.model" in span}
    assert models == {"score": find_artefact("fallback").config.name}


def test_stages_that_somebody_waits_for_stand_below_the_request(traced: Traced) -> None:
    assert traced.client.post("/v1/messages", json=message("1", TEXT)).status_code == 201
    (request,) = traced.spans(1)
    parents = {span["name"]: span["parent"] for span in traced.stages(4)}
    assert parents["ingest"] == request["id"]
    assert parents["rank"] == parents["score"] == b""


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
