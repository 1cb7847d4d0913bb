"""The service under test, in a memory cgroup where this user may create one, and what its clients observed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from face_comparison.benchmark import load

MIB = 2**20
LIMIT_BYTES = 3 * 2**30
DEADLINE_SECONDS = 30.0


@dataclass
class Findings:
    """What the clients observed."""

    good: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    slowest_good: float = 0.0
    resident: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Run:
    """One service under test."""

    process: subprocess.Popen[bytes]
    port: int
    findings: Findings = field(default_factory=Findings)
    ended: threading.Event = field(default_factory=threading.Event)

    def connect(self, seconds: float = DEADLINE_SECONDS) -> socket.socket:
        """Opens a connection to the service."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def workers(self) -> list[int]:
        """Returns the process IDs of the workers."""
        return sorted(child.pid for child in psutil.Process(self.process.pid).children())

    def resident(self) -> int:
        """Returns the resident memory of all processes in bytes; shared pages count for each."""
        processes = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        return int(sum(process.memory_info().rss for process in processes))


@contextlib.contextmanager
def memory_cgroup(limit: int) -> Iterator[list[str]]:
    """Yields a command prefix that starts a program in a memory cgroup; empty if this user may not create one."""
    for root, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / f"soak-{os.getpid()}"
        try:
            group.mkdir()
            (group / file).write_text(str(limit))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        finally:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                try:
                    group.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
        return
    yield []


@contextlib.contextmanager
def service(prefix: list[str]) -> Iterator[Run]:
    """Yields the service on the default bundle, once it is ready. prefix: precedes its command."""
    program = Path(sys.executable).with_name("face-comparison")
    environ = os.environ | {"FACE_COMPARISON_MEMORY_BYTES": str(LIMIT_BYTES), "FACE_COMPARISON_LOG_LEVEL": "info"}
    command = [*prefix, str(program), "serve", "--host", "127.0.0.1", "--port", "0"]
    log = Path(tempfile.mkdtemp(prefix="soak-")) / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environ, stdout=stream)
    try:
        port = None
        while port is None or not load.is_ready(port):
            if process.poll() is not None:
                sys.exit(f"the service did not start: {log.read_text()}")
            time.sleep(0.1)
            entries: list[dict[str, object]] = [json.loads(line) for line in log.read_text().splitlines()]
            port = next((int(str(entry["port"])) for entry in entries if "port" in entry), None)
        yield Run(process, port)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
