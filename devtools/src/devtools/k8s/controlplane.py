"""A real Kubernetes control plane on the loopback address, as the current user: no root, container, or container image.

etcd, kube-apiserver, kube-controller-manager, and kube-scheduler run as ordinary processes on free ports. There is no
kubelet; with `nodes=True`, kwok simulates the nodes, so that pods are scheduled and become Ready without running a
program. Every request is in the audit log, because the load that a client causes is counted at the API server, not in
the client.
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import yaml

from devtools.k8s import flags, programs
from devtools.k8s.certificates import Authority, key_pair
from devtools.k8s.ports import free_ports
from devtools.k8s.processes import Processes

START_SECONDS = 120.0
SERVICES = "10.96.0.0/16"
EXTRA_HOSTS = ("198.18.77.1",)  # where link.Link offers the API server inside its own network namespace
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")

# Two nodes that exist only in the API: kwok keeps them and their pods Ready.
NODES: dict[str, dict[str, str]] = {"cpu-0": {}, "gpu-0": {"nvidia.com/gpu": "4"}}


class Cluster(Protocol):
    """What a test may rely on, whether the cluster is started here or existed before."""

    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl and returns its output; raises KubectlFailed with its error message if it fails."""
        ...


class KubectlFailed(Exception):
    """kubectl failed; the message is its standard error."""


class ExistingCluster:
    """A cluster that someone else runs, reached through a kubeconfig file; its audit log is not available."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl and returns its output; raises KubectlFailed with its error message if it fails."""
        return kubectl(self.kubeconfig, *arguments, stdin=stdin)


class ControlPlane:
    """The control plane as a context manager; `directory` (a new temporary one by default) is removed at the end.

    Args:
        nodes: Whether kwok simulates nodes.
        directory: Where all files are kept.
        address: The loopback address of the API server; `::1` for a cluster whose first family is IPv6.
        services: The address ranges of Services: one, or one of each family, comma-separated.
        pods: The address ranges of pods, likewise.
    """

    def __init__(
        self,
        *,
        nodes: bool = True,
        directory: Path | None = None,
        address: str = "127.0.0.1",
        services: str = SERVICES,
        pods: str = "10.0.0.1/24",
    ) -> None:
        self.directory = directory or Path(tempfile.mkdtemp(prefix="face-comparison-control-plane-"))
        self.kubeconfig = self.directory / "admin.kubeconfig"
        self.audit_log = self.directory / "audit.log"
        self.port = 0
        self._nodes, self._address, self._services, self._pods = nodes, address, services, pods
        self._processes: Processes | None = None
        self._commands: dict[str, list[str]] = {}

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://[{self._address}]:{self.port}" if ":" in self._address else f"https://127.0.0.1:{self.port}"

    @property
    def processes(self) -> Processes:
        """The running programs, by the names of PROGRAMS and `kwok`."""
        if self._processes is None:
            raise RuntimeError("the control plane is not running: use it as a context manager or call start()")
        return self._processes

    def start(self) -> Self:
        """Starts everything; returns once the API server is ready and namespaces get their service account."""
        try:
            for name in (*PROGRAMS, "kwok") if self._nodes else PROGRAMS:
                programs.binary(name)  # before anything starts: a build may take longer than the startup timeout
            self._prepare()
            self._processes = Processes(self.directory / "logs")
            self.start_program("etcd")
            self.start_program("kube-apiserver")
            self.wait_ready()
            for name in ("kube-controller-manager", "kube-scheduler"):
                self.start_program(name)
            if self._nodes:
                self.start_program("kwok")
                self._create_nodes()
            self.wait_for("the default service account", self._has_service_account)
        except BaseException:
            self.stop()
            raise
        return self

    def start_program(self, name: str) -> None:
        """Starts one program of the control plane, for the first time or after `stop_program`."""
        self.processes.start(name, [programs.binary(name), *self._commands[name]])

    def stop_program(self, name: str) -> None:
        """Stops one program, such as `kube-apiserver`, while the others keep running."""
        self.processes.stop(name)

    def stop(self) -> None:
        """Stops every program and removes the directory; idempotent."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl and returns its output; raises KubectlFailed with its error message if it fails."""
        return kubectl(self.kubeconfig, *arguments, stdin=stdin)

    def kubeconfig_for(self, url: str) -> Path:
        """Returns a kubeconfig of the same administrator for another address of the API server, such as a link's."""
        name = url.rpartition("/")[2].replace(":", "-")  # in KUBECONFIG, a colon separates files
        path = self.directory / f"admin-{name}.kubeconfig"
        pki = self.directory / "pki"
        write_kubeconfig(path, url, pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
        return path

    def audit_events(self, since: int = 0) -> list[dict[str, Any]]:
        """Returns the requests that the API server has handled, oldest first, from byte `since` of the audit log.

        `audit_position()` before an action returns the `since` that leaves out earlier requests.
        """
        with self.audit_log.open("rb") as log:
            log.seek(since)
            lines = log.read().split(b"\n")[:-1]  # the text after the last newline is still being written
        return [json.loads(line) for line in lines]

    def audit_position(self) -> int:
        """Returns the current length of the audit log in bytes."""
        return self.audit_log.stat().st_size

    def wait_ready(self) -> None:
        """Waits until the API server is ready."""
        self.wait_for("the API server", lambda: _answers(f"{self.url}/readyz", self.directory / "pki"))

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Polls `condition`; fails as soon as a program has died, or with `what` in the message after START_SECONDS."""
        for _ in attempts(START_SECONDS):
            self.processes.check()
            if condition():
                return
        raise TimeoutError(f"{what} did not exist after {START_SECONDS:.0f} s; logs are in {self.processes.logs}")

    def _has_service_account(self) -> bool:
        try:
            self.kubectl("get", "serviceaccount", "default", "--namespace=default")
        except KubectlFailed:
            return False
        return True

    def _create_nodes(self) -> None:
        nodes = []
        for name, devices in NODES.items():
            amounts = {"cpu": "32", "memory": "256Gi", "pods": "1000", **devices}
            labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"}
            metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
            status = {"allocatable": amounts, "capacity": amounts}
            nodes.append({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status})
        self.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))

    def _prepare(self) -> None:
        home, pki = self.directory, self.directory / "pki"
        etcd_port, etcd_peer_port, self.port, kcm_port, scheduler_port = free_ports(5)
        authority = Authority(pki)
        names = ("localhost", "kubernetes.default.svc", "127.0.0.1", "::1", "10.96.0.1", *EXTRA_HOSTS)
        authority.sign("apiserver", "kube-apiserver", hosts=names)
        key_pair(pki, "service-accounts")
        users = {
            "admin": ("admin", "system:masters"),
            "controllers": ("system:kube-controller-manager", ""),
            "scheduler": ("system:kube-scheduler", ""),
        }
        for name, (user, group) in users.items():
            certificate, key = authority.sign(name, user, group)
            write_kubeconfig(home / f"{name}.kubeconfig", self.url, authority.certificate, certificate, key)

        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
        (home / "audit-policy.json").write_text(json.dumps(policy | {"rules": [{"level": "Metadata"}]}))
        controllers, scheduler = home / "controllers.kubeconfig", home / "scheduler.kubeconfig"
        self._commands = {
            "etcd": flags.etcd(home / "etcd", etcd_port, etcd_peer_port),
            "kube-apiserver": [
                *flags.api_server(
                    pki, self.port, etcd_port, self._services, home / "audit-policy.json", self.audit_log
                ),
                f"--bind-address={self._address}",
                f"--advertise-address={self._address}",
                "--endpoint-reconciler-type=none",  # a loopback address is not a valid endpoint
                "--authorization-mode=RBAC",
            ],
            "kube-controller-manager": [*flags.controller_manager(pki, controllers), f"--secure-port={kcm_port}"],
            "kube-scheduler": [*flags.scheduler(pki, scheduler), f"--secure-port={scheduler_port}"],
        }
        if self._nodes:
            stages = "\n---\n".join(path.read_text() for path in programs.data("kwok-stages"))
            (home / "kwok.yaml").write_text(stages)
            self._commands["kwok"] = [
                f"--kubeconfig={self.kubeconfig}",
                f"--config={home / 'kwok.yaml'}",
                "--manage-all-nodes=false",
                "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
                "--node-ip=fd00:78::1" if ":" in self._address else "--node-ip=198.18.78.1",
                f"--cidr={self._pods}",
            ]


def kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None) -> str:
    """Runs kubectl with `kubeconfig` and returns its output; raises KubectlFailed with its error message."""
    result = subprocess.run(
        [programs.binary("kubectl"), f"--kubeconfig={kubeconfig}", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if result.returncode:
        raise KubectlFailed(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def write_kubeconfig(path: Path, server: str, authority: Path, certificate: Path, key: Path) -> None:
    """Writes a kubeconfig file with one context, for the API server at the URL `server`."""
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    cluster = {"server": server, "certificate-authority": str(authority)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))


def attempts(seconds: float, pause: float = 0.05) -> Iterator[float]:
    """Yields the remaining seconds repeatedly, with pauses, until none remain; at least once."""
    deadline = time.monotonic() + seconds
    while True:
        yield deadline - time.monotonic()
        if time.monotonic() >= deadline:
            return
        time.sleep(pause)


def _answers(url: str, pki: Path) -> bool:
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
