"""How many CPUs may be used."""

import os
from pathlib import Path

import pytest

from replyrank.models import cpus


@pytest.fixture(autouse=True)
def _eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def affinity(_pid: int) -> set[int]:
        return set(range(8))

    monkeypatch.setattr(os, "sched_getaffinity", affinity, raising=False)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("9900000 100000\n", 8),
        ("nonsense\n", 8),
    ],
)
def test_version_2(tmp_path: Path, content: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(content, encoding="ascii")
    assert cpus.available_cpus(tmp_path, tmp_path / "absent") == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3)])
def test_version_1(tmp_path: Path, quota: str, expected: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota, encoding="ascii")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000", encoding="ascii")
    assert cpus.available_cpus(tmp_path, tmp_path / "absent") == expected


@pytest.mark.parametrize(
    ("own", "holder", "names"),
    [
        ("0::/system.slice/replyrank.service", "system.slice/replyrank.service", "cpu.max"),
        ("0::/system.slice/replyrank.service", "system.slice", "cpu.max"),
        ("12:memory:/docker/a\n3:cpu,cpuacct:/docker/b", "cpu/docker/b", "cpu.cfs"),
        ("12:memory:/docker/a\n3:cpu,cpuacct:/docker/b", "cpu/docker", "cpu.cfs"),
    ],
)
def test_a_limit_of_the_own_group_or_one_above(
    tmp_path: Path, own: str, holder: str, names: str
) -> None:
    group = tmp_path / "mounted" / holder
    group.mkdir(parents=True)
    if names == "cpu.max":
        (group / "cpu.max").write_text("300000 100000\n", encoding="ascii")
    else:
        (group / "cpu.cfs_quota_us").write_text("300000", encoding="ascii")
        (group / "cpu.cfs_period_us").write_text("100000", encoding="ascii")
    (tmp_path / "own").write_text(f"{own}\n", encoding="utf-8")
    assert cpus.available_cpus(tmp_path / "mounted", tmp_path / "own") == 3


def test_a_group_out_of_sight_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "cpu.max").write_text("300000 100000\n", encoding="ascii")
    (tmp_path / "own").write_text("0::/../\n", encoding="utf-8")
    assert cpus.available_cpus(tmp_path / "mounted", tmp_path / "own") == 8


def test_no_control_groups(tmp_path: Path) -> None:
    assert cpus.available_cpus(tmp_path, tmp_path / "absent") == 8


@pytest.mark.parametrize(("wanted", "used"), [(None, 8), (1, 1), (8, 8), (99_999, 8)])
def test_no_more_threads_than_cpus(
    monkeypatch: pytest.MonkeyPatch, wanted: int | None, used: int
) -> None:
    monkeypatch.setattr(cpus, "available_cpus", lambda: 8)
    assert cpus.usable_threads(wanted) == used


def test_no_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpus.available_cpus(tmp_path, tmp_path / "absent") == 1
