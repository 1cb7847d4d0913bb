"""The number of processor cores that this process may actually use: a container's limit, not the whole machine."""

from __future__ import annotations

import math
import os
from pathlib import Path


def available_cpus(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Returns the number of usable cores, at least 1. quota_file: of cgroup v2, `<microseconds or max> <period>`."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text().split()
        return max(1, min(allowed, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": limited only by the machine
        return allowed
