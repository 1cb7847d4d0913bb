"""The memory limit of a container, in both versions of cgroups, or of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from face_comparison.server.memory import (
    KEPT_BYTES,
    MIB,
    PRESSURE_SHARE,
    UNCONTAINED_BYTES,
    TrimPolicy,
    memory_limit,
    resident_bytes,
)

GIB = 2**30
V1_UNLIMITED = "9223372036854771712\n"


class Machine:
    def __init__(self, folder: Path) -> None:
        self.proc, self.cgroup = folder / "proc", folder / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        self.write_meminfo(64 * GIB)

    def write_meminfo(self, total: int) -> None:
        (self.proc / "meminfo").write_text(f"MemTotal: {total // 1024} kB\nMemFree: 1 kB\n")

    def write_groups(self, text: str) -> None:
        (self.proc / "self" / "cgroup").write_text(text)

    def write(self, path: str, text: str) -> None:
        (self.cgroup / path).parent.mkdir(parents=True, exist_ok=True)
        (self.cgroup / path).write_text(text)

    @property
    def limit(self) -> int:
        return memory_limit(self.proc, self.cgroup)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_cgroup_v2_in_private_namespace(machine: Machine) -> None:
    machine.write_groups("0::/\n")
    machine.write("memory.max", f"{3 * GIB}\n")
    assert machine.limit == 3 * GIB


def test_cgroup_v2_uses_smallest_parent_limit(machine: Machine) -> None:
    machine.write_groups("0::/kubepods/pod1/container1\n")
    machine.write("kubepods/pod1/container1/memory.max", "max\n")
    machine.write("kubepods/pod1/memory.max", f"{2 * GIB}\n")
    machine.write("kubepods/memory.max", f"{50 * GIB}\n")
    assert machine.limit == 2 * GIB


def test_cgroup_v1(machine: Machine) -> None:
    machine.write_groups("5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n")
    machine.write("memory/memory.limit_in_bytes", f"{4 * GIB}\n")  # the container's own view of its group
    assert machine.limit == 4 * GIB
    machine.write("memory/docker/abc/memory.limit_in_bytes", f"{GIB}\n")
    assert machine.limit == GIB


def test_hybrid_cgroup_hierarchy(machine: Machine) -> None:
    machine.write_groups("4:memory:/\n0::/service\n")
    machine.write("memory/memory.limit_in_bytes", V1_UNLIMITED)
    machine.write("unified/service/memory.max", f"{2 * GIB}\n")
    assert machine.limit == 2 * GIB


def test_default_limit_without_cgroup(machine: Machine) -> None:
    machine.write_groups("4:memory:/\n0::/\n")
    machine.write("memory/memory.limit_in_bytes", V1_UNLIMITED)
    assert machine.limit == UNCONTAINED_BYTES
    machine.write_meminfo(4 * GIB)
    assert machine.limit == 2 * GIB


def test_limit_above_machine_memory_is_ignored(machine: Machine) -> None:
    machine.write_groups("0::/\n")
    machine.write("memory.max", f"{100 * GIB}\n")
    assert machine.limit == 64 * GIB


def test_limit_of_current_machine() -> None:
    assert memory_limit() > 2**27
    assert resident_bytes() > 2**20


def test_memory_is_trimmed_after_burst() -> None:
    policy = TrimPolicy()
    busy = [900 * MIB, 600 * MIB, 800 * MIB, 500 * MIB]
    assert [policy.is_due(peak, GIB, 3 * GIB) for peak in busy] == [False] * len(busy)
    calm = [100 * MIB, 90 * MIB, 100 * MIB, 0]
    assert [policy.is_due(peak, GIB, 3 * GIB) for peak in calm] == [True, False, False, True]
    assert not policy.is_due(0, GIB, 3 * GIB)


def test_small_requests_do_not_trim_memory() -> None:
    policy = TrimPolicy()
    assert not any(policy.is_due(peak, GIB, 3 * GIB) for peak in (KEPT_BYTES - 1, 0, KEPT_BYTES - 1, 0))


def test_memory_is_trimmed_within_burst_if_short() -> None:
    policy = TrimPolicy()
    residents = [2 * GIB, int(PRESSURE_SHARE * 3 * GIB) + 1, 2 * GIB]
    assert [policy.is_due(GIB, resident, 3 * GIB) for resident in residents] == [False, True, False]
