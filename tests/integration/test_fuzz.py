"""Any request that the API describes, and many that it does not, is answered and never by a 500."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="fuzzing needs schemathesis (extra dev)")
pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

from hypothesis import HealthCheck, Phase, given, settings

from tests.services import Service, running
from tests.services import settings as of

#: of each operation, and of each kind; `REPLYRANK_FUZZ` asks for more
CASES = int(os.environ.get("REPLYRANK_FUZZ", "20"))
#: the stream of events has no end to wait for
ENDLESS = "/v1/events"
MODES = tuple(schemathesis.GenerationMode)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(of(tmp_path_factory.mktemp("fuzz"))) as found:
        yield found


@pytest.fixture(scope="module")
def operations(service: Service) -> list[Any]:
    with service.client() as client:
        document = client.get("/v1/openapi.json").json()
    api = schemathesis.openapi.from_dict(document)
    api.config.update(base_url=service.address)
    found = [one.ok() for one in api.get_all_operations()]
    return [one for one in found if one.path != ENDLESS]


def test_the_document_names_every_operation(operations: list[Any]) -> None:
    assert len(operations) == 20


@pytest.mark.parametrize("mode", MODES)
def test_no_request_breaks_it(operations: list[Any], mode: Any, service: Service) -> None:
    client = service.client()
    for operation in operations:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=CASES,
            deadline=None,
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.filter_too_much,
                HealthCheck.data_too_large,
                HealthCheck.large_base_example,
                HealthCheck.function_scoped_fixture,
            ],
            phases=[Phase.explicit, Phase.generate],
            database=None,
        )
        def ask(case: Any) -> None:
            answer = case.call(timeout=20)
            assert answer.status_code < 500 or answer.status_code == 503, answer.text
            documented = {str(code) for code in case.operation.definition.raw["responses"]}
            # A wrong method, or no such path, is no operation of the document.
            assert str(answer.status_code) in documented | {"404", "405"}, answer.text
            kind = answer.headers.get("content-type", [""])[0]
            if answer.status_code >= 400:
                assert kind.startswith("application/problem+json")

        try:
            ask()
        except Exception as error:
            name = f"{operation.method} {operation.path}"
            error.add_note(name)
            if "Unsatisfiable" not in type(error).__name__:
                raise
    client.close()
