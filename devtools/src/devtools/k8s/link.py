"""A network between a client and the API server that a test can cut so that packets are dropped silently.

The client runs in its own network namespace, joined by a pair of virtual interfaces to a second namespace. There a
relay listens and forwards each connection to the API server on the host's loopback address. `cut()` takes the relay's
interface down: packets of both sides are lost without notice. It needs root on Linux; the host's network is neither
changed nor reachable from the client.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from devtools.k8s.controlplane import EXTRA_HOSTS, attempts
from devtools.k8s.processes import Processes

SERVER = EXTRA_HOSTS[0]
CLIENT = "198.18.77.2"
PORT = 6443
RELAY = Path(__file__).with_name("relay.py")


def missing() -> str:
    """Returns what this machine lacks to make a link; empty if it lacks nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    absent = [tool for tool in ("ip", "unshare", "nsenter") if not shutil.which(tool)]
    return f"network namespaces need {', '.join(absent)}" if absent else ""


def relay_command(
    here: Path, address: str, port: int, there: Path, upstream: str, upstream_port: int
) -> list[str | Path]:
    """Returns a command that relays `address:port` in one network namespace to an address in another; see relay.py."""
    return [sys.executable, RELAY, here, address, str(port), there, upstream, str(upstream_port)]


class Link:
    """The link as a context manager; the API server behind it listens on 127.0.0.1 at `upstream`."""

    def __init__(self, upstream: int, logs: Path) -> None:
        self.url = f"https://{SERVER}:{PORT}"
        self._upstream = upstream
        self._logs = logs

    def __enter__(self) -> Self:
        self._processes = Processes(self._logs)
        try:
            pids = {
                side: self._processes.start(side, ["unshare", "--net", "sleep", "infinity"]) for side in ("near", "far")
            }
            self._namespaces = {side: Path(f"/proc/{pid}/ns/net") for side, pid in pids.items()}
            self._wait_for_namespaces()
            self._ip("near", f"link add near0 type veth peer name far0 netns {pids['far']}")
            for side, address in (("near", CLIENT), ("far", SERVER)):
                self._ip(side, "link set lo up")
                self._ip(side, f"address add {address}/24 dev {side}0")
                self._ip(side, f"link set {side}0 up")
            outside = Path("/proc/self/ns/net")
            words = relay_command(self._namespaces["far"], SERVER, PORT, outside, "127.0.0.1", self._upstream)
            self._processes.start("relay", words)
            self._wait_for_relay()
        except BaseException:
            self._processes.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.close()

    def command(self, *command: str | Path) -> list[str]:
        """Returns the command that runs `command` on the client's side of the link."""
        return ["nsenter", f"--net={self._namespaces['near']}", "--", *map(str, command)]

    def cut(self) -> None:
        """Drops every packet from now on; open connections stay open on both sides."""
        self._ip("far", "link set far0 down")

    def heal(self) -> None:
        """Delivers packets again."""
        self._ip("far", "link set far0 up")

    def _ip(self, side: str, words: str) -> None:
        subprocess.run(
            ["nsenter", f"--net={self._namespaces[side]}", "--", "ip", *words.split()], check=True, timeout=10
        )

    def _wait_for_namespaces(self) -> None:
        here = Path("/proc/self/ns/net").readlink()
        for _ in attempts(10):
            self._processes.check()
            if all(path.readlink() != here for path in self._namespaces.values()):
                return
        raise TimeoutError("the network namespaces were not created within ten seconds")

    def _wait_for_relay(self) -> None:
        probe: Sequence[str] = self.command(
            sys.executable, "-c", f"import socket; socket.create_connection(('{SERVER}', {PORT}), 1)"
        )
        for _ in attempts(10):
            self._processes.check()
            if subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return
        raise TimeoutError("the relay did not respond within ten seconds")
