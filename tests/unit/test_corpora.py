"""Every loader reads its source's own file format."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from replyrank.data.corpora import CORPORA, CorpusPost, corpora_root, joined_posts, read_corpus
from replyrank.data.corpora.join import training_text
from replyrank.data.errors import UsageError
from replyrank.data.labels import LabelRow
from replyrank.data.messages import Labels
from replyrank.data.text_key import restore, text_key
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel
from tests.corpora import write_corpora

NEGATIVE, NEUTRAL, POSITIVE = SentimentLabel


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("corpora"))


def _posts(name: str, root: Path) -> list[CorpusPost]:
    return list(read_corpus(name, root))


EXPECTED: dict[str, list[tuple[str, str | None, SentimentLabel | None]]] = {
    "airline": [
        ("@Delta two hours late & counting", "Delta", NEGATIVE),
        ("@USAirways fine I guess", "US Airways", None),
        ("@AmericanAir which gate is it?", "American", NEUTRAL),
    ],
    "twcs": [("@777 @SpotifyCares it skips > songs", "SpotifyCares", None)],
    "twcs_mixed": [
        ("@hulu_support hello, anyone?", "hulu_support", None),
        ("no handle here", None, None),
    ],
    "asapp": [("@airline my bag is in Oslo with @user", None, None)],
    "tweetsumm": [
        ("my parcel is late {link}", "AmazonHelp", None),
        ("@AmazonHelp the blue one", "AmazonHelp", None),
        ("@SWHelp & why?", "SWHelp", None),
    ],
    "ibm_care": [
        ("it & my world are gone", "MojangSupport", None),
        ("mine too", "MojangSupport", None),
    ],
    "uk_mobile": [("@EE no signal & no reply", "EE", None)],
    "uk_mobile_labelled": [
        ("@ThreeUK is down", "ThreeUK", NEGATIVE),
        ("@ThreeUK is up", "ThreeUK", None),
        ("@ThreeUK hm", "ThreeUK", None),
    ],
    "facebook": [
        ("lovely staff", "8103318119", POSITIVE),
        ('so, "new" prices?', "8103318119", NEGATIVE),
        ('"""so, """"new"""" prices?"""', "8103318119", NEGATIVE),
        ("do you ship abroad?", "999", None),
    ],
    "brands_products": [
        ("new tablet out today {link}", "Apple", NEUTRAL),
        ("maps are wrong again", "Google", None),
        ("at the venue", None, None),
    ],
    "apple": [("@Apple my cable broke", "Apple", NEGATIVE), ("@Apple nice shop", "Apple", None)],
    "sanders": [("love the new @google phone", "google", POSITIVE)],
    "app_reviews": [
        ("So handy. I use it daily", None, POSITIVE),
        ("Crashes on start", None, NEGATIVE),
        ("Fair. Some things work", None, None),
    ],
    "complaints": [
        ("@shop the zip broke on day one", "apparel", NEGATIVE),
        ("@shop do you open late?", "retail", None),
    ],
    "complaints_xci": [("@shop the zip broke on day one", "apparel", None)],
    "uva": [("@SouthwestAir lost my bag", None, NEGATIVE), ("cheap flights", None, None)],
    "tweeteval_val": [('she said "never', None, NEGATIVE), ("the match is at 8", None, NEUTRAL)],
    "tweeteval_test": [("what a day at the fair", None, POSITIVE)],
    "tweeteval_train": [('"great game tonight', None, POSITIVE)],
    "tweeteval_emotion": [
        ("so angry at all this noise", None, NEGATIVE),
        ("sunshine at last", None, POSITIVE),
    ],
    "goemotions": [
        ('He said "run', None, NEUTRAL),
        ("how dare you", None, NEGATIVE),
        ("wow, well done", None, None),
    ],
    "tweet_acts": [("who, then?", None, None), ("it rains", None, None)],
    "trec_is": [("water is rising", None, None)],
    "semeval_valence": [
        ('"so good', None, None),
        ("so bad", None, None),
        ("so so", None, None),
        ("almost", None, None),
    ],
    "politeness": [
        ("could you, please, look?", None, None),
        ("why did you?", None, None),
        ("which version?", None, None),
    ],
    "banking77": [("Where is my card?", None, None), ("Why, though, was I charged?", None, None)],
    **{
        f"tweeteval_{task}": [
            (f"one {task} of train", None, None),
            ("and another", None, None),
            (f"one {task} of val", None, None),
            ("and another", None, None),
        ]
        for task in ("irony", "offensive", "hate")
    },
}


def test_every_corpus_is_tested() -> None:
    assert set(EXPECTED) == set(CORPORA)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_loader_reads_its_format(name: str, root: Path) -> None:
    posts = _posts(name, root)
    assert [(post.text, post.brand, post.labels.sentiment) for post in posts] == EXPECTED[name]
    assert all(post.source == name for post in posts)
    assert all(post.text == restore(post.text) for post in posts)
    assert all(post.channel is not None for post in posts)


def test_times_know_their_zone(root: Path) -> None:
    pacific = timezone(timedelta(hours=-8))
    assert _posts("airline", root)[0].created_at == datetime(
        2015, 2, 24, 11, 35, 52, tzinfo=pacific
    )
    assert _posts("uk_mobile", root)[0].created_at == datetime(2019, 12, 4, 8, 5, 14, tzinfo=UTC)
    assert _posts("twcs", root)[0].created_at == datetime(2017, 10, 31, 22, 11, 45, tzinfo=UTC)
    assert _posts("sanders", root)[0].created_at == datetime(2011, 10, 18, 21, 53, 25, tzinfo=UTC)


def test_labels_other_than_sentiment(root: Path) -> None:
    thanks, *_ = _posts("facebook", root)
    assert thanks.labels.intent is Intent.PRAISE
    assert thanks.labels.urgency is UrgencyLevel.NONE
    assert {post.labels.intent for post in _posts("banking77", root)} == {Intent.SUPPORT_REQUEST}


def test_native_facts_are_kept(root: Path) -> None:
    assert _posts("complaints_xci", root)[0].native["severity"] == "2"
    bands = [post.native["label"] for post in _posts("semeval_valence", root)]
    assert bands == ["high", "low", "middle", "between"]
    manners = [post.native["label"] for post in _posts("politeness", root)]
    assert manners == ["polite", "rude", "plain"]
    assert _posts("goemotions", root)[2].native["label"] == "admiration+amusement"
    assert _posts("app_reviews", root)[1].channel is Channel.APP_STORE


def test_texts_and_labels_of_different_length_are_refused(tmp_path: Path) -> None:
    write_corpora(tmp_path)
    (tmp_path / "data/tweeteval/sentiment/val_labels.txt").write_text("0\n", encoding="utf-8")
    with pytest.raises(UsageError, match="2 texts and 1 labels"):
        _posts("tweeteval_val", tmp_path)


def test_broken_bytes_cost_no_corpus(tmp_path: Path) -> None:
    write_corpora(tmp_path)
    (tmp_path / "data/twcs/mixed_brands_inbound.csv").write_bytes(b"text\nbad \xff byte\nfine\n")
    assert [post.text for post in _posts("twcs_mixed", tmp_path)] == ["bad \ufffd byte", "fine"]


def test_the_root_is_the_one_named_or_of_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLYRANK_DATA", str(root))
    assert corpora_root() == root
    assert [post.text for post in read_corpus("sanders")] == ["love the new @google phone"]
    monkeypatch.delenv("REPLYRANK_DATA")
    with pytest.raises(UsageError, match="REPLYRANK_DATA is not set"):
        corpora_root()
    assert corpora_root(root) == root


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder data/"):
        corpora_root(tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(UsageError, match=r"Tweets.csv' cannot be read"):
        _posts("airline", tmp_path)
    with pytest.raises(UsageError, match="'reviews' is no corpus; use one of airline,"):
        read_corpus("reviews", tmp_path)


def _label(source: str, text: str) -> LabelRow:
    labels = Labels(intent=Intent.OPINION, urgency=UrgencyLevel.LOW, sentiment=NEUTRAL)
    return LabelRow(
        id=text, source=source, key=text_key(text), split="train", labels=labels, votes=1
    )


def test_labels_find_their_texts(root: Path) -> None:
    rows = [
        _label("uk_mobile", "@EE no signal &amp; no reply"),
        _label("sanders", "@EE no signal & no reply"),
        _label("airline", "@Delta two hours late & counting"),
    ]
    mobile, flight = joined_posts(root, rows)
    assert (mobile.text, mobile.brand, mobile.company) == ("@EE no signal & no reply", "EE", "ee")
    assert mobile.labels.intent is Intent.OPINION
    assert flight.company == "delta"
    # Ours, not the corpus's own.
    assert flight.labels.sentiment is NEUTRAL
    assert flight.key == text_key(flight.text)


def test_a_facebook_post_joins_in_both_forms(root: Path) -> None:
    filed = '"""so, """"new"""" prices?"""'
    plain = 'so, "new" prices?'
    first, second = joined_posts(root, [_label("facebook", filed), _label("facebook", plain)])
    assert [first.text, second.text] == [filed, plain]
    assert training_text(first) == training_text(second) == plain
