"""Installs Debian packages that tests need, where that is possible: as root, on a machine with apt."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from filelock import FileLock

from devtools.k8s import programs

SECONDS = 600


def install(program: str, packages: Sequence[str]) -> str | None:
    """Installs the packages of a program. Returns why that was not possible, or None if the program is there."""
    if shutil.which(program):
        return None
    if shutil.which("apt-get") is None:
        return f"{program} is missing, and this machine has no apt-get to install it"
    if os.geteuid() != 0:
        return f"{program} is missing: as root, apt-get install {' '.join(packages)}"
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    programs.cache().parent.mkdir(parents=True, exist_ok=True)
    # One at a time: tests run in several processes, and apt allows only one of itself.
    with FileLock(programs.cache().parent / "packages.lock", timeout=2 * SECONDS):
        if shutil.which(program):
            return None
        for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", *command], env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            if done.returncode:
                return f"{program} is missing, and apt-get {command[0]} failed: {done.stderr.strip()[-300:]}"
    return None
