"""One real Kubernetes node with its control plane, inside its own namespaces on this Linux machine.

etcd, the control plane, containerd, kubelet, and kube-proxy are ordinary processes that can neither reach the host's
network nor be reached from it. A client enters only the network namespace (`Node.command`) and keeps the host's files.
Processes, mounts, interfaces, and packet rules end with process 1 of the node; `stop()` removes its cgroups.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from devtools.k8s import programs
from devtools.k8s.controlplane import attempts
from devtools.k8s.processes import Processes
from devtools.local_cluster import cgroups, command_lines, config, files
from devtools.local_cluster.commands import NodeFailed, kill, run
from devtools.local_cluster.requirements import missing

NAME = "face-comparison"
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")
PROGRAMS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    *("containerd", "containerd-shim-runc-v2", "ctr", "kubelet", "kube-proxy", "pause"),
)
START_SECONDS = 120.0


class Node:
    """A node named `name`; its files are in `state`, where container images stay imported between starts.

    It outlives the program that started it, unless it is one of the `processes`, which end with that program.
    """

    def __init__(self, name: str = NAME, state: Path | None = None, processes: Processes | None = None) -> None:
        self.name = name
        self._processes = processes
        self._children: list[subprocess.Popen[bytes]] = []
        self.layout = config.Layout(state or programs.cache().parent / "nodes" / name)
        self.kubeconfig = self.layout.kubeconfig("admin")
        self.audit_log = self.layout.state / "audit.log"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Locks the node for its start, use, and stop; raises NodeFailed while another program holds the lock."""
        lock = FileLock(self.layout.state.with_name(f"{self.name}.lock"))
        self.layout.state.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            raise NodeFailed(f"another program is using the node {self.name}: wait until it ends") from None
        with held:
            yield

    # --- start and stop ---

    @property
    def pid(self) -> int | None:
        """The process that holds the node's namespaces, or None if the node does not run."""
        try:
            pid = int((self.layout.state / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        own = command.startswith(os.fsencode(programs.cache())) and command.rstrip(b"\0").endswith(b"/pause")
        return pid if own else None  # otherwise the ID has been reused

    def start(self, progress: Callable[[str], None] = lambda line: None) -> None:
        """Starts everything; returns once the node is Ready. Does nothing if it already runs.

        Raises NodeFailed or TimeoutError if it cannot start, or runs and does not respond. Logs are kept until the next
        start.
        """
        if self.pid and self._complete.exists():
            self.wait("the API server of the running node", self._answers, seconds=20)
            return
        if reason := missing():
            raise NodeFailed(reason)
        self._end()  # a node whose start was interrupted is incomplete
        for name in PROGRAMS:
            programs.binary(name)  # before anything starts: a build may take longer than the startup timeout
        files.clean(self.layout)
        files.write(self.layout, self.name)
        cgroups.make(self.name)
        try:
            progress("making the namespaces")
            self._make_namespaces(programs.binary("pause"))
            for name in command_lines.control_plane(self.layout, self.audit_log):
                self.start_program(name)
                if name == "kube-apiserver":
                    self.start_program("containerd")
                    progress("waiting for the API server")
                    # Controllers that start before the first roles exist give up.
                    self.wait("the API server", self._answers)
            for name in ("kubelet", "kube-proxy"):
                self.start_program(name)
            progress("waiting for the node to be Ready")
            self.wait("the node", lambda: "node/" in self.kubectl("get", "node", self.name, "--output=name"))
            self.kubectl("wait", "--for=condition=Ready", f"node/{self.name}", "--timeout=100s")  # below our timeout
            self.wait("the default account", lambda: bool(self.kubectl("get", "serviceaccount", "default")))
            self._complete.touch()
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Stops every process of the node and every client in its network, and removes its cgroups and files.

        Raises NodeFailed if some of them remain.
        """
        self._end()
        files.clean(self.layout)

    def purge(self) -> None:
        """Removes every file of a stopped node, including imported container images."""
        shutil.rmtree(self.layout.state, ignore_errors=True)

    # --- use ---

    def command(self, *command: str | Path) -> list[str]:
        """Returns the command that runs `command` in the node's network, with the host's files."""
        return ["nsenter", f"--net=/proc/{self._running()}/ns/net", "--", *map(str, command)]

    def inside(self, *command: str | Path) -> list[str]:
        """Returns the command that runs `command` as a program of the node; relative paths start at /."""
        return ["nsenter", f"--target={self._running()}", "--all", "--", *map(str, command)]

    def spawn(self, name: str, command: Sequence[str | Path]) -> int:
        """Starts a program that ends with the node and logs to `logs/<name>.log`. Returns its process ID."""
        pid = self._detached(name, self.inside(*command))
        (self.layout.state / "pids" / name).write_text(str(pid))
        return pid

    def start_program(self, name: str) -> None:
        """Starts one Kubernetes program by name, for the first time or after `stop_program`."""
        self.spawn(name, [programs.binary(name), *self._command_lines()[name]])

    def runs(self, name: str) -> bool:
        """Returns whether the program `name` was started and is still running."""
        try:
            pid = int((self.layout.state / "pids" / name).read_text())
            return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"nsenter")
        except (OSError, ValueError):
            return False

    def stop_program(self, name: str) -> None:
        """Kills one program, as a crash would, while the others keep running."""
        outer = int((self.layout.state / "pids" / name).read_text())
        # The started process is nsenter; the program is its child.
        inner = [int(pid) for pid in Path(f"/proc/{outer}/task/{outer}/children").read_text().split()]
        for pid in inner:
            kill(pid)
        for _ in attempts(20):
            if not any(Path(f"/proc/{pid}").exists() for pid in inner):
                return
        raise TimeoutError(f"{name} did not exit")

    def environment(self) -> dict[str, str]:
        """The environment of programs and clients: the built programs first on PATH, the administrator's kubeconfig."""
        built = [str(programs.binary(name).parent) for name in ("containerd-shim-runc-v2", "kubectl")]
        path = os.pathsep.join([*dict.fromkeys(built), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
        return os.environ | {"PATH": path, "KUBECONFIG": str(self.kubeconfig)}

    def run(self, *command: str | Path, stdin: str | None = None, seconds: float = 120) -> str:
        """Runs a client in the node's network and returns its output; raises NodeFailed on failure."""
        return self._run(self.command(*command), stdin, seconds)

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> str:
        """Runs kubectl as administrator and returns its output; raises NodeFailed with the end of it on failure."""
        return self.run(programs.binary("kubectl"), *arguments, stdin=stdin, seconds=seconds)

    def ctr(self, *arguments: str | Path, seconds: float = 300) -> str:
        """Runs containerd's client on the container images and containers of Kubernetes."""
        return self._run(self.inside(programs.binary("ctr"), "--namespace=k8s.io", *arguments), None, seconds)

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Polls `condition`, treating NodeFailed as "not yet"; raises TimeoutError with `what` after `seconds`."""
        last = ""
        for _ in attempts(seconds, pause=0.1):
            try:
                if condition():
                    return
            except NodeFailed as error:
                last = f": {error}"
        raise TimeoutError(f"{what} did not exist after {seconds:.0f} s{last} (logs: {self.layout.logs})")

    # --- implementation ---

    @property
    def _complete(self) -> Path:
        """A file that exists once the node has been Ready."""
        return self.layout.state / "complete"

    def _command_lines(self) -> dict[str, list[str]]:
        control_plane = command_lines.control_plane(self.layout, self.audit_log)
        return control_plane | command_lines.node_programs(self.layout, self.name)

    def _answers(self) -> bool:
        return "ok" in self.kubectl("get", "--raw=/readyz")

    def _end(self) -> None:
        if pid := self.pid:
            for client in self._clients(pid):
                kill(client)
            kill(pid)
            for _ in attempts(20):
                if not Path(f"/proc/{pid}").exists():
                    break
            else:
                raise NodeFailed(f"process {pid}, which holds the namespaces of the node {self.name}, does not exit")
        while self._children:
            child = self._children.pop()
            child.kill()  # the process that makes the namespaces may not have got to the point where there is a `pid`
            child.wait()
        for _ in attempts(20):
            if not cgroups.remove(self.name):
                return
        raise NodeFailed(f"the cgroups of the node {self.name} cannot be removed: a process in them does not exit")

    def _running(self) -> int:
        if pid := self.pid:
            return pid
        raise NodeFailed(f"the node {self.name} is not running")

    def _run(self, command: Sequence[str], stdin: str | None, seconds: float) -> str:
        words = list(map(str, command))
        return run(words, " ".join(words[3:]), stdin, seconds, self.environment())

    def _make_namespaces(self, pause: Path) -> None:
        script = Path(__file__).with_name("namespaces.sh")
        arguments = (script, self.layout.state, self.name, config.ADDRESS, config.SERVICES, pause)
        holder = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation=private", "--", *map(str, arguments)]
        if self._processes:
            self._processes.start("namespaces", holder)
        else:
            self._detached("namespaces", holder)
        for _ in attempts(20):
            if self.pid:
                return
        words = (self.layout.logs / "namespaces.log").read_text()[-1000:]
        raise NodeFailed(f"the namespaces could not be created:\n{words}")

    def _detached(self, name: str, command: Sequence[str]) -> int:
        """Starts a program that keeps running when this one exits."""
        with (self.layout.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )
        self._children.append(process)
        return process.pid

    def _clients(self, pid: int) -> list[int]:
        """Returns the host's processes that have entered the node's network."""
        network = Path(f"/proc/{pid}/ns/net").readlink()
        if network == Path("/proc/self/ns/net").readlink():
            return []
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns/net").readlink() == network and int(process.name) != pid:
                    found.append(int(process.name))
            except OSError:
                continue  # it has exited in the meantime
        return found
