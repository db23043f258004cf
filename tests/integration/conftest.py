"""The databases that the queue is tested on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queues import KINDS, PostgresServer, opened, sqlite_in


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
