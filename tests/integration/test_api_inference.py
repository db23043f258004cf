"""The Open Inference Protocol as one meets it who speaks it already."""

from typing import Any

import httpx
import pytest

from replyrank.data.vocabulary import SCORE_COLUMNS
from tests.services import PRAISE, URGENT

URL = "/v2/models/replyrank"


def asked(*texts: str, **changes: Any) -> dict[str, Any]:
    given = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}
    return {"inputs": [given | changes]}


def test_it_says_what_the_score_route_says(client: httpx.Client) -> None:
    texts = [URGENT, PRAISE, ""]
    found = client.post(f"{URL}/infer", json=asked(*texts) | {"id": "7"}).json()
    rows = client.post("/v1/score", json={"texts": texts}).json()["scores"]
    assert (found["id"], found["model_name"]) == ("7", "replyrank")
    assert found["model_version"] == rows[0]["model"]
    assert [one["name"] for one in found["outputs"]] == list(SCORE_COLUMNS)
    for output in found["outputs"]:
        assert output["shape"] == [3]
        values = [row[output["name"]] for row in rows]
        if output["datatype"] == "BYTES":
            assert output["data"] == [value or "" for value in values]
        else:
            assert output["data"] == pytest.approx(values)


def test_outputs_may_be_chosen_and_the_model_be_named(client: httpx.Client) -> None:
    about = client.get(URL).json()
    (name,) = about["versions"]
    assert client.get(f"/v2/models/{name}/ready").json()["ready"] is True
    body = asked(URGENT, shape=[1, 1]) | {"outputs": [{"name": "urgency", "parameters": {}}]}
    found = client.post(f"/v2/models/{name}/infer", json=body).json()
    assert [one["name"] for one in found["outputs"]] == ["urgency"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (asked("a", "b", shape=[3]), 400),
        (asked("a", "b", shape=[1, 2]), 400),
        (asked("a", name="x"), 422),
        (asked("a") | {"outputs": [{"name": "nothing"}]}, 422),
        (asked("a", datatype="FP32"), 422),
        (asked(), 422),
        ({"inputs": []}, 422),
        (asked(*["a"] * 257), 400),
    ],
)
def test_what_is_asked_otherwise_is_told(
    client: httpx.Client, body: dict[str, Any], status: int
) -> None:
    answer = client.post(f"{URL}/infer", json=body)
    assert answer.status_code == status, answer.text


def test_another_model_is_not_here(client: httpx.Client) -> None:
    for path in ("", "/ready"):
        assert client.get(f"/v2/models/other{path}").status_code == 404
    assert client.post("/v2/models/other/infer", json=asked("a")).status_code == 404
