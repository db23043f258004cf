"""How many CPUs this process may use, containers included."""

import math
import os
from pathlib import Path
from typing import Final

_CGROUP: Final = Path("/sys/fs/cgroup")


def available_cpus(cgroup: Path = _CGROUP) -> int:
    """CPUs that this process may use: affinity, cut by the container's quota; at least 1.

    Args:
        cgroup: where the control groups are mounted (version 2 or 1).
    """
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """CPUs' worth of time that the control group grants, None without a limit."""
    version_2 = _numbers(cgroup / "cpu.max")
    if version_2 is not None:
        return _ratio(version_2)
    quota = _numbers(cgroup / "cpu" / "cpu.cfs_quota_us")
    period = _numbers(cgroup / "cpu" / "cpu.cfs_period_us")
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
