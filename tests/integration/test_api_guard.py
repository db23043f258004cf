"""What every request passes: its body, its key, its rate; what every answer gets."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest

from replyrank.serving.queue.keys import Scope, make_key, revoke_key
from tests.services import PRAISE, Service, message, queue, running, settings, until, wait_for_keys


def test_a_body_that_is_made_to_be_slow_is_refused_at_once(client: httpx.Client) -> None:
    for content in (
        b"[" * 21 + b'"' + b'\\"' * 250_000,
        b"[" * 21 + b'"' * 900_000,
        b"[]," * 300_000,
    ):
        start = time.monotonic()
        assert client.post("/v1/score", content=content).status_code == 400
        assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b'{"texts": [NaN]}', 400),
        (b"[1, 2]", 422),
        (b'{"texts": []}', 422),
        (b'{"texts": "one"}', 422),
        (b'{"texts": [1]}', 422),
        (b'{"texts": ["x"], "more": 1}', 422),
        (b'{"texts": ["\xff"]}', 400),
        (b"[" * 200 + b"]" * 200, 400),
        (b'{"texts": ["' + b"x" * (1 << 20) + b'"]}', 413),
        (json.dumps({"texts": ["x"] * 257}).encode(), 400),
        (json.dumps({"texts": ["x" * 10_001]}).encode(), 400),
    ],
)
def test_what_cannot_be_read_is_refused_with_words(
    client: httpx.Client, content: bytes, status: int
) -> None:
    answer = client.post("/v1/score", content=content)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["status"] == status
    assert len(problem["detail"]) > 10


def test_a_body_in_too_many_pieces_or_too_large_as_it_comes_is_refused(
    client: httpx.Client,
) -> None:
    tiny = (b" " for _ in range(6_000))
    assert client.post("/v1/score", content=tiny).status_code in (400, 413)
    large = (b" " * 65_536 for _ in range(40))
    assert client.post("/v1/score", content=large).status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080", "Origin": "http://[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example:8080"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "localhost:8080", "Origin": "http://localhost:3000"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_without_keys_no_page_of_a_browser_gets_in(
    client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/v1/score", json={"texts": ["x"]}, headers=headers)
    assert answer.status_code == status, answer.text
    assert client.get("/livez", headers=headers).status_code == 200


def test_with_keys_a_service_may_have_any_name(fresh: Service) -> None:
    key = make_key(fresh.inbox.database, "desk", frozenset({Scope.SCORE}), None)
    wait_for_keys(fresh)
    with fresh.client(key) as client:
        headers = {"Host": "queue.example", "Origin": "https://desk.example"}
        answer = client.post("/v1/score", json={"texts": ["x"]}, headers=headers)
        assert answer.status_code == 200


def test_a_body_that_trickles_is_cut_off(fresh: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replyrank.serving.api.guard._PATIENCE", 0.5)

    def pieces() -> Iterator[bytes]:
        for _ in range(8):
            time.sleep(0.2)
            yield b" "

    with fresh.client() as client:
        assert client.post("/v1/score", content=pieces()).status_code == 408


def test_a_compressed_body_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/score", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


def test_every_answer_has_its_id_and_the_headers_that_protect(client: httpx.Client) -> None:
    own = client.get("/v1/queue", headers={"X-Request-ID": "abc-1"})
    assert own.headers["x-request-id"] == "abc-1"
    other = client.get("/nothing/here", headers={"X-Request-ID": "a b\tc"})
    assert other.status_code == 404
    assert len(other.headers["x-request-id"]) == 32
    for answer in (own, other):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"


def test_keys_open_what_their_scope_says_and_no_more(fresh: Service) -> None:
    database = fresh.inbox.database
    keys = {scope: make_key(database, scope.value, frozenset({scope}), None) for scope in Scope}
    wait_for_keys(fresh)
    with fresh.client() as nobody:
        assert nobody.get("/livez").status_code == 200
        assert nobody.get("/metrics").status_code == 401
        assert nobody.get("/v1/queue").headers["www-authenticate"] == "Bearer"
    asked: dict[Scope, Callable[[httpx.Client], httpx.Response]] = {
        Scope.SCORE: lambda c: c.post("/v1/score", json={"texts": ["x"]}),
        Scope.INGEST: lambda c: c.post("/v1/messages", json=message("1")),
        Scope.AGENT: lambda c: c.get("/v1/queue"),
        Scope.ADMIN: lambda c: c.get("/v1/corrections"),
    }
    for scope, key in keys.items():
        with fresh.client(key) as client:
            for other, ask in asked.items():
                may = other is scope or scope is Scope.ADMIN
                assert (ask(client).status_code != 403) is may, (scope, other)
    with database.read() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM api_key").all())
    assert not any(key.split("_", 2)[2] in stored for key in keys.values())
    revoke_key(database, keys[Scope.AGENT].split("_")[1])
    with fresh.client(keys[Scope.AGENT]) as client:
        until(lambda: client.get("/v1/queue").status_code == 401)


def test_a_key_of_a_team_sees_its_own(fresh: Service) -> None:
    database, scopes = fresh.inbox.database, frozenset({Scope.INGEST, Scope.AGENT})
    north = fresh.client(make_key(database, "n", scopes, "north"))
    south = fresh.client(make_key(database, "s", scopes, "south"))
    with north, south:
        wait_for_keys(fresh)
        item = north.post("/v1/messages", json=message("1", author="a")).json()["item"]
        south.post("/v1/messages", json=message("2", PRAISE, author="b"))
        assert [one["latest"]["id"] for one in queue(north)] == ["1"]
        assert north.get("/v1/queue", params={"team": "south"}).status_code == 403
        assert south.get(f"/v1/items/{item}").status_code == 404
        claim = {"agent": "kim", "item": item}
        assert south.post("/v1/queue/claim", json=claim).status_code == 404
        held = north.post("/v1/queue/claim", json=claim).json()
        hold = {"generation": held["generation"]}
        assert south.post(f"/v1/items/{item}/finish", json=hold).status_code == 409
        label = {"brand": "acme", "channel": "twitter", "id": "1", "intent": "praise"}
        assert south.post("/v1/corrections", json=label).status_code == 404


def test_a_key_that_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with running(settings(tmp_path, requests_per_second=5)) as service:
        key = make_key(service.inbox.database, "k", frozenset({Scope.AGENT}), None)
        with service.client(key) as client:
            wait_for_keys(service)
            answers = [client.get("/v1/queue") for _ in range(30)]
            late = [one for one in answers if one.status_code == 429]
            assert late
            assert all(one.headers["retry-after"] == "1" for one in late)
            others = [client.get(path) for path in ("/v1/items/7", "/nowhere") for _ in range(30)]
        refused = [*late, *(one for one in others if one.status_code == 429)]
        for line in (
            _counted(429, "/v1/queue", late),
            _counted(429, "/v1/items/{item}", [one for one in refused if "/7" in one.url.path]),
            _counted(429, "other", [one for one in refused if one.url.path == "/nowhere"]),
            f'inbox_admission_rejected_total{{reason="quota"}} {float(len(refused))}',
        ):
            until(partial(_tells, service, line), 5, line.strip)


def _tells(service: Service, line: str) -> bool:
    return line in service.inbox.metrics.exposed().decode()


def _counted(status: int, route: str, answers: Sequence[httpx.Response]) -> str:
    assert answers
    return f'inbox_requests_total{{code="{status}",route="{route}"}} {float(len(answers))}'


def test_what_is_refused_at_the_door_counts_for_where_it_wanted_to_go(fresh: Service) -> None:
    make_key(fresh.inbox.database, "k", frozenset({Scope.AGENT}), None)
    with fresh.client() as nobody:
        wait_for_keys(fresh)
        assert nobody.post("/v1/items/7/finish", json={}).status_code == 401
    line = 'inbox_requests_total{code="401",route="/v1/items/{item}/finish"} 1.0'
    until(partial(_tells, fresh, line), 5)
