"""Labels of a team: read from what exports write, checked, merged, kept as a whole."""

import gzip
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyrank.data.errors import UsageError
from replyrank.data.label_records import Deletion, LabelRecord, Record, format_record
from replyrank.data.labels import read_labels
from replyrank.data.near_copies import NearCopyGuard
from replyrank.data.splits import gate_keys
from replyrank.data.vocabulary import Channel, Intent, SentimentLabel, UrgencyLevel
from replyrank.training.errors import ImportRefusedError
from replyrank.training.label_files import (
    Incoming,
    Item,
    LabelFileOptions,
    read_label_file,
)
from replyrank.training.label_import import Imported, ImportOptions, apart, import_labels
from replyrank.training.label_set import Apart, LabelSet, load_label_set, merge
from replyrank.training.labelled import LabelledOptions, named_words, read_labelled

PRAISE, REQUEST, CHATTER = Intent.PRAISE, Intent.SUPPORT_REQUEST, Intent.CHATTER


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


def label(text: str, intent: Intent, at: int | None = None, key: str | None = None) -> LabelRecord:
    when = None if at is None else day(at)
    return LabelRecord(text=text, intent=intent, labelled_at=when, external_id=key)


def deletion(key: str, at: int) -> Deletion:
    return Deletion(kind="deletion", external_id=key, deleted_at=day(at))


def incoming(*records: Record) -> list[tuple[str, Item]]:
    return [("new.jsonl", Incoming(line, record)) for line, record in enumerate(records, start=1)]


def labels(*records: LabelRecord) -> LabelSet:
    return LabelSet(tuple(sorted(records, key=lambda record: record.message_key)))


def read(
    path: Path, options: LabelFileOptions | None = None
) -> list[Record | tuple[int | None, str]]:
    return [
        item.record if isinstance(item, Incoming) else (item.line, item.reason)
        for item in read_label_file(path, options or LabelFileOptions())
    ]


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


# Reading


def test_a_table(tmp_path: Path) -> None:
    table = write(
        tmp_path / "labels.csv",
        "id,text,intent,urgency,sentiment,channel,annotator,updated_at\n"
        "1,one,praise,0,positive,X,ann,2026-03-04T12:00:00Z\n"
        "2,two,complaint,,,,,\n"
        "3,,praise,,,,,\n"
        "4,four,,,,,,\n"
        "5,five,chatter,none,neutral,,,no time\n",
    )
    options = LabelFileOptions(brand="oakbasket", channel=Channel.EMAIL)
    first, *others = read(table, options)
    assert first == LabelRecord(
        brand="oakbasket",
        channel=Channel.TWITTER,
        external_id="1",
        text="one",
        intent=PRAISE,
        urgency_level=UrgencyLevel.NONE,
        sentiment_label=SentimentLabel.POSITIVE,
        labelled_by="ann",
        labelled_at=day(4),
    )
    assert [item[:1] for item in others if isinstance(item, tuple)] == [(3,), (4,), (5,), (6,)]
    reasons = [item[1] for item in others if isinstance(item, tuple)]
    assert reasons[0] == (
        "intent 'complaint' is not one; use support_request, praise, opinion, chatter"
    )
    assert reasons[1:3] == ["no text", "no label"]
    assert "no time" in reasons[3]


def test_a_teams_own_words(tmp_path: Path) -> None:
    table = write(tmp_path / "labels.csv", "text,Type,prio\na,Complaint!,P1\nb,praise,p1\n")
    words = named_words(["intent:complaint!=support_request", "urgency:P1=critical"])
    options = LabelledOptions(label_columns={"intent": "Type", "urgency": "prio"}, words=words)
    assert read(table, LabelFileOptions(options)) == [
        LabelRecord(text="a", intent=REQUEST, urgency_level=UrgencyLevel.CRITICAL),
        LabelRecord(text="b", intent=PRAISE, urgency_level=UrgencyLevel.CRITICAL),
    ]


@pytest.mark.parametrize(
    "given", ["intent", "intent:a", "intent:=praise", "mood:a=praise", "intent:a=kudos"]
)
def test_a_word_that_says_nothing_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match=f"--word {given!r}"):
        named_words([given])


def task(text: str, *annotations: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"id": 7, "data": {"text": text, **data}, "annotations": list(annotations)}


def annotation(intent: Sequence[str], by: object = 3, **more: object) -> dict[str, Any]:
    def chosen(name: str, words: Sequence[str]) -> dict[str, Any]:
        return {"from_name": name, "type": "choices", "value": {"choices": list(words)}}

    return {
        "completed_by": by,
        "created_at": "2026-03-04T12:00:00.123Z",
        "result": [chosen("intent", intent), {"type": "rating", "value": {"rating": 3}}],
        **more,
    }


def test_label_studio_tasks(tmp_path: Path) -> None:
    tasks = [
        task("one", annotation(["praise"], {"id": 1, "email": "ann@x.test"}), tweet_id="17"),
        task("two", annotation(["praise"], was_cancelled=True)),
        task("three", annotation(["praise", "chatter"])),
        task("four", annotation(["praise"]), annotation(["chatter"])),
        task("five"),
    ]
    assert read(write(tmp_path / "export.json", tasks)) == [
        LabelRecord(
            text="one",
            intent=PRAISE,
            external_id="17",
            labelled_by="ann@x.test",
            labelled_at=datetime(2026, 3, 4, 12, 0, 0, 123000, UTC),
        ),
        (2, "intent 'praise, chatter' is not one; use support_request, praise, opinion, chatter"),
        *(
            LabelRecord(
                text="four",
                intent=intent,
                labelled_by="3",
                labelled_at=datetime(2026, 3, 4, 12, 0, 0, 123000, UTC),
            )
            for intent in (PRAISE, CHATTER)
        ),
    ]


def test_label_studio_json_min(tmp_path: Path) -> None:
    rows = [
        {"text": "one", "intent": "praise", "annotator": 1, "updated_at": "2026-03-04T12:00:00Z"}
    ]
    assert read(write(tmp_path / "export.json", rows)) == [
        LabelRecord(text="one", intent=PRAISE, labelled_by="1", labelled_at=day(4))
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[{", "begins like a JSON array and is none"),
        ([task("a"), task("b")], "holds 2 tasks and no annotation"),
        ("text,mood\na,b\n", "has no label column"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, content: object, reason: str
) -> None:
    path = write(tmp_path / ("a.csv" if "mood" in str(content) else "a.json"), content)
    with pytest.raises(UsageError, match=reason):
        read(path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read(tmp_path / "absent.json")


def test_records_and_deletions(tmp_path: Path) -> None:
    records: list[Record] = [label("one", PRAISE, 4, "1"), deletion("2", 5)]
    lines = [format_record(record) for record in records]
    path = write(tmp_path / "new.jsonl", "\n".join([lines[0], "", "{", lines[1], ""]))
    found = read(path)
    assert found[0] == records[0]
    assert found[2] == records[1]
    line, reason = found[1] if isinstance(found[1], tuple) else (None, "")
    assert line == 3
    assert reason.startswith("not JSON")


# Merging


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


def test_public_posts_that_judge_models_are_known_by_key() -> None:
    ours = apart(None, LabelFileOptions())
    test = {row.key for row in read_labels() if row.split == "test"}
    assert ours.keys == test | {key for _, key in gate_keys()}
    assert len(ours.keys) > 1_000
    assert ours.why("nothing of the kind, zebra quartz") is None


# The whole

ONE, TWO, THREE = "the lift is out of order", "sofa came on time", "who else watches tonight"


def run(files: Sequence[Path], out: Path, **options: Any) -> Imported:
    return import_labels(files, out, ImportOptions(files=LabelFileOptions(), **options))


def table(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    return write(path, "text,intent\n" + "".join(f"{text},{intent}\n" for text, intent in rows))


def test_labels_that_come_late_in_a_file_are_read(tmp_path: Path) -> None:
    lines = [{"text": f"early number {n}", "intent": "praise"} for n in range(250)]
    late = {"text": "late and hurried", "intent": "praise", "urgency": "high", "id": "17"}
    path = write(tmp_path / "new.jsonl", "\n".join(map(json.dumps, [*lines, late])))
    array = write(tmp_path / "new.json", [*lines, late])
    for file in (path, array):
        record = read(file)[-1]
        assert isinstance(record, LabelRecord)
        assert (record.urgency_level, record.external_id) == (UrgencyLevel.HIGH, "17")
    out = tmp_path / "labels.jsonl"
    run([path], out)
    assert (read_labelled(out).rows.urgency == UrgencyLevel.HIGH.value).sum() == 1


def test_the_number_of_a_task_is_no_id_of_a_message(tmp_path: Path) -> None:
    row = {"id": 1, "annotation_id": 9, "text": "one", "intent": "praise", "lead_time": 2.5}
    (record,) = read(write(tmp_path / "export.json", [row]))
    assert isinstance(record, LabelRecord)
    assert record.external_id is None
    (record,) = read(write(tmp_path / "export.json", [{**row, "external_id": "17"}]))
    assert isinstance(record, LabelRecord)
    assert record.external_id == "17"


def test_what_a_model_said_in_a_tasks_data_is_no_label(tmp_path: Path) -> None:
    tasks = [
        task("one", annotation(["praise"]), sentiment_label="negative", urgency_level="critical")
    ]
    (record,) = read(write(tmp_path / "export.json", tasks))
    assert isinstance(record, LabelRecord)
    assert (record.intent, record.urgency_level, record.sentiment_label) == (PRAISE, None, None)


def test_packed_files_and_marks_of_order(tmp_path: Path) -> None:
    lines = "".join(f"{format_record(one)}\n" for one in (label("one", PRAISE), deletion("2", 5)))
    for name, content in (
        ("a.jsonl.gz", gzip.compress(lines.encode())),
        ("b.jsonl", b"\xef\xbb\xbf" + lines.encode()),
    ):
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == [label("one", PRAISE), deletion("2", 5)]
    rows = json.dumps([{"text": "one", "intent": "praise"}]).encode()
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(rows))
    assert read(tmp_path / "c.json.gz") == [label("one", PRAISE)]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_a_file_that_breaks_off_is_refused(tmp_path: Path, name: str) -> None:
    draw = random.Random(0)  # noqa: S311  no secret
    texts = [f"queue number {draw.getrandbits(200)} is long" for _ in range(4_000)]
    if name.startswith("a.csv"):
        rows = "text,intent\n" + "".join(f"{text},praise\n" for text in texts)
    else:
        rows = "".join(f"{format_record(label(text, PRAISE))}\n" for text in texts)
    packed = gzip.compress(rows.encode())
    (tmp_path / name).write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ImportRefusedError, match=r"breaks off at line .* so nothing was taken"):
        run([tmp_path / name], tmp_path / "labels.jsonl")
    assert not (tmp_path / "labels.jsonl").exists()


def test_half_characters_can_be_written(tmp_path: Path) -> None:
    path = write(
        tmp_path / "new.jsonl",
        '{"text": "one \\ud800", "intent": "praise", "annotator": "\\ud800", "id": "a\\ud800"}',
    )
    out = tmp_path / "labels.jsonl"
    run([path], out)
    (record,) = load_label_set(out).labels
    assert (record.text, record.labelled_by, record.external_id) == (
        *("one \ufffd", "\ufffd", "a\ufffd"),
    )


def test_a_set_has_its_suffix(tmp_path: Path) -> None:
    one = table(tmp_path / "one.csv", [(ONE, "praise")])
    for name in ("labels.csv", "labels.jsonl.gz", "labels"):
        with pytest.raises(UsageError, match=r"does not end in \.jsonl"):
            run([one], tmp_path / name)


def test_doubts_of_the_reader_are_passed_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"text,intent,channel\n{ONE},praise,zendesk\n")
    done = run([path], tmp_path / "labels.jsonl")
    assert [notice.line for _, notice in done.merged.notices] == [2]
    assert "zendesk" in done.merged.notices[0][1].reason


def test_a_set_grows_and_has_a_version(tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"
    one = table(tmp_path / "one.csv", [(ONE, "praise"), (TWO, "chatter")])
    two = table(tmp_path / "two.csv", [(TWO, "praise"), (THREE, "chatter")])
    first = run([one], out)
    assert (first.rows, first.merged.new) == (2, 2)
    assert run([one], out).version == first.version
    second = run([two], out)
    assert second.version != first.version
    assert second.version == load_label_set(out).version
    # The same labels in another order are the same bytes.
    other = tmp_path / "other.jsonl"
    run([table(tmp_path / "x.csv", [(THREE, "chatter"), (TWO, "praise"), (ONE, "praise")])], other)
    assert other.read_bytes() == out.read_bytes()


def test_a_set_is_a_file_to_train_on(tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"
    records: list[Record] = [label("one", PRAISE, 4, "1"), deletion("2", 5)]
    lines = "".join(f"{format_record(record)}\n" for record in records)
    run([write(tmp_path / "new.jsonl", lines)], out)
    posts = read_labelled(out)
    assert posts.rows.texts == ("one",)
    assert posts.left_out == ()
    assert load_label_set(out).deletions == (records[1],)
    assert "one" not in (tmp_path / "labels.deletions.jsonl").read_text()


def test_too_many_rows_left_out_and_nothing_is_taken(tmp_path: Path) -> None:
    out = tmp_path / "labels.jsonl"
    run([table(tmp_path / "one.csv", [(ONE, "praise")])], out)
    before = out.read_bytes()
    good = table(tmp_path / "good.csv", [(TWO, "praise")])
    bad = table(
        tmp_path / "bad.csv",
        [(f"queue number {n} " * (n + 1), "praise" if n > 2 else "kudos") for n in range(10)],
    )
    with pytest.raises(
        ImportRefusedError, match=r"3 of the 10 rows of .*bad.csv.* 3 x intent 'kudos'"
    ):
        run([good, bad], out)
    assert out.read_bytes() == before
    assert run([good, bad], out, most_left_out=0.3).merged.new == 8


def test_a_set_that_is_none_is_refused_and_kept(tmp_path: Path) -> None:
    out = write(tmp_path / "labels.jsonl", "precious\n")
    one = table(tmp_path / "one.csv", [(ONE, "praise")])
    with pytest.raises(UsageError, match=r"labels.jsonl, line 1: not JSON"):
        run([one], out)
    assert out.read_text() == "precious\n"
    run([one], tmp_path / "new.jsonl")
    with pytest.raises(UsageError, match="is the set itself"):
        run([tmp_path / "new.jsonl"], tmp_path / "new.jsonl")


def test_a_teams_own_test_posts_stay_apart(tmp_path: Path) -> None:
    text = "the parking machine took my card and keeps it"
    # Whatever its labels say, the text judges.
    judges = table(tmp_path / "test.csv", [(text, "kudos")])
    rows = table(tmp_path / "one.csv", [(f"{text}!!", "praise"), (ONE, "praise")])
    done = run([rows], tmp_path / "labels.jsonl", apart=judges, most_left_out=0)
    assert [record.text for record in done.merged.labels.labels] == [ONE]
