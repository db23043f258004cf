"""The errors that are read: drawn once each, and sorted without their text."""

import csv
import re
from collections import Counter

import numpy as np
import pytest

from replyrank.data.errors import UsageError
from replyrank.data.vocabulary import INTENTS, Intent
from replyrank.models.held_out import HeldOut
from tests.benchmarks.errors import (
    COLUMNS,
    KINDS,
    SORTED,
    STRATA,
    Draw,
    Drawn,
    check,
    draw,
    shares,
)

SUPPORT = INTENTS.index(Intent.SUPPORT_REQUEST)
PRAISE = INTENTS.index(Intent.PRAISE)


def held_out(*posts: tuple[int, int, int, int]) -> HeldOut:
    """Posts by intent and level, as labelled and as the model says."""
    need = np.full((len(posts), 4, 4), 0.1 / 15)
    for row, (_, _, intent, level) in enumerate(posts):
        need[row, intent, level] = 0.9
    n = len(posts)
    labels = np.array(posts, dtype=np.int64)
    return HeldOut(
        key=np.arange(1, n + 1, dtype=np.uint64),
        company=np.zeros(n, dtype=np.int64),
        intent=labels[:, 0],
        urgency=labels[:, 1],
        sentiment=np.zeros(n, dtype=np.int64),
        need=need.reshape(n, 16),
        p_sentiment=np.full((n, 3), 1 / 3),
        rule_hits=np.zeros((n, 1), dtype=np.bool_),
        rules="none",
    )


def test_an_error_is_in_the_first_stratum_that_fits() -> None:
    right = [(SUPPORT, 2, SUPPORT, 2)] * 5
    posts = held_out(
        *right,
        (SUPPORT, 3, PRAISE, 0),
        (SUPPORT, 2, PRAISE, 0),
        (PRAISE, 0, SUPPORT, 2),
        (PRAISE, 0, SUPPORT, 0),
        (PRAISE, 0, PRAISE, 1),
    )
    errors = draw(posts)
    assert [(post.row, post.stratum) for post in errors.posts] == list(enumerate(STRATA, start=5))
    assert errors.sizes == dict.fromkeys(STRATA, 1)
    late, missed, raised, intent, level = (post.p_true for post in errors.posts)
    few = 0.1 / 15
    assert (late, missed) == pytest.approx((4 * few, 8 * few))
    assert (raised, intent, level) == pytest.approx((8 * few, 4 * few, 4 * few))


def test_the_draw_does_not_hang_on_the_order_of_the_posts() -> None:
    posts = held_out(*[(PRAISE, 0, SUPPORT, 0)] * 200)
    first, again = draw(posts), draw(posts.take(np.arange(200)[::-1]))
    assert [post.key for post in first.posts] == [post.key for post in again.posts]
    assert len(first.posts) == STRATA["intent"][0]
    assert first.sizes["intent"] == 200
    assert first.weight("intent") == pytest.approx(200 / STRATA["intent"][0])


def test_a_kind_weighs_as_many_errors_as_it_stands_for() -> None:
    posts = [
        Drawn("a", "intent", 0, 0.1),
        Drawn("b", "intent", 1, 0.3),
        Drawn("c", "level", 2, 0.2),
    ]
    read = {"a": {"kind": "irony"}, "b": {"kind": "border"}, "c": {"kind": "border"}}
    rows = {row["kind"]: row for row in shares(read, Draw(posts, {"intent": 80, "level": 20}))}
    assert rows["irony"]["share_of_all"] == pytest.approx(0.4)
    assert rows["border"]["share_of_all"] == pytest.approx(0.6)
    assert rows["border"]["p_true"] == pytest.approx(0.25)
    assert rows["border"]["strata"]["level"] == 1
    assert rows["money"]["p_true"] is None


@pytest.mark.parametrize(
    ("read", "what"),
    [
        ({}, "1 not sorted"),
        (
            {
                "a": {"stratum": "intent", "kind": "irony"},
                "b": {"stratum": "intent", "kind": "irony"},
            },
            "1 sorted but not drawn",
        ),
        ({"a": {"stratum": "level", "kind": "irony"}}, "1 of another stratum"),
        ({"a": {"stratum": "intent", "kind": "mood"}}, "1 of no known kind"),
    ],
)
def test_a_sorting_of_other_posts_is_refused(read: dict[str, dict[str, str]], what: str) -> None:
    with pytest.raises(UsageError, match=f"{what} .*--show FILE"):
        check(read, [Drawn("a", "intent", 0, 0.1)])


def test_what_is_committed_has_keys_and_known_words_only() -> None:
    with SORTED.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {tuple(row) for row in rows} == {COLUMNS}
    assert len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(r"[0-9a-f]{16}", row["key"])
        assert row["kind"] in KINDS
        # A remark is a few words of the reader's own: no handle, tag, link or quotation.
        assert re.fullmatch(r"[a-z][a-z ,;:'?-]{10,89}", row["remark"]), row["remark"]
    counts = Counter(row["stratum"] for row in rows)
    assert counts == {stratum: most for stratum, (most, _) in STRATA.items()}
