"""The control groups under which a node's pods run: made before kubelet starts, removed when the node is gone.

Groups of both kernel interfaces are handled: one tree of all controllers (version 2), or one tree for each (version 1).
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = "+cpu +cpuset +memory +pids +io"


def make(name: str, root: Path = ROOT) -> None:
    """Make the group `name` in every tree."""
    for tree in trees(root):
        group = tree / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group of version 1, which then takes no process
            if (tree / setting).exists() and (group / setting).exists():
                (group / setting).write_text((tree / setting).read_text())
    if (root / "cgroup.controllers").exists():
        available = (root / "cgroup.controllers").read_text().split()
        wanted = " ".join(word for word in CONTROLLERS.split() if word[1:] in available)
        (root / "cgroup.subtree_control").write_text(wanted)


def remove(name: str, root: Path = ROOT) -> list[Path]:
    """Remove the group `name` and those below it from every tree; returns what still holds processes."""
    left = []
    for tree in trees(root):
        for folder, _, _ in os.walk(tree / name, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                left.append(Path(folder))
    return left


def trees(root: Path) -> list[Path]:
    """The root group of every tree."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted({path.resolve() for path in root.iterdir() if (path / "cgroup.procs").exists()})
