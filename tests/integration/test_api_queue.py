"""The API as those who hand in messages and those who answer them meet it."""

import json
from typing import Any

import pytest

from replyrank.data.label_records import Deletion, LabelRecord, parse_record
from replyrank.serving.queue.people import forget
from tests.services import PRAISE, URGENT, Service, message, queue, scored, until


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
