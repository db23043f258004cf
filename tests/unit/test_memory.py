"""How much memory may still be taken."""

from pathlib import Path

import pytest

from replyrank.models.memory import available_memory

MIB = 1 << 20


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text(f"MemTotal: {8 * 1024} kB\nMemAvailable: {500 * 1024} kB\nHugePages_Total: 0\n")
    return path


def test_without_a_container_the_machine_says(tmp_path: Path, meminfo: Path) -> None:
    assert available_memory(tmp_path, meminfo) == 500 * MIB


def test_where_nothing_tells_nothing_is_known(tmp_path: Path) -> None:
    assert available_memory(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("max", 100 * MIB, 500 * MIB),
        (str(300 * MIB), 100 * MIB, 220 * MIB),
        (str(900 * MIB), 100 * MIB, 500 * MIB),
        (str(100 * MIB), 150 * MIB, 0),
    ],
)
def test_version_2(tmp_path: Path, meminfo: Path, limit: str, used: int, expected: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {20 * MIB}\n")
    assert available_memory(tmp_path, meminfo) == expected


def test_version_1(tmp_path: Path, meminfo: Path) -> None:
    group = tmp_path / "memory"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(300 * MIB))
    (group / "memory.usage_in_bytes").write_text(str(100 * MIB))
    assert available_memory(tmp_path, meminfo) == 200 * MIB
