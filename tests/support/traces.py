"""Everything that a node could leave on this machine, or change."""

from __future__ import annotations

import subprocess
from pathlib import Path

from devtools.k8s.controlplane import attempts
from devtools.local_cluster import cgroups

SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "net/ipv4/ip_forward")


def traces(name: str, state: Path) -> dict[str, object]:
    """Returns all of that for the node `name` with its files in `state`, to be compared with the state before."""

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "mounts": [line for line in mounts if str(state) in line or name in line],
        "links": [line.split(":")[1] for line in said("ip", "-oneline", "link").splitlines()],
        "rules": said("nft", "--stateless", "list", "ruleset"),
        "routes": said("ip", "route"),
        "settings": {name: (Path("/proc/sys") / name).read_text() for name in SETTINGS},
        "control groups": [tree / name for tree in cgroups.trees(cgroups.ROOT) if (tree / name).exists()],
        "hostname": said("hostname"),
    }


def in_network(network: Path) -> list[int]:
    """Returns processes that are still in a network namespace after twenty seconds."""
    found: list[int] = []
    for _ in attempts(20):
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns/net").readlink() == network:
                    found.append(int(process.name))
            except OSError:
                continue  # it has exited in the meantime
        if not found:
            break
    return found
