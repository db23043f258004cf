"""The top-level folders, their links and the wheel's renames agree; one is never forgotten."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}


def _config() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_folders_are_those_of_the_design() -> None:
    assert sorted(FOLDERS) == ["data", "models", "pipeline", "serving", "training"]


def test_links_point_at_every_folder() -> None:
    links = {link.name: link.resolve() for link in (ROOT / ".dev/replyrank").iterdir()}
    assert links == {name: ROOT / name for name in FOLDERS}


def test_links_are_relative_so_that_a_checkout_can_move() -> None:
    links = {link.name: link.readlink() for link in (ROOT / ".dev/replyrank").iterdir()}
    assert links == {name: Path("../..") / name for name in FOLDERS}


def test_the_package_is_a_namespace() -> None:
    assert not (ROOT / ".dev/replyrank/__init__.py").exists()


def test_wheel_renames_every_folder() -> None:
    wheel = _config()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["sources"] == {name: f"replyrank/{name}" for name in FOLDERS}
    assert set(wheel["only-include"]) == FOLDERS


def test_sdist_holds_every_folder() -> None:
    sdist = _config()["tool"]["hatch"]["build"]["targets"]["sdist"]
    assert set(sdist["only-include"]) >= {*FOLDERS, "tests"}


def test_type_checkers_see_every_folder() -> None:
    tools = _config()["tool"]
    assert set(tools["pyright"]["include"]) == {*FOLDERS, "tests"}
    assert set(tools["mypy"]["packages"]) == {"replyrank", "tests"}


def test_importing_without_the_prefix_is_banned() -> None:
    banned = _config()["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(banned) == FOLDERS


def test_every_package_says_that_it_is_typed() -> None:
    untyped = [name for name in sorted(FOLDERS) if not (ROOT / name / "py.typed").is_file()]
    assert untyped == []


def test_every_folder_with_code_is_a_package() -> None:
    bare = {
        str(path.parent.relative_to(ROOT))
        for name in (*FOLDERS, "tests")
        for path in (ROOT / name).rglob("*.py")
        if not (path.parent / "__init__.py").is_file()
    }
    assert bare == set()


def test_constraints_are_exact_versions_and_name_no_registry() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if pin.count("==") != 1 or "/" in pin or "+" in pin] == []


def test_constraints_pin_what_the_project_asks_for() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_normal(line.split("==")[0]) for line in lines if not line.startswith("#")}
    project = _config()["project"]
    extras = project["optional-dependencies"]
    # Not `spark`: a cluster brings its own.
    asked = project["dependencies"] + extras["train"] + extras["serve"] + extras["dev"]
    missing = {_normal(requirement) for requirement in asked} - pinned
    assert missing == set()


def _normal(requirement: str) -> str:
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
