"""How many CPUs this process may use, containers included."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


def available_cpus(cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """CPUs that this process may use: affinity, cut by the least quota above it; at least 1.

    A part of a CPU counts as one: the system stops the threads together when the quota of a period
    is used up, so one thread more than whole CPUs takes the part and never more.

    Args:
        cgroups: where the control groups are mounted (version 2 or 1).
        own: names the group of this process. A container sees its own as the root; a service of
            systemd does not, and any group above it may hold the limit.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quotas = [quota for group in _groups(cgroups, own) if (quota := _quota(group)) is not None]
    return max(1, min([allowed, *map(math.ceil, quotas)]))


def usable_threads(wanted: int | None) -> int:
    """As many threads as are wanted, but no more than there are CPUs to use; None wants all."""
    allowed = available_cpus()
    return allowed if wanted is None else min(wanted, allowed)


def _groups(cgroups: Path, own: Path) -> Iterator[Path]:
    """The folders of the groups that hold this process, each version's root among them."""
    roots = {"": cgroups, "cpu": cgroups / "cpu"}
    yield from roots.values()
    try:
        lines = own.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        found = {"", "cpu"} & set(controllers.split(","))
        # Of a group outside the container's view the path climbs above the root.
        if found and ".." not in path.split("/"):
            root = roots[found.pop()]
            group = root / path.lstrip("/")
            yield from (group, *(above for above in group.parents if root in above.parents))


def _quota(group: Path) -> float | None:
    """CPUs' worth of time that a control group grants, None without a limit."""
    version_2 = _numbers(group / "cpu.max")
    if version_2 is not None:
        return _ratio(version_2)
    quota = _numbers(group / "cpu.cfs_quota_us")
    period = _numbers(group / "cpu.cfs_period_us")
    return _ratio([*quota, *period]) if quota and period else None


def _ratio(quota_and_period: list[str]) -> float | None:
    try:
        quota, period = map(int, quota_and_period)
    except ValueError:  # "max": no limit
        return None
    return quota / period if quota > 0 and period > 0 else None


def _numbers(path: Path) -> list[str] | None:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return None
