"""A node leaves the machine unchanged, whether it is stopped or the program that started it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.local_cluster import cgroups, images
from devtools.local_cluster.node import Node
from support.traces import in_network, traces

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

NAME = "face-comparison-brief"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_nothing_remains(built: list[images.Image], tmp_path: Path, end: str) -> None:
    before = traces(NAME, tmp_path)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from devtools.local_cluster.node import Node\nfrom devtools.k8s.processes import Processes\n"
        f"node = Node({NAME!r}, Path({str(tmp_path / 'state')!r}), Processes(Path({str(tmp_path / 'logs')!r})))\n"
        "node.start(); print(node.pid, flush=True); sys.stdin.read(); node.stop()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
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
        Node(NAME, tmp_path / "state").stop()  # the first step of the next start: cgroups outlive their processes
    assert traces(NAME, tmp_path) == before
