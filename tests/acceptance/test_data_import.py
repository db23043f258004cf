"""``replyrank data import`` as a user meets it."""

import json
from pathlib import Path

from tests.acceptance.conftest import Command

LABELS = """\
id,text,type,urgency
1,the lift is out of order again,complaint,high
2,the sofa came on time,praise,none
3,who else watches the match tonight,kudos,none
"""


def test_labels_come_in_with_the_teams_own_words(command: Command, folder: Path) -> None:
    (folder / "labels.csv").write_text(LABELS)
    arguments = ["data", "import", "labels.csv", "-o", "labels.jsonl", "--column", "intent=type"]
    refused = command(*arguments, "--word", "intent:complaint=support_request")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "replyrank: 1 of the 3 rows of labels.csv cannot be used, more than 10% "
        "(--most-left-out), so nothing was taken: 1 x intent 'kudos' is not one; use "
        "support_request, praise, opinion, chatter\n"
    )
    assert not (folder / "labels.jsonl").exists()
    words = ["--word", "intent:complaint=support_request", "--most-left-out", "0.5"]
    done = command(*arguments, *words)
    assert done.returncode == 0
    assert done.stderr == (
        "line 4: left out: labels.csv: intent 'kudos' is not one; use support_request, praise, "
        "opinion, chatter\n"
        "labels.jsonl: 2 labels; 2 new, 0 changed, 0 as before; 1 of 3 rows left out\n"
    )
    assert len(done.stdout.strip()) == 64
    first = json.loads((folder / "labels.jsonl").read_text().splitlines()[0])
    assert (first["external_id"], first["intent"], first["urgency_level"]) == (
        *("1", "support_request", "high"),
    )


def test_mistakes(command: Command, folder: Path) -> None:
    for arguments, said in (
        (["absent.csv"], "'absent.csv' cannot be read: No such file or directory; give a file"),
        (["inbox.csv"], "inbox.csv has no label column"),
        (["inbox.csv", "--word", "mood:a=b"], "--word 'mood:a=b' is not LABEL:WORD=OURS"),
    ):
        done = command("data", "import", *arguments, "-o", "labels.jsonl")
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not (folder / "labels.jsonl").exists()


def test_messages_go_to_label_studio(command: Command, folder: Path) -> None:
    done = command("data", "tasks", "inbox.csv", "-o", "tasks.json", "--config", "labels.xml")
    assert done.returncode == 0
    assert done.stderr.startswith("tasks.json: 3 tasks with what ")
    tasks = json.loads((folder / "tasks.json").read_text())
    assert [task["data"]["external_id"] for task in tasks] == ["a1", "a2", "a3"]
    assert '"ann"' not in (folder / "tasks.json").read_text()
    assert (folder / "labels.xml").read_text().startswith("<View>")
    few = command("data", "tasks", "inbox.csv", "-o", "few.json", "--most", "2")
    assert few.stderr.startswith("few.json: 2 tasks")
    # Chosen as they are, they tell the same.
    assert all(task in tasks for task in json.loads((folder / "few.json").read_text()))
    again = command("data", "tasks", "inbox.csv", "-o", "tasks.json")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
