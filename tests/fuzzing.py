"""Requests drawn from what the service says of itself: those that it describes, and broken ones."""

from collections import Counter
from typing import Any, Final

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="fuzzing needs schemathesis (extra dev)")

import hypothesis
import requests
from hypothesis import Phase, given, settings, strategies

from replyrank.serving.api.inference import ANY
from tests.patience import PATIENT
from tests.services import Service

#: the stream of events has no end to wait for
_ENDLESS: Final = "/v1/events"
MODES: Final = tuple(schemathesis.GenerationMode)


def operations(service: Service) -> list[Any]:
    """What the service's own OpenAPI document describes, but for what never ends."""
    with service.client() as client:
        document = client.get("/v1/openapi.json").json()
    api = schemathesis.openapi.from_dict(document)
    api.config.update(base_url=service.address)
    found = [one.ok() for one in api.get_all_operations()]
    return [one for one in found if one.path != _ENDLESS]


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
        AssertionError: a request was answered by a 500, by what the document does not name, or
            refused without saying why in the way of the API.
    """
    session, statuses = requests.Session(), Counter[int]()

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
        answer = case.call(session=session, timeout=20)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        documented = {str(code) for code in case.operation.definition.raw["responses"]}
        # A wrong method, or no such path, is no operation of the document.
        assert str(answer.status_code) in documented | {"404", "405"}, answer.text
        kind = answer.headers.get("content-type", [""])[0]
        if answer.status_code >= 400:
            assert kind.startswith("application/problem+json")

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
