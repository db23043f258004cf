"""Mistakes of a user: whole words and the exit code, as a process gives them."""

import csv
import gzip
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from replyrank.data.vocabulary import SCORE_COLUMNS
from tests.acceptance.conftest import Command
from tests.acceptance.processes import Done


def _said(done: Done) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("verb", ["score", "rank"])
@pytest.mark.parametrize("name", ["nope.csv", "nope"])
def test_missing_file(command: Command, verb: str, name: str) -> None:
    assert _said(command(verb, name)) == (
        2,
        "",
        f"replyrank: '{name}' cannot be read: No such file or directory; give a file that can\n",
    )


@pytest.mark.parametrize("verb", ["score", "rank"])
def test_folder_in_place_of_a_file(command: Command, folder: Path, verb: str) -> None:
    (folder / "posts.csv").mkdir()
    assert _said(command(verb, "posts.csv")) == (
        2,
        "",
        "replyrank: 'posts.csv' is a folder without a file that ends in .parquet or .pq; give a "
        "file, or a folder of Parquet files\n",
    )


@pytest.mark.parametrize("verb", ["score", "rank"])
def test_unknown_suffix(command: Command, folder: Path, verb: str) -> None:
    (folder / "posts.doc").write_text("x")
    done = command(verb, "posts.doc")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "replyrank: the suffix of 'posts.doc' names no format; use one of"
    )
    assert done.stderr.endswith("or give the format\n")


def test_unknown_column(command: Command) -> None:
    assert _said(command("score", "inbox.csv", "--text-column", "frob", "-o", "out.csv")) == (
        2,
        "",
        "replyrank: inbox.csv has no column 'frob'; its columns are "
        "'id', 'channel', 'author', 'created_at', 'text'\n",
    )


def test_no_text_column(command: Command, folder: Path) -> None:
    (folder / "numbers.csv").write_text("a,b\n1,2\n")
    assert _said(command("rank", "numbers.csv")) == (
        2,
        "",
        "replyrank: no text column found in numbers.csv; its columns are 'a', 'b'; "
        "name the one that holds the text (--text-column NAME)\n",
    )


def test_unknown_model(command: Command) -> None:
    done = command("score", "inbox.csv", "--model", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "replyrank: model 'nope' is no folder and no shipped model; use a folder or: "
    )


def test_folder_that_is_no_model(command: Command, folder: Path) -> None:
    (folder / "empty").mkdir()
    assert _said(command("model", "verify", "empty")) == (
        1,
        "",
        "replyrank: empty/manifest.json cannot be read "
        "(No such file or directory); fetch or build the artefact again\n",
    )


def test_folder_that_is_not_there(command: Command) -> None:
    done = command("model", "verify", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("replyrank: model 'nope' is no folder and no shipped model")


def test_changed_model(command: Command, folder: Path, tiny_model: Path) -> None:
    changed = shutil.copytree(tiny_model, folder / "changed")
    content = (changed / "card.md").read_bytes()
    (changed / "card.md").write_bytes(bytes([content[0] ^ 1]) + content[1:])
    done = command("model", "verify", "changed")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("replyrank: changed/card.md has been changed: its SHA-256")


def test_intact_model(command: Command, tiny_model: Path) -> None:
    assert _said(command("model", "verify", tiny_model)) == (
        0,
        "tiny-linear-1.0: files as in the manifest, self-test passed\n",
        "",
    )


def test_shown_model(command: Command, tiny_model: Path) -> None:
    done = command("model", "show", "--json")
    shown = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (shown["name"], shown["folder"]) == ("tiny-linear-1.0", str(tiny_model))
    assert shown["config"]["thresholds"]["support_request"] == 0.4


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            "classes:\n  high:\n    wieght: 3\n",
            "replyrank: policy own.yaml: classes.high.wieght (value 3) is not a key of the policy; "
            "did you mean weight?\n",
        ),
        (
            "due_chance: 7\n",
            "replyrank: policy own.yaml: due_chance is 7; it should be less than or equal to 1\n",
        ),
        (
            "name: [\n",
            "replyrank: policy own.yaml is not valid YAML in line 2: expected the node content, "
            "but found '<stream end>'; correct it there\n",
        ),
    ],
)
def test_broken_policy(command: Command, folder: Path, policy: str, message: str) -> None:
    (folder / "own.yaml").write_text(policy)
    assert _said(command("rank", "inbox.csv", "--policy", "own.yaml")) == (2, "", message)


def test_missing_policy(command: Command) -> None:
    done = command("rank", "inbox.csv", "--policy", "nope.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("replyrank: policy nope.yaml cannot be read (")


@pytest.mark.parametrize(
    ("verb", "option", "value", "message"),
    [
        (
            "score",
            "--encoding",
            "utf-9",
            "no encoding 'utf-9'; use one that Python knows, such as utf-8 or",
        ),
        (
            "rank",
            "--delimiter",
            "::",
            "'::' cannot stand between fields; give one character, such as ';', or tab",
        ),
        (
            "rank",
            "--time-zone",
            "Mars",
            "no time zone 'Mars'; use an IANA name, such as Europe/London",
        ),
    ],
)
def test_wrong_reading_option(
    command: Command, verb: str, option: str, value: str, message: str
) -> None:
    done = command(verb, "inbox.csv", option, value)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"replyrank: {message}")


def test_wrong_time(command: Command) -> None:
    assert _said(command("rank", "inbox.csv", "--now", "noon")) == (
        2,
        "",
        "replyrank: --now 'noon' is not a time; "
        "write ISO 8601, such as 2025-03-14T12:00:00+00:00\n",
    )


def test_two_forms_at_once(command: Command) -> None:
    assert _said(command("rank", "inbox.csv", "--json", "--csv")) == (
        2,
        "",
        "replyrank: --json and --csv exclude each other; give one\n",
    )


@pytest.mark.parametrize("verb", ["score", "rank"])
def test_output_that_is_there_stays(command: Command, folder: Path, verb: str) -> None:
    (folder / "out.csv").write_text("mine")
    assert _said(command(verb, "inbox.csv", "-o", "out.csv")) == (
        2,
        "",
        "replyrank: 'out.csv' is there already; give another name, or --force to replace it\n",
    )
    assert (folder / "out.csv").read_text() == "mine"


@pytest.mark.parametrize("verb", ["score", "rank"])
def test_the_input_is_never_replaced(command: Command, folder: Path, verb: str) -> None:
    before = (folder / "inbox.csv").read_text()
    done = command(verb, "inbox.csv", "-o", "./inbox.csv", "--force")
    assert _said(done) == (
        2,
        "",
        "replyrank: './inbox.csv' is the input; give another file to write\n",
    )
    assert (folder / "inbox.csv").read_text() == before


@pytest.mark.parametrize("verb", ["score", "rank"])
def test_a_failed_run_leaves_no_output(command: Command, folder: Path, verb: str) -> None:
    before = {path.name for path in folder.iterdir()}
    done = command(verb, "inbox.csv", "-o", "out.csv", "--text-column", "frob")
    assert done.returncode == 2
    assert {path.name for path in folder.iterdir()} == before


def test_stdin_needs_a_format(command: Command) -> None:
    done = command("score", "-", stdin="text\nhello there\n")
    assert _said(done) == (
        2,
        "",
        "replyrank: the format of '-' is not known; give one of csv, jsonl, parquet\n",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_read_from_its_beginning(command: Command, folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("text\nwhere is it\nthank you\n",))
    writer.start()
    done = command("score", pipe, "--format", "csv")
    writer.join()
    assert done.returncode == 0
    assert [row["text"] for row in csv.DictReader(done.stdout.splitlines())] == [
        "where is it",
        "thank you",
    ]


@pytest.mark.parametrize("verb", ["score", "rank"])
def test_an_input_that_breaks_off_is_done_as_far_as_it_goes_and_fails(
    command: Command, folder: Path, verb: str
) -> None:
    rows = "".join(f"{n},message {n} of {n * 7919 % 1000}\n" for n in range(9000))
    whole = gzip.compress(f"id,text\n{rows}".encode())
    (folder / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    done = command(verb, "cut.csv.gz", "-o", "out.csv")
    assert done.returncode == 1
    assert "the file breaks off here, and what follows is lost" in done.stderr
    assert "replyrank: cut.csv.gz breaks off: " in done.stderr
    with (folder / "out.csv").open(newline="") as lines:
        assert 2000 < len(list(csv.DictReader(lines))) < 8000


@pytest.mark.parametrize("report", ["out.csv", "inbox.csv", "notes.txt"])
def test_the_report_of_rows_left_out_replaces_nothing(
    command: Command, folder: Path, report: str
) -> None:
    (folder / "notes.txt").write_text("mine")
    before = (folder / "inbox.csv").read_bytes()
    done = command("score", "inbox.csv", "-o", "out.csv", "--rejects", report)
    assert done.returncode == 2
    assert report in done.stderr
    assert (folder / "inbox.csv").read_bytes() == before
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "out.csv").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "idna"])
def test_an_encoding_that_the_file_does_not_have_is_refused(
    command: Command, encoding: str
) -> None:
    done = command("score", "inbox.csv", "--encoding", encoding)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert encoding in done.stderr


def test_any_column_can_be_named(command: Command, folder: Path) -> None:
    (folder / "odd.csv").write_text(
        "Nr,Wer,Wann,Was\n7,ann,24.11.2026 10:00,where is my parcel\n8,bo,,thank you\n"
    )
    named = [*("--text-column", "Was", "--column", "id=Nr"), *("--column", "created_at=Wann")]
    done = command("rank", "odd.csv", "--replay", "--json", *named)
    assert done.returncode == 0
    first, second = json.loads(done.stdout)["items"]
    assert {first["id"], second["id"]} == {"7", "8"}
    assert "1 without a time of arrival counts as arriving now" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("brand", "--column 'brand' is not FIELD=NAME; write it such as brand=Account"),
        ("mood=text", "'mood' is not a field of a message; use one of id, channel, visibility"),
        ("brand=frob", "has no column 'frob'"),
    ],
)
def test_a_wrong_column_is_refused(command: Command, given: str, said: str) -> None:
    done = command("rank", "inbox.csv", "--column", given)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_bad_row_is_reported_and_the_rest_goes_on(command: Command, folder: Path) -> None:
    rows = '{"text": "where is my parcel"}\nnot json\n{"text": "thank you"}\n'
    (folder / "posts.jsonl").write_text(rows)
    done = command("score", "posts.jsonl", "-o", "out.jsonl")
    assert done.returncode == 0
    assert "line 2: left out: " in done.stderr
    assert "scored 2 of 3 rows with tiny-linear-1.0" in done.stderr
    assert "details in out.jsonl.rejects.jsonl" in done.stderr
    scored = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [row["text"] for row in scored] == ["where is my parcel", "thank you"]


@pytest.mark.parametrize("verb", ["score", "rank"])
def test_empty_file(command: Command, folder: Path, verb: str) -> None:
    (folder / "empty.csv").write_text("")
    assert _said(command(verb, "empty.csv")) == (
        2,
        "",
        "replyrank: empty.csv is empty; give a CSV file that begins with its column names\n",
    )


def test_one_of_a_kind_is_told_in_the_singular(command: Command, folder: Path) -> None:
    (folder / "one.jsonl").write_text('{"text": "where is my parcel"}\nnot json\n')
    done = command("rank", "one.jsonl")
    assert "ranked 1 message as 1 item with tiny-linear-1.0; 1 without a time" in done.stderr
    assert done.stderr.endswith("; 1 row left out\n")


def test_a_file_without_rows_gives_nothing(command: Command, folder: Path) -> None:
    (folder / "bare.csv").write_text("id,text\n")
    scored = command("score", "bare.csv")
    assert scored.returncode == 0
    assert scored.stdout.splitlines() == [",".join(["id", "text", *SCORE_COLUMNS])]
    ranked = command("rank", "bare.csv")
    said = "ranked 0 messages as 0 items with tiny-linear-1.0\n"
    assert _said(ranked) == (0, "", said)
