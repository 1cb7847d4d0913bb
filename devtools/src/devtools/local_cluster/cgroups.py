"""The cgroups under which a node's pods run: created before kubelet starts, removed after the node has stopped.

Both versions are supported: one tree with all controllers (version 2), or one tree per controller (version 1).
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = "+cpu +cpuset +memory +pids +io"


def make(name: str, root: Path = ROOT) -> None:
    """Creates the cgroup `name` in every tree."""
    for tree in trees(root):
        group = tree / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group of version 1: no process may enter
            if (tree / setting).exists() and (group / setting).exists():
                (group / setting).write_text((tree / setting).read_text())
    if (root / "cgroup.controllers").exists():
        available = (root / "cgroup.controllers").read_text().split()
        expected = " ".join(word for word in CONTROLLERS.split() if word[1:] in available)
        (root / "cgroup.subtree_control").write_text(expected)


def remove(name: str, root: Path = ROOT) -> list[Path]:
    """Removes the cgroup `name` and those below it from every tree; returns those that still contain processes."""
    left = []
    for tree in trees(root):
        for folder, _, _ in os.walk(tree / name, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                left.append(Path(folder))
    return left


def trees(root: Path) -> list[Path]:
    """Returns the root cgroup of every tree."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted({path.resolve() for path in root.iterdir() if (path / "cgroup.procs").exists()})
