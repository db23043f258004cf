"""`replyrank keys`, `queue` and `replay`, as a user types them."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

from replyrank.data.label_records import Deletion, LabelRecord, parse_record
from replyrank.data.vocabulary import Intent
from replyrank.serving.queue.people import Labelling, correct
from tests.acceptance.processes import Done, replyrank
from tests.acceptance.test_service import Process
from tests.queues import inbound, opened, rows, sqlite_in, store, taken, weighing
from tests.services import until


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """A queue with a corrected message of bo, and one of al."""
    url = sqlite_in(tmp_path)
    with opened(url) as database:
        taken(store(database), inbound("1", "where is it?", author="bo"), inbound("2", author="al"))
        label = Labelling("acme", "twitter", "1", Intent.CHATTER, None, None, "kim")
        assert correct(database, label, weighing()) == 1
    return url


def run(folder: Path, *arguments: str) -> Done:
    return replyrank(*arguments, cwd=folder)


def test_keys_are_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    made = run(tmp_path, "keys", "create", "--name", "desk", "--scope", "agent", "--team", "north")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    number = secret.split("_")[1]
    (listed,) = run(tmp_path, "keys", "list", "--json").stdout.splitlines()
    facts = json.loads(listed)
    assert (facts["id"], facts["scopes"], facts["team"]) == (number, ["agent"], "north")
    assert secret.split("_", 2)[2] not in listed
    assert run(tmp_path, "keys", "rotate", number).stdout.startswith("rr_")
    again = run(tmp_path, "keys", "revoke", number)
    assert again.returncode == 2
    assert "no key" in again.stderr
    wrong = run(tmp_path, "keys", "create", "--name", "x", "--scope", "everything")
    assert wrong.returncode == 2
    assert "score, ingest, agent, admin" in wrong.stderr


def test_corrections_cross_to_training(filled: str, tmp_path: Path) -> None:
    out = tmp_path / "corrections.jsonl"
    done = run(tmp_path, "queue", "export-corrections", "-o", str(out), "--database", filled)
    assert done.returncode == 0, done.stderr
    (record,) = map(parse_record, out.read_text(encoding="utf-8").splitlines())
    assert isinstance(record, LabelRecord)
    assert (record.text, record.intent, record.labelled_by) == ("where is it?", "chatter", "kim")
    taken_in = run(tmp_path, "data", "import", str(out), "-o", "labels.jsonl")
    assert taken_in.returncode == 0, taken_in.stderr
    run(tmp_path, "queue", "forget", "--author", "bo", "--yes", "--database", filled)
    later = run(tmp_path, "queue", "export-corrections", "-o", "l.jsonl", "--database", filled)
    assert later.returncode == 0
    (gone,) = map(parse_record, (tmp_path / "l.jsonl").read_text(encoding="utf-8").splitlines())
    assert isinstance(gone, Deletion)
    run(tmp_path, "data", "import", "l.jsonl", "-o", "labels.jsonl")
    assert (tmp_path / "labels.jsonl").read_text(encoding="utf-8") == ""


def test_forgetting_asks_first(filled: str, tmp_path: Path) -> None:
    asked = run(tmp_path, "queue", "forget", "--author", "bo", "--database", filled)
    assert asked.returncode != 0
    with opened(filled) as database:
        assert rows(database, "message") == 2
    done = run(tmp_path, "queue", "forget", "--author", "bo", "--yes", "--database", filled)
    assert "1 messages removed, 1 items with them, 1 corrections" in done.stderr
    with opened(filled) as database:
        assert (rows(database, "message"), rows(database, "tombstone")) == (1, 1)


def test_pruning_leaves_what_is_open(filled: str, tmp_path: Path) -> None:
    done = run(tmp_path, "queue", "prune", "--days", "1", "--database", filled)
    assert done.stderr == "0 items removed\n"


def test_a_trace_is_handed_in_at_its_pace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    lines = [f"m{n},2026-03-02T12:{n:02d}:00Z,a{n},my parcel {n} is late" for n in range(30)]
    trace.write_text("\n".join(["id,created_at,author,text", *lines, ""]), encoding="utf-8")
    with Process(tmp_path) as service:
        done = run(
            tmp_path, "replay", "trace.csv", "--url", service.address, "--speed", "600",
            "--brand", "acme", "--minutes", "20",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "20 of 20 handed in; 20 accepted" in done.stderr
        until(lambda: service.get("/v1/queue")["total"] == 20, 10, service.told)
        again = run(tmp_path, "replay", "trace.csv", "--url", service.address, "--speed", "6000",
                    "--brand", "acme")  # fmt: skip
        assert "10 accepted, 20 duplicate" in again.stderr


def _handed_in(
    monkeypatch: pytest.MonkeyPatch, trace: Path, **options: Any
) -> list[dict[str, Any]]:
    """The messages that a replay of a file would hand in."""
    from replyrank.serving.commands import replay  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        replay, "_send_all", lambda _, due, __: found.extend(one.body for one in due)
    )
    replay.replay(str(trace), **options)
    return found


def test_a_brand_that_no_column_is_known_to_name_is_told_and_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "stream.csv"
    trace.write_text(
        "Mobile Network,Tweet Created At,Tweet Text\n"
        "@EE,2019-12-04 08:05:14,no signal\n"
        "@O2,2019-12-04 08:04:05,where is my refund\n"
        ",2019-12-04 08:06:00,hello?\n",
        encoding="utf-8",
    )
    assert {one["brand"] for one in _handed_in(monkeypatch, trace)} == {"brand"}
    assert capsys.readouterr().err == (
        f"{trace} has no column of a brand's usual names (brand, brand_name, company, "
        "company_name, account); its messages go under the brand 'brand'; name one of its columns "
        "('Mobile Network', 'Tweet Created At', 'Tweet Text') with --column brand=NAME, or "
        "--brand NAME\n"
    )
    named = _handed_in(monkeypatch, trace, columns=["brand=Mobile Network"])
    assert [one["brand"] for one in named] == ["@O2", "@EE", "brand"]
    assert capsys.readouterr().err == (
        "1 of 3 messages have no brand in the column 'Mobile Network' and go under the brand "
        "'brand'; name theirs with --brand NAME\n"
    )
    both = _handed_in(monkeypatch, trace, columns=["brand=Mobile Network"], brand="acme")
    assert [one["brand"] for one in both] == ["@O2", "@EE", "acme"]
    assert capsys.readouterr().err == ""


def test_a_service_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from replyrank.serving.commands import replay  # noqa: PLC0415
    from replyrank.serving.errors import UnreachableError  # noqa: PLC0415

    monkeypatch.setattr(replay, "_PATIENCE", 0.2)
    trace = tmp_path / "trace.csv"
    trace.write_text("created_at,text\n2026-03-02T12:00:00Z,hello there\n", encoding="utf-8")
    with pytest.raises(UnreachableError, match="replyrank serve"):
        replay.replay(str(trace), url="http://127.0.0.1:1")
    nothing = run(tmp_path, "replay", "trace.csv", "--from", "2027-01-01")
    assert nothing.returncode == 2
