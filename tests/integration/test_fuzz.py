"""Any request that the API describes, and many that it does not, is answered and never by a 500."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("schemathesis", reason="fuzzing needs schemathesis (extra dev)")
pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

import jsonschema_rs

from tests.fuzzing import MODES, Described, ask, closed
from tests.fuzzing import operations as operations_of
from tests.services import Service, message, running
from tests.services import settings as of

#: of each operation, and of each kind; `REPLYRANK_FUZZ` asks for more
CASES = int(os.environ.get("REPLYRANK_FUZZ", "20"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(of(tmp_path_factory.mktemp("fuzz"))) as found:
        yield found


@pytest.fixture(scope="module")
def operations(service: Service) -> list[Any]:
    return operations_of(service)


def test_the_document_names_every_operation(operations: list[Any]) -> None:
    assert len(operations) == 21


def test_an_answer_that_is_not_as_described_is_found(operations: list[Any]) -> None:
    (ready,) = [one for one in operations if one.path == "/readyz"]
    described, problem = Described(ready), {"title": "t", "status": 503, "detail": "d"}
    described.check(200, "application/json", '{"ready": true}')
    described.check(503, "application/problem+json; charset=utf-8", json.dumps(problem))
    # No operation describes that there is no such path; it is a problem like any other.
    described.check(404, "application/problem+json", json.dumps(problem))
    for status, kind, body in (
        (201, "application/json", '{"ready": true}'),
        (200, "text/html", "<p>ready</p>"),
        (200, "application/json", '{"ready": true, "extra": 1}'),
        (200, "application/json", "{}"),
        (503, "application/json", json.dumps(problem)),
        (503, "application/problem+json", json.dumps(problem | {"status": "503"})),
        (404, "application/problem+json", json.dumps(problem | {"errors": []})),
    ):
        with pytest.raises(AssertionError):
            described.check(status, kind, body)


def test_events_are_as_described(service: Service) -> None:
    with service.client() as client:
        schema = client.get("/v1/openapi.json").json()["components"]["schemas"]["Event"]
        client.post("/v1/messages", json=message("of events"))
        client.post("/v1/queue/claim", json={"agent": "kim"})
        (last,) = service.inbox.store.events(service.inbox.store.last_event() - 1, 1)
        seen: list[dict[str, Any]] = []
        with client.stream("GET", "/v1/events", params={"after": 0}) as stream:
            lines = (line for line in stream.iter_lines() if line.startswith("data: "))
            while not seen or seen[-1]["seq"] < last.seq:
                seen.append(json.loads(next(lines).removeprefix("data: ")))
    validator = jsonschema_rs.validator_for(closed(schema))
    for one in seen:
        validator.validate(one)
    assert {"created", "claimed"} <= {one["kind"] for one in seen}


@pytest.mark.parametrize("mode", MODES)
def test_no_request_breaks_it(operations: list[Any], mode: Any) -> None:
    asked = [sum(ask(operation, mode, CASES).values()) for operation in operations]
    assert sum(asked) > len(operations) * CASES / 2
