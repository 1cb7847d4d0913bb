"""Shared helpers of tests of documented commands: the commands on the pages, and a clone to type them in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from devtools import ROOT
from devtools.bare_debian import machine as debian
from devtools.bare_debian.machine import DebianUnavailable, Machine
from devtools.docs.pages import blocks
from devtools.local_cluster import install
from devtools.photos import samples

PHOTOGRAPHS = {"one.jpg": "obama.jpg", "another.jpg": "obama2.jpg", "stranger.jpg": "biden.jpg"}
CHECKOUT = "/root/face-comparison"
SECONDS = 900.0
TRUSTED = {
    "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    "PIP_NO_COMPILE": "1",  # saves a third of the CPU time of an installation
}


def block(page: Path, words: str) -> str:
    """Returns the only shell block of a page that contains these words."""
    (found,) = [text for text in blocks(page, "sh") if words in text]
    return found


def clone(folder: Path) -> Path:
    """A reader's checkout: a copy of this one with two photographs of one person and one of another."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() or source.is_file():
            shutil.copy2(source, target, follow_symlinks=False)
    for name, original in PHOTOGRAPHS.items():
        shutil.copy(samples.photographs()[original], folder / name)
    folder.chmod(0o755)  # readable like a folder in a home directory; a container runs as another user
    return folder


def need_debian() -> None:
    """Skips if a bare Debian cannot be made, except in CI."""
    install.install_packages(print)
    if missing := debian.missing():
        if os.environ.get("CI"):
            raise DebianUnavailable(missing)
        pytest.skip(missing)


def typed(machine: Machine, shell: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """Returns the result of typing this in the clone; pip and uv trust what this machine trusts."""
    command = machine.command(shell, folder=CHECKOUT, environment=TRUSTED)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{shell}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done
