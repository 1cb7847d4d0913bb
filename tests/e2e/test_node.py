"""A node leaves the machine as it found it, whether it is stopped or the program that started it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from local_cluster import cgroups, images
from local_cluster.node import Node
from parts.controlplane import attempts

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

NAME = "face-comparison-brief"
ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "net/ipv4/ip_forward")


def traces(state: Path) -> dict[str, object]:
    """What a node could leave or change on this machine."""

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "mounts": [line for line in mounts if str(state) in line or NAME in line],
        "links": [line.split(":")[1] for line in said("ip", "-oneline", "link").splitlines()],
        "rules": said("nft", "list", "ruleset"),
        "routes": said("ip", "route"),
        "settings": {name: (Path("/proc/sys") / name).read_text() for name in SETTINGS},
        "hostname": said("hostname"),
    }


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_nothing_is_left(built: list[images.Image], tmp_path: Path, end: str) -> None:
    before = traces(tmp_path)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from local_cluster.node import Node\nfrom parts.processes import Processes\n"
        f"node = Node({NAME!r}, Path({str(tmp_path / 'state')!r}), Processes(Path({str(tmp_path / 'logs')!r})))\n"
        "node.start(); print(node.pid, flush=True); sys.stdin.read(); node.stop()"
    )
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "tools"))
    starter = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert starter.stdin is not None
    assert starter.stdout is not None
    with starter.stdin, starter.stdout:
        pid = int(starter.stdout.readline())
        inside = Path(f"/proc/{pid}/ns/net").readlink()
        assert any((tree / NAME).exists() for tree in cgroups.trees(cgroups.ROOT))
        if end == "killed":
            starter.send_signal(signal.SIGKILL)
    starter.wait(timeout=60)

    assert in_network(inside) == []
    if end == "killed":
        Node(NAME, tmp_path / "state").stop()  # what the next start does first: control groups outlive their processes
    assert not any((tree / NAME).exists() for tree in cgroups.trees(cgroups.ROOT))
    assert traces(tmp_path) == before


def in_network(network: Path) -> list[int]:
    """Processes that are still in a network namespace after twenty seconds."""
    found: list[int] = []
    for _ in attempts(20):
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns/net").readlink() == network:
                    found.append(int(process.name))
            except OSError:
                continue  # it has ended meanwhile
        if not found:
            break
    return found
