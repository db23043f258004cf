"""``replyrank promote`` and ``rollback`` as a user meets them."""

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Command

pytest.importorskip("sklearn", reason="the gate needs scikit-learn (extra train)")
pytest.importorskip("mlflow", reason="promotion sets the alias in mlflow (extra train)")

KINDS = (
    ("my parcel has not come, order {n}, please help", "support_request", "low", "negative"),
    ("thank you, order {n} came early, lovely service", "praise", "none", "positive"),
    ("card {n} was stolen, block it now", "support_request", "critical", "negative"),
    ("watching the match tonight with {n} friends", "chatter", "none", "neutral"),
)


@pytest.fixture
def labelled(folder: Path) -> Path:
    rows = [f'"{text.format(n=n)}",{labels}' for n in range(15) for text, *rest in KINDS
            for labels in [",".join(rest)]]  # fmt: skip
    path = folder / "labelled.csv"
    path.write_text("text,intent,urgency,sentiment\n" + "\n".join(rows) + "\n")
    return path


def test_refused_forced_and_rolled_back(command: Command, labelled: Path, tiny_model: Path) -> None:
    folder = labelled.parent
    judge = ["--posts", "labelled.csv", "--home", "home"]
    refused = command("promote", tiny_model, *judge, "--report", "gate.md")
    assert refused.returncode == 1
    assert "is refused: it is worse than minilm-l6-" in refused.stderr
    assert "\n  intent_macro_f1: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "int8_p99: not judged: " in refused.stderr
    assert "**FAIL**" in (folder / "gate.md").read_text()
    assert not (folder / "home" / "champion.json").exists()
    forced = command("promote", tiny_model, *judge, "--force", "--reason", "a drill")
    assert forced.returncode == 0
    pointer = json.loads((folder / "home" / "champion.json").read_text())
    assert json.loads(forced.stdout)["version"] == pointer["version"]
    assert f"in use: {pointer['version']}" in forced.stderr
    history = (folder / "home" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["what"] for line in history] == ["refused", "promoted"]
    again = command("promote", tiny_model, *judge)
    assert (again.returncode, "is in use already" in again.stderr) == (2, True)
    back = command("rollback", "--home", "home")
    assert back.returncode == 0
    assert "in use: minilm-l6-" in back.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promote", "default"], "no folder for the champion pointer; set REPLYRANK_HOME"),
        (["promote", "7", "--home", "home"], "version 7 is of MLflow, and no store is there"),
        (["promote", "nope", "--home", "home"], "model 'nope' is no folder"),
        (["promote", "default", "--home", "home", "--force"], "--force and --reason go together"),
        (
            ["promote", "default", "--home", "home", "--force", "--reason", ""],
            "--reason is ''; say in words",
        ),
        (
            ["promote", "default", "--home", "home", "--force", "--reason", " "],
            "--reason is ' '; say in words",
        ),
        (
            ["promote", "x", "--home", "h", "--posts", "a", "--dataset", "b"],
            "--posts and --dataset both say what decides",
        ),
        (
            ["promote", "default", "--home", "home", "--report", "inbox.csv"],
            "'inbox.csv' is there already; give another name for the report",
        ),
        (["rollback", "--home", "home"], "knows no model before the one in use"),
        (["pull", "--home", "home"], "no registry is named; set MLFLOW_TRACKING_URI"),
    ],
)
def test_mistakes(command: Command, folder: Path, arguments: list[str], said: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "home").exists()
