"""The programs of `make cluster` and `make cluster-down`, on a separate node: interrupted, repeated, and removed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devtools.k8s.controlplane import attempts
from devtools.local_cluster import __main__ as program
from devtools.local_cluster import images
from devtools.local_cluster.commands import NodeFailed
from devtools.local_cluster.node import Node
from support.traces import in_network, traces

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

NAME = "face-comparison-made"
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "devtools.local_cluster", f"--name={NAME}"]


def run(*words: str) -> tuple[int, str]:
    """Returns the exit status of the program, and its output."""
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=900, check=False)
    return done.returncode, done.stdout + done.stderr


def interrupted(line: str, sent: signal.Signals) -> tuple[int, str]:
    """Returns the same for `up`, with a signal to it and its children once it has printed `line`."""
    with subprocess.Popen([*COMMAND, "up"], stdout=subprocess.PIPE, text=True, process_group=0) as up:
        assert up.stdout
        printed = ""
        for each in up.stdout:
            printed += each
            if line in each:
                break
        assert any(psutil.Process(up.pid).children() for _ in attempts(20, pause=0.001))  # it is running
        os.killpg(up.pid, sent)
        printed += up.stdout.read()
    return up.returncode, printed


@pytest.fixture
def node(built: list[images.Image]) -> Iterator[Node]:
    del built  # it takes long, and is not tested here
    with contextlib.ExitStack() as stack:
        stack.callback((ROOT / "build" / NAME).unlink, missing_ok=True)
        stack.callback(run, "down", "--purge")
        yield Node(NAME)


def test_cluster_starts_and_stops(node: Node) -> None:
    before = traces(NAME, node.layout.state)

    # If killed, it leaves an incomplete node; if interrupted, none.
    status, printed = interrupted("waiting for the API server", signal.SIGKILL)
    assert (status, node.pid is None) == (-signal.SIGKILL, False), printed
    for line in ("making the namespaces", "waiting for the node to be Ready"):
        status, printed = interrupted(line, signal.SIGINT)
        assert (status, node.pid) == (130, None), printed
        assert "`make cluster` continues from here" in printed

    status, printed = run("up")
    assert status == 0, printed
    assert len(reply(printed)["Faces"]) > 0
    wrapper = f"{ROOT}/build/{NAME}"
    assert f"{wrapper} kubectl describe facecomparison faces" in printed
    listed = ["kubectl", "get", "facecomparisons", "--output=name"]
    assert subprocess.check_output([wrapper, *listed], text=True, timeout=60).split() == [
        "facecomparison.facecomparison.dev/faces"
    ]

    # Again, with one program missing: only that one is started.
    first = node.pid
    assert first
    network = Path(f"/proc/{first}/ns/net").readlink()
    others = {path.name: path.read_text() for path in (node.layout.state / "pids").iterdir()}
    node.stop_program("traefik")
    status, printed = run("up")
    assert status == 0, printed
    assert len(reply(printed)["Faces"]) > 0
    now = {path.name: path.read_text() for path in (node.layout.state / "pids").iterdir()}
    assert {name for name in now if now[name] != others[name]} == {"traefik"}
    assert node.pid == first

    status, printed = run("down", "--purge")
    assert status == 0, printed
    assert in_network(network) == []
    assert not node.layout.state.exists()
    assert traces(NAME, node.layout.state) == before
    assert run("run", "true") == (1, "   0.0 s  stopped: the node face-comparison-made is not running\n")


def reply(printed: str) -> dict[str, list[object]]:
    """Returns the service's response in the program's output."""
    found: dict[str, list[object]] = json.loads(printed[printed.index("\n{") : printed.index("\n}") + 2])
    return found


def test_response_without_faces_is_a_failure() -> None:
    with pytest.raises(NodeFailed, match=r"http://x/y returned 503: busy"):
        program.show_reply("http://x/y", "503", "busy", program.Steps())


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["--cluster=curent"], "choose from"),
        (["--cluster=current", "--bare"], "--bare cannot be combined"),
        (["--registry=example.com"], "--registry requires"),
    ],
)
def test_conflicting_options_are_rejected(words: list[str], reported: str) -> None:
    status, printed = run("up", *words)
    assert status == 2
    assert reported in printed
