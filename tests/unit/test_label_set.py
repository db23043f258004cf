"""Labels of several imports become one set."""

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.label_records import Deletion, LabelRecord, format_record
from replyrank.data.labels import read_labels
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.splits import gate_keys
from replyrank.data.splits.sketches import judged, sketches_of
from replyrank.data.vocabulary import Channel, SentimentLabel
from replyrank.training.label_files import (
    LabelFileOptions,
)
from replyrank.training.label_import import apart
from replyrank.training.label_set import Apart, LabelSet, merge
from tests.labels import CHATTER, PRAISE, REQUEST, day, deletion, incoming, label, labels


def test_the_later_label_counts() -> None:
    before = labels(label("a", PRAISE, 2, "1"), label("b", PRAISE, 2, "2"), label("c", PRAISE))
    done = merge(
        before,
        incoming(
            label("a", CHATTER, 3, "1"),
            label("a", REQUEST, 4, "1"),
            label("b", CHATTER, 1, "2"),
            label("c", REQUEST),
            label("d", PRAISE, key="4"),
        ),
        Apart(),
    )
    intents = {record.text: record.intent for record in done.labels.labels}
    assert intents == {"a": REQUEST, "b": PRAISE, "c": REQUEST, "d": PRAISE}
    assert (done.new, done.changed, done.unchanged, done.deleted) == (1, 2, 1, 0)
    assert done.left_out == ()


def test_labels_that_contradict_each_other_are_left_out() -> None:
    before = labels(label("a", PRAISE, 2, "1"))
    done = merge(
        before,
        incoming(
            *(label("a", intent, 3, "1") for intent in (REQUEST, CHATTER)),
            *(label("b", intent, key="2") for intent in (REQUEST, CHATTER)),
            *(label("c", REQUEST, key="3") for _ in range(2)),
        ),
        Apart(),
    )
    assert {record.text: record.intent for record in done.labels.labels} == {
        "a": PRAISE,
        "c": REQUEST,
    }
    assert [one.row.line for one in done.left_out] == [1, 2, 3, 4]
    assert {one.row.reason.split(",")[0] for one in done.left_out} == {
        "labels of one message contradict each other"
    }


def test_one_text_has_one_label() -> None:
    done = merge(
        labels(label("same", PRAISE, 2, "1"), label("thanks ", PRAISE, 2, "2")),
        incoming(
            label("same", CHATTER, 3, "3"),
            label(" thanks", PRAISE, 3, "4"),
            label("ok", PRAISE, key="5"),
            label("ok", CHATTER, key="6"),
        ),
        Apart(),
    )
    assert [(record.external_id, record.intent) for record in done.labels.labels] == [
        *(("2", PRAISE), ("3", CHATTER), ("4", PRAISE))
    ]
    assert [one.row.line for one in done.left_out] == [3, 4]
    assert "the same text has other labels elsewhere" in done.left_out[0].row.reason


def test_what_is_deleted_does_not_come_back() -> None:
    before = labels(label("a", PRAISE, 2, "1"), label("b", PRAISE, 2, "2"))
    first = merge(before, incoming(deletion("1", 3)), Apart())
    assert [record.text for record in first.labels.labels] == ["b"]
    assert (first.deleted, first.unmatched) == (1, 0)
    again = merge(
        first.labels,
        incoming(
            label("a", PRAISE, 3, "1"),
            label("x", PRAISE, key="1"),
            # An old task that was touched again, and an export without ids.
            label("a", PRAISE, 9, "1"),
            label("a", PRAISE),
        ),
        Apart(),
    )
    assert [record.text for record in again.labels.labels] == ["b"]
    assert (again.deleted, again.new) == (0, 0)
    assert [one.deleted_at for one in again.labels.deletions] == [day(3)]
    # The texts are known by their hash alone.
    assert '"a"' not in format_record(again.labels.deletions[0])


def test_a_deletion_meets_records_that_do_not_say_brand_or_channel() -> None:
    whole = Deletion(
        kind="deletion", external_id="1", deleted_at=day(3), brand="oak", channel=Channel.EMAIL
    )
    bare = label("a", PRAISE, 2, "1")
    for record, stays in (
        (bare, False),
        (bare.model_copy(update={"brand": "oak"}), False),
        (bare.model_copy(update={"brand": "elm"}), True),
        (bare.model_copy(update={"channel": Channel.TWITTER}), True),
    ):
        done = merge(labels(record), incoming(whole), Apart())
        assert bool(done.labels.labels) is stays
        assert done.unmatched == int(stays)


def test_a_deleted_record_decides_nothing_before_it_goes() -> None:
    before = merge(labels(), incoming(deletion("1", 2)), Apart()).labels
    before = LabelSet((label("thanks", CHATTER, 2, "2"),), before.deletions)
    done = merge(before, incoming(label("thanks", PRAISE, 3, "1")), Apart())
    assert [(record.external_id, record.intent) for record in done.labels.labels] == [
        ("2", CHATTER)
    ]


def test_each_kind_of_label_is_merged_by_itself() -> None:
    mood = LabelRecord(
        text="a", external_id="1", sentiment_label=SentimentLabel.POSITIVE, labelled_at=day(4)
    )
    for items in (
        [label("a", PRAISE, 3, "1"), mood],
        [mood, label("a", PRAISE, 3, "1")],
        [label("a", PRAISE, key="1"), mood.model_copy(update={"labelled_at": None})],
    ):
        done = merge(LabelSet(), incoming(*items), Apart())
        (record,) = done.labels.labels
        assert (record.intent, record.sentiment_label) == (PRAISE, SentimentLabel.POSITIVE)
        assert done.left_out == ()
    apart_imports = merge(labels(label("a", PRAISE, 3, "1")), incoming(mood), Apart())
    assert apart_imports.labels.labels[0].intent == PRAISE


@given(st.permutations(range(6)))
def test_the_order_of_dated_rows_does_not_matter(order: list[int]) -> None:
    rows = [
        label("a", PRAISE, 2, "1"),
        label("a", CHATTER, 3, "1").model_copy(update={"labelled_by": "ann"}),
        label("a", CHATTER, 3, "1").model_copy(update={"labelled_by": "bob"}),
        label("b", PRAISE, 2, "2"),
        label("b", REQUEST, 2, "2"),
        label("a", REQUEST, 1, "3"),
    ]
    done = merge(LabelSet(), incoming(*(rows[place] for place in order)), Apart())
    assert [(record.external_id, record.intent) for record in done.labels.labels] == [
        ("1", CHATTER)
    ]
    straight = merge(LabelSet(), incoming(*rows), Apart())
    assert done.labels.version == straight.labels.version
    again = merge(done.labels, incoming(*rows), Apart())
    assert again.labels == done.labels
    assert again.changed == 0


def test_one_instant_has_one_version() -> None:
    paris = datetime(2026, 3, 4, 13, tzinfo=timezone(timedelta(hours=1)))
    one = LabelRecord(text="a", intent=PRAISE, labelled_at=day(4))
    other = LabelRecord(text="a", intent=PRAISE, labelled_at=paris)
    assert labels(one).version == labels(other).version


def test_labels_that_were_known_go_when_their_text_judges_models() -> None:
    judge = "my parcel has not arrived and nobody answers the phone"
    before = labels(label(judge, PRAISE, 2, "1"), label("fine", PRAISE, 2, "2"))
    done = merge(before, [], Apart(guard=NearCopyGuard([judge])))
    assert [record.text for record in done.labels.labels] == ["fine"]
    assert done.now_apart == 1


def test_texts_that_judge_models_do_not_train() -> None:
    judge = "my parcel has not arrived and nobody answers the phone"
    guard = NearCopyGuard([judge])
    done = merge(
        LabelSet(),
        incoming(label(f"@oak {judge}!", PRAISE), label("fine", PRAISE)),
        Apart(guard=guard),
    )
    assert [record.text for record in done.labels.labels] == ["fine"]
    assert "near-copy" in done.left_out[0].row.reason
    keys = frozenset({label("fine", PRAISE).message_key[0]})
    assert Apart(keys=keys).why(" fine ") is not None
    assert Apart(keys=keys).why("finer") is None
    sketched = Apart(sketches=sketches_of([judge]))
    assert "near-copy of a public post" in str(sketched.why(f"RT @bo: {judge} https://t.co/x"))
    assert sketched.why("the phone is dead and nobody can tell me why") is None


def test_public_posts_that_judge_models_are_known_by_key() -> None:
    ours = apart(None, LabelFileOptions())
    test = {row.key for row in read_labels() if row.split == "test"}
    assert ours.keys == test | {key for _, key in gate_keys()}
    assert len(ours.keys) > 1_000
    assert ours.sketches is judged()
    assert ours.why("nothing of the kind, zebra quartz") is None
