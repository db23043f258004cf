"""The databases that the queue is tested on, and running services."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.queues import KINDS, PostgresServer, opened, sqlite_in
from tests.services import Service, running, settings


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real server, from a wheel."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.close()


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        return sqlite_in(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url()


@pytest.fixture
def database(url: str) -> Iterator[object]:
    """The same with its tables."""
    with opened(url) as found:
        yield found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all tests of a file."""
    with running(settings(tmp_path_factory.mktemp("service"))) as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Service]:
    """One for one test, with an empty queue."""
    with running(settings(tmp_path)) as found:
        yield found


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """Of the service of the file."""
    with service.client() as found:
        yield found
