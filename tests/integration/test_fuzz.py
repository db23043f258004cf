"""Any request that the API describes, and many that it does not, is answered and never by a 500."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("schemathesis", reason="fuzzing needs schemathesis (extra dev)")
pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

from tests.fuzzing import MODES, ask
from tests.fuzzing import operations as operations_of
from tests.services import Service, running
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
    assert len(operations) == 20


@pytest.mark.parametrize("mode", MODES)
def test_no_request_breaks_it(operations: list[Any], mode: Any) -> None:
    asked = [sum(ask(operation, mode, CASES).values()) for operation in operations]
    assert sum(asked) > len(operations) * CASES / 2
