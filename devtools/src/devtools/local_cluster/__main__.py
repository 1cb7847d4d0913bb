"""`make cluster` and `make cluster-down`: the product on a real Kubernetes cluster on this machine.

It starts its own node inside namespaces; or, with `--cluster=current`, it uses the cluster of the current kubeconfig,
whose nodes must be able to pull the container images. Every step first checks whether it is already done, so an
interrupted run continues where it stopped.

    python -m devtools.local_cluster up [--cluster=current [--registry=…] | --bare]    down [--purge]    run COMMAND...
"""

from __future__ import annotations

import argparse
import base64
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests

from devtools import ROOT
from devtools.k8s import programs
from devtools.k8s.controlplane import attempts
from devtools.local_cluster import images, install
from devtools.local_cluster.commands import NodeFailed, run
from devtools.local_cluster.node import NAME, Node

SAMPLE = ROOT / "manifests" / "samples" / "cpu.yaml"
IMAGE = ROOT / "service" / "src" / "face_comparison" / "sample.jpg"
READY_SECONDS = 600

Run = Callable[..., str]


class Steps:
    """Prints the current step, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, line: str) -> None:
        """Prints a line with the seconds since the start."""
        print(f"{time.monotonic() - self._started:6.1f} s  {line}", flush=True)


def up_bare(node: Node, say: Steps) -> None:
    """Starts the cluster with the container images loaded and nothing installed, for a manual installation."""
    expected = install.prepare(say)
    with node.alone():
        install.start(node, expected, say)
    wrapper = write_wrapper(node)
    try_next(f"{wrapper} bash      (a shell in the cluster's network, with kubectl and helm)", "make cluster-down")


def up(node: Node, say: Steps) -> None:
    """Starts everything on a node of our own and sends an image through the ingress."""
    try:
        expected = install.prepare(say)
    except NodeFailed as reason:
        raise NodeFailed(f"{reason}; `make cluster CLUSTER=current` uses an existing cluster") from None
    with node.alone():
        install.start(node, expected, say)
        say("installing the chart")
        install.helm(node, install.CHART, *install.chart_values(expected))
    say("the operator is running")
    url = apply_sample(node.run, say)
    program = f"import requests, sys; r = requests.post({url!r}, data=sys.stdin.read(), timeout=60)"
    answer = node.run(sys.executable, "-c", f"{program}; print(r.status_code, r.text)", stdin=request())
    status, _, text = answer.partition(" ")
    show_reply(url, status, text, say)
    wrapper = write_wrapper(node)
    try_next(*(f"{wrapper} {command}" for command in on_faces(url)), "make cluster-down")


def up_current(registry: str, say: Steps) -> None:
    """Does the same on the cluster of the current kubeconfig, where an existing release keeps its values."""
    _run_here(programs.binary("kubectl"), "version")
    say("using the cluster of the current kubeconfig; its nodes must be able to pull the container images")
    helm: list[str | Path] = [programs.binary("helm"), "upgrade", "--install", install.RELEASE, install.CHART]
    if registry:
        helm.append(f"--set-string=image.registry={registry}")
    helm += ["--reset-then-reuse-values", f"--namespace={install.SYSTEM}", "--create-namespace"]
    _run_here(*helm, "--wait", "--timeout=300s")
    say("the operator is running")
    url = apply_sample(_run_here, say)
    reply = requests.post(url, data=request(), timeout=60)
    show_reply(url, str(reply.status_code), reply.text, say)
    away = f"kubectl delete -f {SAMPLE} && helm uninstall {install.RELEASE} --namespace {install.SYSTEM}"
    try_next(*on_faces(url), away)


def _run_here(*command: str | Path) -> str:
    words = [str(word) for word in command]
    return run(words, " ".join(words), None, 400)


def apply_sample(run: Run, say: Steps) -> str:
    """Applies the sample resource and waits until it is Ready, printing its progress; returns its URL."""
    kubectl = programs.binary("kubectl")
    run(kubectl, "apply", "--server-side", "-f", SAMPLE)
    say("applied manifests/samples/cpu.yaml")
    message = ""
    for _ in attempts(READY_SECONDS, pause=0.5):
        status = json.loads(run(kubectl, "get", "facecomparison", "faces", "--output=json")).get("status", {})
        ready = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), None)
        if ready and ready["status"] == "True":
            say(f"Ready: {status['url']}")
            return str(status["url"])
        line = f"waiting: {ready['reason']}: {ready['message']}" if ready else "waiting for the operator"
        if line != message:
            say(message := line)
    raise TimeoutError(f"the resource was not Ready after {READY_SECONDS} s: {message}")


def request() -> str:
    """Returns a request body with the sample image."""
    return json.dumps({"img": base64.b64encode(IMAGE.read_bytes()).decode()})


def show_reply(url: str, status: str, text: str, say: Steps) -> None:
    """Prints the shortened response to the sample image; raises NodeFailed if it has no faces."""
    if status != "200":
        raise NodeFailed(f"POST {IMAGE.name} to {url} returned {status}: {text.strip()[:1000]}")
    say(f"POST {IMAGE.name} to {url}")
    print(json.dumps(shorten(json.loads(text)), indent=2))


def on_faces(url: str) -> list[str]:
    """Returns further commands for the sample resource."""
    return [
        "kubectl get facecomparisons --all-namespaces",
        "kubectl describe facecomparison faces",
        f"curl -s -F img=@{IMAGE} {url}",
    ]


def try_next(*commands: str) -> None:
    """Prints what to try next."""
    print("\nTry next:", *commands, sep="\n  ")


def shorten(value: Any) -> Any:
    """Returns a response fit for a terminal: only the first numbers of long lists."""
    if isinstance(value, dict):
        return {key: shorten(each) for key, each in value.items()}
    if isinstance(value, list):
        short = [shorten(each) for each in value[:5]]
        return short if len(value) <= 5 else [*short, f"… {len(value)} in all"]
    return value


def write_wrapper(node: Node) -> Path:
    """Writes `build/cluster`, which runs a command in the node's network with its kubeconfig; returns its path."""
    wrapper = ROOT / "build" / ("cluster" if node.name == NAME else node.name)
    wrapper.parent.mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-m", "devtools.local_cluster", f"--name={node.name}", "run"])
    wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def run_inside(node: Node, command: Sequence[str]) -> int:
    """Runs an interactive command in the node's network; returns its exit status."""
    try:
        return subprocess.run(node.command(*command), env=node.environment(), check=False).returncode
    except KeyboardInterrupt:  # the command received it as well
        return 130


def down(node: Node, purge: bool, say: Steps) -> None:
    """Stops the node and removes everything, imported container images only with `purge`."""
    with node.alone():
        node.stop()
        if purge:
            node.purge()
    say("the cluster is stopped")


def parse() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="local_cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default=NAME, help="of the node; nodes of different names can run beside each other")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start a cluster, install the product, and send an image")
    start.add_argument(
        "--cluster", choices=["own", "current"], default="own", help="use the cluster of the current kubeconfig"
    )
    start.add_argument(
        "--registry",
        default="",
        help="registry from which the current cluster pulls container images; required unless a release exists",
    )
    start.add_argument("--bare", action="store_true", help="install nothing")
    stop = commands.add_parser("down", help="stop the cluster and remove everything that it created")
    stop.add_argument("--purge", action="store_true", help="also remove its imported container images")
    execute = commands.add_parser("run", help="run a command in the cluster's network")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args()
    if options.command == "up" and options.cluster == "current" and options.bare:
        parser.error("--bare cannot be combined with --cluster=current")
    if options.command == "up" and options.cluster == "own" and options.registry:
        parser.error("--registry requires --cluster=current")
    return options


def main() -> int:
    """Runs the command line's action; returns the exit status."""
    options = parse()
    say, node = Steps(), Node(options.name)
    try:
        if options.command == "run":
            return run_inside(node, options.words)
        if options.command == "down":
            down(node, options.purge, say)
        elif options.bare:
            up_bare(node, say)
        elif options.cluster == "current":
            up_current(options.registry, say)
        else:
            up(node, say)
    except (NodeFailed, images.ImageFailed, programs.PartUnavailable, TimeoutError, requests.RequestException) as error:
        say(f"stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; `make cluster` continues from here, `make cluster-down` removes everything")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
