"""The API as whoever watches the service meets it: events, health, metrics."""

import time
from pathlib import Path

import httpx

from replyrank.serving.queue.keys import Scope, make_key, revoke_key
from tests.services import (
    URGENT,
    Service,
    message,
    running,
    scored,
    settings,
    until,
    wait_for_keys,
)


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


def test_a_first_model_that_cannot_be_loaded_is_told_and_counted(tmp_path: Path) -> None:
    missing = tmp_path / "no-such-model"
    with running(settings(tmp_path, model=str(missing))) as service, service.client() as client:
        told = client.get("/v1/statistics").json()
        assert str(missing) in told["model_problem"]
        # The linear model answers meanwhile; the same failure is counted once.
        assert told["model"] == "linear-2"
        time.sleep(0.3)
        assert "inbox_model_swap_failures_total 1.0" in client.get("/metrics").text


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
