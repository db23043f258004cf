"""Requests drawn from what the service says of itself: those that it describes, and broken ones."""

import json
from collections import Counter
from typing import Any, Final

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="fuzzing needs schemathesis (extra dev)")

import hypothesis
import jsonschema_rs
import requests
from hypothesis import Phase, given, settings, strategies

from replyrank.serving.api.inference import ANY
from tests.patience import PATIENT
from tests.services import Service

#: the stream of events has no end to wait for: its head is looked at
_ENDLESS: Final = "/v1/events"
_STREAM: Final = "text/event-stream"
_PROBLEM: Final = "application/problem+json"
MODES: Final = tuple(schemathesis.GenerationMode)


def operations(service: Service) -> list[Any]:
    """What the service's own OpenAPI document describes."""
    with service.client() as client:
        document = client.get("/v1/openapi.json").json()
    api = schemathesis.openapi.from_dict(document)
    api.config.update(base_url=service.address)
    return [one.ok() for one in api.get_all_operations()]


class Described:
    """What the document says of the answers of one operation.

    Args:
        operation: one of `operations`.
    """

    def __init__(self, operation: Any) -> None:
        self._answers: dict[str, Any] = operation.definition.raw["responses"]
        self._components = closed(operation.schema.raw_schema.get("components", {}))
        #: made once each: an answer is checked in a few microseconds
        self._validators: dict[tuple[int, str], Any] = {}

    def check(self, status: int, kind: str, body: str) -> None:
        """Whether an answer is as described: its status, its content type, its whole body.

        Raises:
            AssertionError: it is not, with what differs.
        """
        # A wrong method, or no such path, is no operation of the document.
        assert str(status) in self._answers or status in (404, 405), body
        kind = kind.partition(";")[0]
        assert status < 400 or kind == _PROBLEM, f"{status} comes as {kind!r}"
        if not kind.endswith("json"):
            assert kind in self._answers[str(status)].get("content", {"": None}), kind
            return
        found = self._validators.get((status, kind))
        if found is None:
            found = self._validators[status, kind] = self._validator(status, kind)
        try:
            found.validate(json.loads(body))
        except jsonschema_rs.ValidationError as error:
            message = f"{status} is not as described: {error}"
            raise AssertionError(message) from None

    def _validator(self, status: int, kind: str) -> Any:
        # What no operation describes is a problem like any other.
        named = [self._answers[str(status)]] if str(status) in self._answers else self._problems()
        content: dict[str, Any] = named[0].get("content", {})
        assert kind in content, f"{status} comes as {kind!r}, described is {sorted(content)}"
        schema = closed(content[kind]["schema"])
        return jsonschema_rs.validator_for(schema | {"components": self._components})

    def _problems(self) -> list[dict[str, Any]]:
        return [one for one in self._answers.values() if _PROBLEM in one.get("content", {})]


def closed(schema: Any) -> Any:
    """A schema by which an object has what is described and nothing else.

    The document itself leaves objects open, so that what comes to be added breaks no client; but
    what is there must be described.
    """
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {"additionalProperties": False} if "properties" in schema else {}
    return shut | {name: closed(one) for name, one in schema.items()}


def ask(operation: Any, mode: Any, cases: int, seed: int = 0) -> Counter[int]:
    """Ask so often at most; fewer where there are not so many different requests.

    Args:
        operation: one of `operations`.
        mode: requests as described, or broken ones.
        cases: how many.
        seed: of the draw.

    Returns:
        How often each status was answered.

    Raises:
        AssertionError: a request was answered by a 500, or by what the document does not describe:
            another status, another content type, a body that is not as its schema says.
    """
    session, statuses, described = requests.Session(), Counter[int](), Described(operation)

    @hypothesis.seed(seed)
    @given(case=operation.as_strategy(generation_mode=mode), is_ours=strategies.booleans())
    @settings(
        max_examples=cases,
        deadline=None,
        suppress_health_check=PATIENT,
        phases=[Phase.explicit, Phase.generate],
        database=None,
    )
    def one(case: Any, is_ours: bool) -> None:
        if is_ours and "model" in (case.path_parameters or {}):
            # Drawn words are no model's name, and nothing behind the name would be met.
            case.path_parameters["model"] = ANY
        call = case.as_transport_kwargs()
        with session.request(**call, timeout=20, stream=operation.path == _ENDLESS) as answer:
            status, kind = answer.status_code, answer.headers.get("content-type", "")
            body = "" if kind.startswith(_STREAM) else answer.text
        statuses[status] += 1
        assert status < 500 or status == 503, body
        described.check(status, kind, body)

    try:
        one()
    except Exception as error:
        error.add_note(f"{operation.method} {operation.path}")
        # Of a call without parameters no broken form can be drawn.
        if "Unsatisfiable" not in type(error).__name__:
            raise
    finally:
        session.close()
    return statuses
