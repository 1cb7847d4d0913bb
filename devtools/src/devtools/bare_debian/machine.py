"""Starts the machine, runs commands in it, and runs Docker's daemon."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from devtools.k8s import programs
from devtools.k8s.controlplane import attempts
from devtools.k8s.processes import Processes
from devtools.local_cluster import cgroups
from devtools.local_cluster.images import AUTHORITIES

HERE = Path(__file__).resolve().parent
BUILD_SECONDS = 900


class DebianUnavailable(Exception):
    """The machine cannot be made here; the message says why."""


def missing() -> str:
    """Returns what this machine lacks to make one; empty if it lacks nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a bare Debian needs root on Linux"
    absent = [tool for tool in ("mmdebstrap", "unshare", "nsenter", "ip") if not shutil.which(tool)]
    return f"a bare Debian needs {', '.join(absent)}" if absent else ""


def root_file_system() -> Path:
    """Returns a Debian with its packages, made once and kept outside the checkout. Raises DebianUnavailable."""
    script = HERE / "packages.sh"
    key = hashlib.sha256(script.read_bytes()).hexdigest()[:16]
    cache = programs.cache().parent / "debian"
    folder = cache / key
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock", timeout=BUILD_SECONDS):
        if not folder.exists():
            unfinished = cache / f"{key}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            command = ["bash", str(script), str(unfinished)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
            if done.returncode:
                raise DebianUnavailable(f"packages.sh failed:\n{done.stderr[-2000:]}")
            for older in cache.glob("[0-9a-f]" * 16):
                shutil.rmtree(older, ignore_errors=True)
            unfinished.rename(folder)
    return folder


@dataclass
class Machine:
    """A running machine. pid: process ID of its first process on the host."""

    pid: int
    state: Path
    processes: Processes
    shares_network: bool

    @property
    def control_group(self) -> str:
        """The cgroup of its containers, of its own: machines may run at the same time, and each removes its group."""
        return f"face-comparison-docker-{self.pid}"

    def command(self, shell: str, folder: str = "/root", environment: Mapping[str, str] | None = None) -> list[str]:
        """Returns the command that runs a line of bash in the machine, without this process's environment."""
        settings = {"HOME": "/root", "PATH": "/root/.local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        words = [f"{name}={value}" for name, value in (settings | dict(environment or {})).items()]
        inside = ["nsenter", f"--target={self.pid}", "--all", "--root", "--wd", "--", "env", "-i", *words]
        return [*inside, "bash", "-euo", "pipefail", "-c", f"cd {folder}\n{shell}"]

    def run(self, shell: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a line of bash and waits for it to exit."""
        return subprocess.run(self.command(shell), capture_output=True, text=True, timeout=seconds, check=False)

    def start_docker(self) -> None:
        """Starts Docker's daemon and waits until it responds.

        On a machine that shares this machine's network, it leaves that network's interfaces, firewall, and forwarding
        unchanged; containers there have either this network or none.
        """
        options = [f"--cgroup-parent=/{self.control_group}", "--exec-opt", "native.cgroupdriver=cgroupfs"]
        if self.shares_network:
            options += ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        self.processes.start("dockerd", self.command(f"exec dockerd {' '.join(options)}"))
        for _ in attempts(180, pause=0.2):
            self.processes.check()
            if self.run("docker version").returncode == 0:
                return
        raise DebianUnavailable(f"dockerd does not respond:\n{self.processes.log('dockerd').read_text()[-2000:]}")


@contextmanager
def machine(state: Path, mounts: Mapping[str, Path], network: bool) -> Iterator[Machine]:
    """Yields a machine, which is stopped afterwards together with all its processes.

    Args:
        state: An empty folder for its files.
        mounts: Files of this machine that are visible in it, by path.
        network: Whether it shares this machine's network; otherwise it has an isolated one.

    Raises:
        DebianUnavailable: It cannot be made here.
    """
    base = root_file_system()
    seen = {**mounts, "/etc/ssl/certs/ca-certificates.crt": AUTHORITIES, "/etc/resolv.conf": Path("/etc/resolv.conf")}
    (state / "mounts").mkdir(parents=True)
    for number, (path, source) in enumerate(seen.items()):
        if source.exists():
            (state / "mounts" / str(number)).symlink_to(source.resolve())
            (state / "mounts" / f"{number}.path").write_text(path)
    namespaces = ["--mount", "--pid", "--ipc", "--uts", *([] if network else ["--net"])]
    holder = ["unshare", *namespaces, "--fork", "--kill-child", "--propagation=private", "--"]
    with Processes(state / "logs") as processes:
        outer = processes.start("machine", [*holder, "bash", HERE / "start.sh", base, state])
        created = Machine(_first_process(outer, processes), state, processes, network)
        try:
            yield created
        finally:
            processes.kill("machine")  # kills all processes of the machine as well
            _remove_group(created.control_group)


def _first_process(outer: int, processes: Processes) -> int:
    """Returns the process that `unshare` started, once it has the machine's root."""
    for _ in attempts(120, pause=0.05):
        processes.check()
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/comm").read_text() == "sleep\n":
            return int(children[0])
    raise DebianUnavailable(f"it does not start:\n{processes.log('machine').read_text()[-2000:]}")


def _remove_group(name: str) -> None:
    for _ in attempts(20):
        if not cgroups.remove(name):
            return
