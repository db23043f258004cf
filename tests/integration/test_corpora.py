"""The real corpora: what our labels join, what crosses, what the committed lists say."""

import os
import re
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from replyrank.data.behaviour import load_cases
from replyrank.data.corpora import (
    CORPORA,
    LabelledPost,
    corpora_root,
    joined_posts,
    labels_of,
    mapping_table,
    read_corpus,
    training_text,
)
from replyrank.data.labels import read_labels
from replyrank.data.near_copies import NearCopyGuard, normalise
from replyrank.data.splits import Split, gate_keys, gate_rows, split_of
from replyrank.data.splits.folds import NO_FOLD, company_folds
from replyrank.data.splits.sketches import is_like_one_of, judged, judged_rows
from replyrank.data.text_key import text_key
from replyrank.training.build_rows import AUXILIARY, BuildConfig, Row, RowSelection

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(
        "REPLYRANK_DATA" not in os.environ,
        reason="REPLYRANK_DATA names no folder with the public corpora",
    ),
]

# Posts per corpus, counted once with the sources' own readers (wc, csv).
# Of corpora that give a part of their file, or one file in two forms, what the loader gave when it
# was checked against the file by eye.
POSTS = {
    "airline": 14_634,
    "app_reviews": 3_783,
    "apple": 3_886,
    "asapp": 43_035,
    "banking77": 13_083,
    "brands_products": 9_093,
    "complaints": 3_397,
    "complaints_xci": 3_396,
    "facebook": 9_301,
    "goemotions": 54_263,
    "ibm_care": 1_211,
    "politeness": 10_957,
    "sanders": 2_458,
    "semeval_valence": 19_504,
    "trec_is": 30_573,
    "tweet_acts": 7_500,
    "tweeteval_emotion": 3_631,
    "tweeteval_hate": 10_000,
    "tweeteval_irony": 3_817,
    "tweeteval_offensive": 13_240,
    "tweeteval_test": 12_284,
    "tweeteval_train": 47_471,
    "tweeteval_val": 2_000,
    "tweetsumm": 4_173,
    "twcs": 20_218,
    "twcs_mixed": 5_266,
    "uk_mobile": 12_067,
    "uk_mobile_labelled": 2_935,
    "uva": 5_142,
}
# A build of one small corpus: the guards are the same for all.
SMALL = ("uk_mobile_labelled",)


@pytest.fixture(scope="module")
def posts() -> list[LabelledPost]:
    return joined_posts()


@pytest.fixture(scope="module")
def selected() -> dict[str, list[Row]]:
    selection = RowSelection(corpora_root(), BuildConfig(auxiliary=SMALL))
    splits = selection.labelled()
    splits["auxiliary"] = selection.auxiliary()
    return splits


def test_labels_join(posts: list[LabelledPost]) -> None:
    wanted = Counter(row.source for row in read_labels())
    found = Counter(post.source for post in posts)
    missing = {source: wanted[source] - found[source] for source in wanted}
    shares = {source: found[source] / n for source, n in wanted.items()}
    assert len(posts) >= 0.995 * wanted.total(), missing
    assert min(shares.values()) >= 0.99, missing


def test_a_joined_text_has_the_key_of_its_label(posts: list[LabelledPost]) -> None:
    assert all(text_key(post.text) == post.key for post in posts)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_every_post_of_a_corpus_can_be_read(name: str) -> None:
    count = sum(1 for _ in read_corpus(name))
    assert count == POSTS[name]


def test_facebook_gives_every_message_as_it_reads() -> None:
    assert sum("as_filed" not in post.native for post in read_corpus("facebook")) == 6_408


def test_the_gate_list_is_what_its_rule_gives(posts: list[LabelledPost]) -> None:
    assert set(gate_rows(posts)) == gate_keys()


def test_the_gate_holds_its_share_of_the_posts_with_a_company(posts: list[LabelledPost]) -> None:
    train = [post for post in posts if post.split == "train" and post.company]
    gate = sum(split_of(post) is Split.GATE for post in train)
    assert 0.13 <= gate / len(train) <= 0.17


def test_folds_are_of_like_size(posts: list[LabelledPost]) -> None:
    train = [post for post in posts if split_of(post) is Split.TRAIN]
    sizes = Counter(fold for fold in company_folds(train) if fold != NO_FOLD)
    assert max(sizes.values()) <= 1.1 * min(sizes.values())


def test_sketches_find_the_near_copies_that_texts_find(posts: list[LabelledPost]) -> None:
    judges = [post for post in posts if split_of(post) in {Split.TEST, Split.GATE}]
    assert np.array_equal(judged(), judged_rows(judges))
    guard = NearCopyGuard([post.text for post in judges])
    same = {normalise(post.text) for post in judges}
    names = ("airline", "apple", "sanders", "twcs", "twcs_mixed", "uk_mobile")
    texts = [post.text for name in names for post in islice(read_corpus(name), 8_000)]
    # What says the very same is found by its sketch as well as by its letters.
    others = [text for text in texts if normalise(text) not in same]
    copies = {text for text in others if guard.copied(text) is not None}
    assert len(copies) > 40
    found = [is_like_one_of(text, judged()) for text in copies]
    assert np.mean(found) >= 0.9
    rest = [text for text in others if text not in copies][::5]
    assert np.mean([is_like_one_of(text, judged()) for text in rest]) <= 0.005


def test_no_training_text_is_a_near_copy_of_a_test_text(
    selected: dict[str, list[Row]], posts: list[LabelledPost]
) -> None:
    guard = NearCopyGuard([training_text(post) for post in posts if post.split == "test"])
    rows = [row for name, split in selected.items() if name != "test" for row in split]
    assert len(guard.filter(row.text for row in rows)) == len(rows) > 40_000


def test_nothing_that_trains_copies_the_gate_or_a_behaviour_case(
    selected: dict[str, list[Row]],
) -> None:
    cases = [text for case in load_cases() for text in case.texts]
    guard = NearCopyGuard([*(row.text for row in selected["gate"]), *cases])
    rows = [*selected["posts_train"], *selected["posts_added"], *selected["auxiliary"]]
    assert len(guard.filter(row.text for row in rows)) == len(rows)


def test_nothing_that_trains_addresses_a_gate_company(selected: dict[str, list[Row]]) -> None:
    # Spelled here by hand: the table of companies cannot find what it does not know.
    addressed = re.compile(
        r"\b(?:americanair(?:lines)?|vzw(?:support)?|verizon|bestbuysupport|nationalrailenq|gwrhelp"
        r"|tmobilehelp|adobe(?:care)?|askseagate|greggsofficial|arbyscares|teamyoutube|googleplay)\b",
        re.IGNORECASE,
    )
    rows = [*selected["posts_train"], *selected["posts_added"], *selected["auxiliary"]]
    assert [row.text for row in rows if addressed.search(row.text)] == []


def test_every_test_post_is_there_to_judge(selected: dict[str, list[Row]]) -> None:
    assert len(selected["test"]) == sum(row.split == "test" for row in read_labels())


def test_a_planted_copy_would_be_found(posts: list[LabelledPost]) -> None:
    long = next(post for post in posts if post.split == "test" and len(post.text) > 100)
    guard = NearCopyGuard([post.text for post in posts if post.split == "test"])
    assert guard.copied(f"RT @someone {long.text.upper()} https://t.co/abc") is not None


def test_the_agreement_in_the_mapping_table_is_measured(posts: list[LabelledPost]) -> None:
    train = [post for post in posts if split_of(post) is Split.TRAIN]
    ours = {text_key(training_text(post)): post for post in train}
    both: Counter[tuple[str, str]] = Counter()
    same: Counter[tuple[str, str]] = Counter()
    for name in AUXILIARY:
        for post in read_corpus(name):
            native = post.native.get("label", "")
            place, known = (name, native), ours.get(text_key(post.text))
            if known is None or "as_filed" in post.native or place not in mapping_table():
                continue
            sentiment = labels_of(name, native, optional=True).sentiment
            trusted = float(post.native.get("confidence") or 1) >= 0.65
            if sentiment is not None and trusted:
                both[place] += 1
                same[place] += known.labels.sentiment is sentiment
    table = {
        place: row.agreement for place, row in mapping_table().items() if place[0] in AUXILIARY
    }
    assert {place: said for place, said in table.items() if said} == {
        place: f"{same[place]}/{n}" for place, n in both.items()
    }
