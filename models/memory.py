"""How much memory this process may still take, containers included."""

from pathlib import Path
from typing import Final

_CGROUP: Final = Path("/sys/fs/cgroup")
_MEMINFO: Final = Path("/proc/meminfo")
#: limit, what is used, and the name in ``memory.stat`` of what is given back at need
_VERSIONS: Final = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def available_memory(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int | None:
    """Bytes that can be taken without swapping: what the machine has, cut by the container's limit.

    Args:
        cgroup: where the control groups are mounted (version 2 or 1).
        meminfo: what the kernel tells of the machine.

    Returns:
        bytes, at least 0; None where the system does not tell (as on macOS and Windows).
    """
    found = [
        size
        for size in (_of_machine(meminfo), *(_of_group(cgroup, *names) for names in _VERSIONS))
        if size is not None
    ]
    return max(0, min(found)) if found else None


def _of_machine(meminfo: Path) -> int | None:
    kilobytes = _table(meminfo).get("MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def _of_group(cgroup: Path, limit: str, used: str, stat: str, cache: str) -> int | None:
    most, taken = _number(cgroup / limit), _number(cgroup / used)
    if most is None or taken is None:
        return None
    return most - taken + _table(cgroup / stat).get(cache, 0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there, or "max": no limit
        return None


def _table(path: Path) -> dict[str, int]:
    """Lines of a name and a number, and perhaps a unit."""
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
