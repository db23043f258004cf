"""The API as whoever has texts scored meets it."""

import httpx
import pytest

from replyrank.data.vocabulary import SCORE_COLUMNS
from replyrank.models import load_scorer
from replyrank.pipeline.score_columns import score_columns
from tests.services import PRAISE, URGENT


def test_scores_are_those_of_the_library(client: httpx.Client) -> None:
    texts = [URGENT, PRAISE, "", "wo ist mein Paket, ich warte seit drei Wochen darauf"]
    answer = client.post("/v1/score", json={"texts": texts})
    assert answer.status_code == 200
    columns = score_columns(load_scorer("fallback").score_batch(texts))
    for row, found in enumerate(answer.json()["scores"]):
        assert tuple(found) == SCORE_COLUMNS
        for name, values in columns.items():
            assert found[name] == pytest.approx(values[row], abs=2e-6)


def test_odd_texts_are_scored(client: httpx.Client) -> None:
    raw = rb'{"texts": ["nul \u0000 half \ud83d", "", "\u200b", "' + b"a" * 9_000 + b'"]}'
    answer = client.post("/v1/score", content=raw)
    assert answer.status_code == 200
    assert len(answer.json()["scores"]) == 4


@pytest.mark.parametrize("given", ["abc", "0", "-5", "inf", "nan"])
def test_a_wrong_timeout_is_refused(client: httpx.Client, given: str) -> None:
    headers = {"X-Request-Timeout-Ms": given}
    assert client.post("/v1/score", json={"texts": ["x"]}, headers=headers).status_code == 400
