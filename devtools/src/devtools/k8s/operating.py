"""Runs the operator's program, one process per `start`."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from devtools.k8s.api import until
from devtools.k8s.ports import free_ports
from devtools.k8s.processes import Processes

PROGRAM = Path(sys.executable).with_name("face-comparison-operator")
IMAGE = "registry.example/face-comparison/service:1"
# Options that open what the operator rejects by default, as used by tests that are about something else.
PERMITTING = (
    "--allowed-images=registry.example/*",
    *(
        f"--allowed-{name}=*"
        for name in (
            *("service-accounts", "secrets", "annotations", "variables", "priority-classes", "gateways", "devices"),
            *("resource-claims", "dns", "labels"),
        )
    ),
)


class Operator:
    """One operator process, from `start` to `stop`; also a context manager around both."""

    def __init__(
        self,
        kubeconfig: Path,
        logs: Path,
        *options: str,
        program: Path = PROGRAM,
        prefix: Sequence[str] = (),
        name: str = "operator",
    ) -> None:
        self.metrics_port, self.health_port = free_ports(2)
        self.name = name
        self._processes = Processes(logs)
        self._environment = {"KUBECONFIG": str(kubeconfig)}
        ports = [f"--metrics-port={self.metrics_port}", f"--health-port={self.health_port}"]
        self._command = [*prefix, str(program), "run", f"--service-image={IMAGE}", *PERMITTING, *ports, *options]

    def start(self) -> Self:
        """Starts the program and waits until its caches are synced."""
        self._processes.start(self.name, self._command, self._environment)
        until(lambda: self.health("readyz"), lambda answer: answer[0] == 200, f"{self.name} is ready; {self.log}")
        return self

    def stop(self) -> None:
        """Stops the program as Kubernetes does, with time to finish."""
        self._processes.stop(self.name)

    def kill(self) -> None:
        """Kills the program without a chance to clean up."""
        self._processes.kill(self.name)

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._processes.pid(self.name)

    @property
    def log(self) -> Path:
        """The program's log file."""
        return self._processes.log(self.name)

    def health(self, path: str) -> tuple[int, str]:
        """Returns status and text of a health route; status 0 if there is no response."""
        return _get(f"http://127.0.0.1:{self.health_port}/{path}")

    def metrics(self) -> str:
        """Returns its metrics in the exposition format."""
        return _get(f"http://127.0.0.1:{self.metrics_port}/metrics")[1]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._processes.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.close()


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""
