"""Determines how much memory this service may use, and makes glibc return freed memory."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

MIB = 2**20

KEPT_BYTES = 64 * MIB
"""Amount of freed memory that is not worth returning to the system."""

CALM_SHARE = 0.5
"""Fraction of the previous peak below which a burst counts as over."""

PRESSURE_SHARE = 0.75
"""Fraction of the memory that a process may use above which freed memory is always returned."""

UNCONTAINED_BYTES = 3 * 2**30
"""Maximum memory that the service uses by default if no container limits it."""

MIN_BUDGET_BYTES = 64 * MIB

_UNLIMITED = 2**60  # cgroup v1 reports a huge number, rounded to pages, if there is no limit
_M_ARENA_MAX = -8  # malloc.h


def memory_limit(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Returns the memory that all processes of this service may use, in bytes.

    Args:
        proc: Where procfs is mounted.
        cgroup: Where cgroup v2, or the controllers of v1, are mounted.

    Returns:
        The smallest limit of this process's cgroup (v2 or v1) and its ancestors, and of the machine. Without any cgroup
        limit, half of the machine's memory, but at most `UNCONTAINED_BYTES`.
    """
    limits = [*_cgroup_limits(proc, cgroup)]
    machine = _machine_memory(proc)
    if limits:
        return min([*limits, machine])
    return min(machine // 2, UNCONTAINED_BYTES)


def _cgroup_limits(proc: Path, cgroup: Path) -> list[int]:
    limits = []
    for root, path, file in _cgroups(proc, cgroup):
        for folder in (path, *path.parents):
            with suppress(OSError, ValueError):  # a container may not see the file, or it may contain "max"
                limit = int((root / str(folder).lstrip("/") / file).read_text())
                if limit < _UNLIMITED:
                    limits.append(limit)
    return limits


def _cgroups(proc: Path, cgroup: Path) -> list[tuple[Path, Path, str]]:
    """Returns where each cgroup hierarchy is mounted, this process's group in it, and the file with the limit."""
    found = []
    with suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                found.append((cgroup, Path(path), "memory.max"))
                found.append((cgroup / "unified", Path(path), "memory.max"))
            elif "memory" in controllers.split(","):
                found.append((cgroup / "memory", Path(path), "memory.limit_in_bytes"))
    return found


def _machine_memory(proc: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def resident_bytes(proc: Path = Path("/proc")) -> int:
    """Returns the resident memory of this process in bytes; 0 if unknown."""
    with suppress(OSError, ValueError, IndexError):
        return int((proc / "self" / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def limit_arenas(count: int) -> None:
    """Makes all threads allocate from a few common malloc arenas, if the C library is glibc.

    By default, every thread gets its own arena, up to eight per core, and memory that is freed in one cannot be used by
    another, so that the memory of images and responses stays behind in dozens of arenas. Measured with 3,000 mixed
    requests without models: 79 MiB instead of 116.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, count)


class TrimPolicy:
    """Decides when to return freed memory to the system: after a burst, and during one only if memory is short.

    A page that was returned and is needed again costs 1 to 3 microseconds. Returning the memory of images and bodies
    every second of a busy period took several percent of all CPU time.
    """

    def __init__(self) -> None:
        self._high = 0

    def is_due(self, peak: int, resident: int, limit: int) -> bool:
        """Returns whether to return freed memory now.

        Args:
            peak: Peak memory use of requests since the last call, in bytes.
            resident: Resident memory of the process, in bytes.
            limit: Memory that the process may use, in bytes.
        """
        self._high = max(self._high, peak)
        calm = self._high - peak >= KEPT_BYTES and peak <= CALM_SHARE * self._high
        short = resident > PRESSURE_SHARE * limit
        if calm:
            self._high = peak
        return calm or short


def return_freed_memory() -> None:
    """Returns free pages to the system, if the C library is glibc. It takes milliseconds, without holding the GIL."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
