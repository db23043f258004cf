"""The API as a client meets it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

import httpx

from replyrank.data.label_records import Deletion, LabelRecord, parse_record
from replyrank.data.vocabulary import SCORE_COLUMNS
from replyrank.models import load_scorer
from replyrank.pipeline.score_columns import score_columns
from replyrank.serving.queue.keys import Scope, make_key, revoke_key
from replyrank.serving.queue.people import forget
from tests.services import Service, running, settings

URGENT = "my card was stolen and my money is gone, please help me right now"
PRAISE = "thank you so much, your team is the best, I love it"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(settings(tmp_path_factory.mktemp("service"))) as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Service]:
    with running(settings(tmp_path)) as found:
        yield found


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as found:
        yield found


def message(number: str, text: str = URGENT, **fields: Any) -> dict[str, Any]:
    return {"id": number, "brand": "acme", "channel": "twitter", "text": text, **fields}


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def wait_for_keys(service: Service) -> None:
    """Until the service has noticed that a key was made."""
    with service.client() as nobody:
        until(lambda: nobody.get("/v1/queue").status_code == 401)


def scored(client: httpx.Client) -> bool:
    return not any(client.get("/v1/statistics").json()["backlog"].values())


def queue(client: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    found = client.get("/v1/queue", params=wanted)
    assert found.status_code == 200, found.text
    items: list[dict[str, Any]] = found.json()["items"]
    return items


def test_scores_are_those_of_the_library(client: httpx.Client) -> None:
    texts = [URGENT, PRAISE, "", "wo ist mein Paket, ich warte seit drei Wochen darauf"]
    answer = client.post("/v1/score", json={"texts": texts})
    assert answer.status_code == 200
    columns = score_columns(load_scorer("fallback").score_batch(texts))
    for row, found in enumerate(answer.json()["scores"]):
        assert tuple(found) == SCORE_COLUMNS
        for name, values in columns.items():
            assert found[name] == pytest.approx(values[row], abs=2e-6)


def test_a_message_is_kept_ranked_and_told_why(fresh: Service) -> None:
    with fresh.client() as client:
        first = client.post("/v1/messages", json=message("1", PRAISE, author="al"))
        assert (first.status_code, first.json()["result"]) == (201, "accepted")
        client.post("/v1/messages", json=message("2", URGENT, author="bo", reach=5_000))
        again = client.post("/v1/messages", json=message("2", URGENT, author="bo", reach=5_000))
        assert (again.status_code, again.json()["result"]) == (200, "duplicate")
        until(lambda: scored(client))
        items = queue(client)
        assert [one["latest"]["id"] for one in items] == ["2", "1"]
        assert "pts/agent-min" in items[0]["reason"]
        assert items[0]["latest"]["scores"]["intent"] == "support_request"
        assert items[0]["index"] > items[1]["index"]
        assert sum(items[0]["classes"].values()) == pytest.approx(1, abs=1e-5)


def test_a_bad_row_of_a_batch_is_told_and_the_rest_goes_on(fresh: Service) -> None:
    with fresh.client() as client:
        bad: list[Any] = [
            message("1"),
            {"id": "2", "brand": "acme", "channel": "telegraph", "text": "x"},
            "no object",
            message("3", reach=-1),
            message("4", created_at="2026-03-02T12:00:00"),
            message("5", text="nul \0 and half \ud83d here"),
            message("6", text="x" * 10_001),
            message("7", colour="red"),
            message("8", created_at="0001-01-01T00:00:00+23:59"),
            message("9\ud800"),
        ]
        raw = json.dumps({"messages": bad}).encode()
        answer = client.post("/v1/messages/batch", content=raw)
        results = answer.json()["results"]
        assert [one["result"] for one in results] == [
            *("accepted", "refused", "refused", "refused", "refused", "accepted"),
            *("refused",) * 4,
        ]
        assert all(one["detail"] for one in results if one["result"] == "refused")
        assert "time zone" in results[4]["detail"]
        (kept,) = [one for one in queue(client) if one["latest"]["id"] == "5"]
        assert kept["latest"]["text"] == "nul \ufffd and half \ufffd here"


def test_an_agent_claims_reads_answers_and_the_late_one_is_refused(fresh: Service) -> None:
    with fresh.client() as client:
        client.post("/v1/messages", json=message("1", author="bo"))
        claimed = client.post("/v1/queue/claim", json={"agent": "kim"}).json()
        item, generation = claimed["item"], claimed["generation"]
        assert [turn["text"] for turn in claimed["turns"]] == [URGENT]
        assert client.post("/v1/queue/claim", json={"agent": "lee"}).status_code == 204
        assert [one["owner"] for one in queue(client, state="leased")] == ["kim"]
        client.post("/v1/messages", json=message("2", "hello?", author="bo"))
        hold = {"generation": generation}
        renewed = client.post(f"/v1/items/{item}/renew", json=hold)
        assert [turn["id"] for turn in renewed.json()["turns"]] == ["1", "2"]
        wrong = client.post(f"/v1/items/{item}/finish", json={"generation": generation + 1})
        assert wrong.status_code == 409
        assert wrong.headers["content-type"] == "application/problem+json"
        done = client.post(f"/v1/items/{item}/finish", json=hold)
        assert done.json() == {"item": item, "left_over": None, "outcome": "answered"}
        assert client.post(f"/v1/items/{item}/renew", json=hold).status_code == 409
        assert client.get(f"/v1/items/{item}").json()["state"] == "answered"
        assert queue(client) == []


def test_a_named_item_is_claimed_and_given_back(fresh: Service) -> None:
    with fresh.client() as client:
        client.post("/v1/messages", json=message("1", URGENT, author="al"))
        client.post("/v1/messages", json=message("2", PRAISE, author="bo"))
        wanted = queue(client)[1]["item"]
        claimed = client.post("/v1/queue/claim", json={"agent": "kim", "item": wanted}).json()
        assert claimed["item"] == wanted
        again = {"agent": "lee", "item": wanted}
        assert client.post("/v1/queue/claim", json=again).status_code == 204
        hold = {"generation": claimed["generation"]}
        assert client.post(f"/v1/items/{wanted}/release", json=hold).status_code == 204
        assert len(queue(client)) == 2
        missing = {"agent": "kim", "item": 999}
        assert client.post("/v1/queue/claim", json=missing).status_code == 404


def test_a_lease_that_runs_out_comes_back(fresh: Service) -> None:
    with fresh.client() as client:
        client.post("/v1/messages", json=message("1"))
        client.post("/v1/queue/claim", json={"agent": "kim", "lease_seconds": 0.05})
        until(lambda: len(queue(client)) == 1)
        assert "inbox_leases_expired_total 1.0" in client.get("/metrics").text


def test_a_correction_moves_the_item_and_reaches_training(fresh: Service) -> None:
    with fresh.client() as client:
        client.post("/v1/messages", json=message("1", PRAISE, author="al"))
        client.post("/v1/messages", json=message("2", "where is my order?", author="bo"))
        until(lambda: scored(client))
        assert queue(client)[0]["latest"]["id"] == "2"
        given = {
            "brand": "acme", "channel": "twitter", "id": "1", "by": "kim",
            "intent": "support_request", "urgency_level": "critical",
        }  # fmt: skip
        assert client.post("/v1/corrections", json=given).status_code == 200
        first = queue(client)[0]
        assert (first["latest"]["id"], first["latest"]["scores"]["model"]) == ("1", "person")
        assert first["classes"]["critical"] > 0.99
        found = client.get("/v1/corrections").json()
        record = parse_record(json.dumps(found["records"][0]))
        assert isinstance(record, LabelRecord)
        assert record.said is not None
        assert (record.text, record.said.intent.value) == (PRAISE, "praise")
        after = client.get("/v1/corrections", params={"after": found["next"]}).json()
        assert after == {"records": [], "next": found["next"]}


def test_who_is_forgotten_leaves_nothing_but_a_tombstone(fresh: Service) -> None:
    with fresh.client() as client:
        client.post("/v1/messages", json=message("1", "only mine", author="bo"))
        shared = {"customer": "C1"}
        client.post("/v1/messages", json=message("2", "ours", author="bo", **shared))
        client.post("/v1/messages", json=message("3", "and his", author="al", **shared))
        given = {"brand": "acme", "channel": "twitter", "id": "1", "intent": "chatter"}
        client.post("/v1/corrections", json=given)
        gone = forget(fresh.inbox.database, "bo", fresh.inbox.weighing)
        assert (gone.messages, gone.corrections) == (2, 1)
        until(lambda: [one["latest"]["id"] for one in queue(client)] == ["3"])
        again = client.post("/v1/messages", json=message("1", "only mine", author="bo"))
        assert again.json()["result"] == "forgotten"
        records = [
            parse_record(json.dumps(one)) for one in client.get("/v1/corrections").json()["records"]
        ]
        assert [type(one) for one in records] == [Deletion, Deletion]
        with fresh.inbox.database.read() as connection:
            for table in ("message", "event", "correction", "item"):
                kept = str(connection.exec_driver_sql(f"SELECT * FROM {table}").all())  # noqa: S608
                assert "only mine" not in kept
                assert "'bo'" not in kept


def test_changes_come_as_events_and_go_on_after_a_break(fresh: Service) -> None:
    with fresh.client() as client:
        client.post("/v1/messages", json=message("1", author="bo"))
        with client.stream("GET", "/v1/events", params={"after": 0}) as stream:
            lines = stream.iter_lines()
            seen = [line for line in (next(lines) for _ in range(3)) if line]
        assert seen[0] == "id: 1"
        assert seen[1] == "event: created"
        assert URGENT not in "".join(seen)
        client.post("/v1/messages", json=message("2", author="al"))
        with client.stream("GET", "/v1/events", headers={"Last-Event-ID": "1"}) as stream:
            assert next(stream.iter_lines()) != "id: 1"


def test_a_key_that_is_revoked_sees_no_more_events(fresh: Service) -> None:
    database = fresh.inbox.database
    key = make_key(database, "watch", frozenset({Scope.AGENT, Scope.INGEST}), None)
    wait_for_keys(fresh)
    with fresh.client(key) as client, client.stream("GET", "/v1/events") as stream:
        revoke_key(database, key.split("_")[1])
        # It ends, where the stream of a key in use never does.
        assert all("created" not in line for line in stream.iter_lines())


def test_a_last_event_that_is_no_number_is_passed_over(client: httpx.Client) -> None:
    headers = {"Last-Event-ID": "9" * 5_000}
    with client.stream("GET", "/v1/events", params={"after": 0}, headers=headers) as stream:
        assert stream.status_code == 200


def test_a_slow_watcher_costs_nothing_and_another_goes_on(fresh: Service) -> None:
    with fresh.client() as client, client.stream("GET", "/v1/events", params={"after": 0}):
        batch = [message(str(n), f"parcel {n}", author=str(n)) for n in range(300)]
        assert client.post("/v1/messages/batch", json={"messages": batch}).status_code == 200


def test_health_says_alive_and_ready_apart(fresh: Service) -> None:
    with fresh.client() as client:
        for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200
        fresh.inbox.is_draining = True
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200
        # Whoever does not know it yet is still answered.
        assert client.post("/v1/score", json={"texts": ["x"]}).status_code == 200
        assert client.post("/livez", content=b"[" * 1_000_000).status_code == 405


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


def test_a_compressed_body_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/score", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("given", ["abc", "0", "-5", "inf", "nan"])
def test_a_wrong_timeout_is_refused(client: httpx.Client, given: str) -> None:
    headers = {"X-Request-Timeout-Ms": given}
    assert client.post("/v1/score", json={"texts": ["x"]}, headers=headers).status_code == 400


def test_odd_texts_are_scored(client: httpx.Client) -> None:
    raw = rb'{"texts": ["nul \u0000 half \ud83d", "", "\u200b", "' + b"a" * 9_000 + b'"]}'
    answer = client.post("/v1/score", content=raw)
    assert answer.status_code == 200
    assert len(answer.json()["scores"]) == 4


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


def test_metrics_say_what_happened_and_hold_no_text(fresh: Service) -> None:
    with fresh.client() as client:
        client.post("/v1/score", json={"texts": [URGENT]})
        client.post("/v1/messages", json=message("1", author="bo"))
        until(lambda: scored(client))
        claimed = client.post("/v1/queue/claim", json={"agent": "kim"}).json()
        client.post(
            f"/v1/items/{claimed['item']}/finish", json={"generation": claimed["generation"]}
        )
        time.sleep(0.1)
        told = client.get("/metrics").text
    for line in (
        'inbox_requests_total{code="200",route="/v1/score"} 1.0',
        'inbox_ingest_total{channel="twitter",result="accepted"} 1.0',
        'inbox_model_info{version="linear-2"} 1.0',
        "inbox_conservation_error 0.0",
        'inbox_first_response_seconds_count{channel="twitter",class=',
        "inbox_batch_size_count",
        "inbox_rank_tick_seconds_count",
    ):
        assert line in told, line
    assert "stolen" not in told
