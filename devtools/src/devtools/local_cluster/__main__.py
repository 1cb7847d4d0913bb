"""`make cluster` and `make cluster-down`: the product on a real Kubernetes, on this machine.

A node of its own is started inside namespaces; or, with `--cluster=current`, the cluster of the current kubeconfig is
used, whose nodes must be able to pull the images. Every step finds out first whether it is done, so an interrupted run
goes on where it stopped.

    python -m local_cluster up [--cluster=current [--registry=…] | --bare]    down [--purge]    run COMMAND...
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
from devtools.local_cluster import node as nodes
from devtools.local_cluster.node import NAME, Node, NodeFailed

SAMPLE = ROOT / "manifests" / "samples" / "cpu.yaml"
IMAGE = ROOT / "service" / "src" / "face_comparison" / "sample.jpg"
READY_SECONDS = 600

Run = Callable[..., str]


class Steps:
    """Prints what is being done, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, line: str) -> None:
        """Prints a line with the seconds since the start."""
        print(f"{time.monotonic() - self._started:6.1f} s  {line}", flush=True)


def up_bare(node: Node, say: Steps) -> None:
    """Bring the cluster up with the images in it and nothing installed, for those who want to do that themselves."""
    wanted = install.prepare(say)
    with node.alone():
        install.start(node, wanted, say)
    wrapper = write_wrapper(node)
    try_next(f"{wrapper} bash      (a shell in the cluster's network, with kubectl and helm)", "make cluster-down")


def up(node: Node, say: Steps) -> None:
    """Bring everything up on a node of our own and send an image through the ingress."""
    try:
        wanted = install.prepare(say)
    except NodeFailed as reason:
        raise NodeFailed(f"{reason}; `make cluster CLUSTER=current` uses a cluster that you have") from None
    with node.alone():
        install.start(node, wanted, say)
        say("installing the chart")
        install.helm(node, install.CHART, *install.chart_values(wanted))
    say("the operator runs")
    url = apply_sample(node.run, say)
    program = f"import requests, sys; r = requests.post({url!r}, data=sys.stdin.read(), timeout=60)"
    answer = node.run(sys.executable, "-c", f"{program}; print(r.status_code, r.text)", stdin=request())
    status, _, text = answer.partition(" ")
    show_reply(url, status, text, say)
    wrapper = write_wrapper(node)
    try_next(*(f"{wrapper} {command}" for command in on_faces(url)), "make cluster-down")


def up_current(registry: str, say: Steps) -> None:
    """The same on the cluster of the current kubeconfig, where a release that is there keeps its values."""
    _run_here(programs.binary("kubectl"), "version")
    say("using the cluster of the current kubeconfig; its nodes must be able to pull the images")
    helm: list[str | Path] = [programs.binary("helm"), "upgrade", "--install", install.RELEASE, install.CHART]
    if registry:
        helm.append(f"--set-string=image.registry={registry}")
    helm += ["--reset-then-reuse-values", f"--namespace={install.SYSTEM}", "--create-namespace"]
    _run_here(*helm, "--wait", "--timeout=300s")
    say("the operator runs")
    url = apply_sample(_run_here, say)
    reply = requests.post(url, data=request(), timeout=60)
    show_reply(url, str(reply.status_code), reply.text, say)
    away = f"kubectl delete -f {SAMPLE} && helm uninstall {install.RELEASE} --namespace {install.SYSTEM}"
    try_next(*on_faces(url), away)


def _run_here(*command: str | Path) -> str:
    words = [str(word) for word in command]
    return nodes.run(words, " ".join(words), None, 400)


def apply_sample(run: Run, say: Steps) -> str:
    """Apply the sample resource and wait until it is Ready, saying what it waits for; returns its URL."""
    kubectl = programs.binary("kubectl")
    run(kubectl, "apply", "--server-side", "-f", SAMPLE)
    say("applied manifests/samples/cpu.yaml")
    said = ""
    for _ in attempts(READY_SECONDS, pause=0.5):
        status = json.loads(run(kubectl, "get", "facecomparison", "faces", "--output=json")).get("status", {})
        ready = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), None)
        if ready and ready["status"] == "True":
            say(f"Ready: {status['url']}")
            return str(status["url"])
        line = f"waiting: {ready['reason']}: {ready['message']}" if ready else "waiting for the operator"
        if line != said:
            say(said := line)
    raise TimeoutError(f"the resource was not Ready after {READY_SECONDS} s: {said}")


def request() -> str:
    """The body that asks for the faces of the sample image."""
    return json.dumps({"img": base64.b64encode(IMAGE.read_bytes()).decode()})


def show_reply(url: str, status: str, text: str, say: Steps) -> None:
    """Print the reply to the sample image, shortened; NodeFailed when it is none with faces."""
    if status != "200":
        raise NodeFailed(f"POST {IMAGE.name} to {url} was answered {status}: {text.strip()[:1000]}")
    say(f"POST {IMAGE.name} to {url}")
    print(json.dumps(shorten(json.loads(text)), indent=2))


def on_faces(url: str) -> list[str]:
    """Commands to go on with, for the sample resource."""
    return [
        "kubectl get facecomparisons --all-namespaces",
        "kubectl describe facecomparison faces",
        f"curl -s -F img=@{IMAGE} {url}",
    ]


def try_next(*commands: str) -> None:
    """Print what a person may do now."""
    print("\nTry next:", *commands, sep="\n  ")


def shorten(value: Any) -> Any:
    """A reply fit for a terminal: the first numbers of long lists."""
    if isinstance(value, dict):
        return {key: shorten(each) for key, each in value.items()}
    if isinstance(value, list):
        short = [shorten(each) for each in value[:5]]
        return short if len(value) <= 5 else [*short, f"… {len(value)} in all"]
    return value


def write_wrapper(node: Node) -> Path:
    """`build/cluster COMMAND…` runs a command in the node's network with its kubeconfig; returns that file."""
    wrapper = ROOT / "build" / ("cluster" if node.name == NAME else node.name)
    wrapper.parent.mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-m", "devtools.local_cluster", f"--name={node.name}", "run"])
    wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def run_inside(node: Node, command: Sequence[str]) -> int:
    """Run a command in the node's network, for a person; returns its exit status."""
    try:
        return subprocess.run(node.command(*command), env=node.environment(), check=False).returncode
    except KeyboardInterrupt:  # which the command got, too
        return 130


def down(node: Node, purge: bool, say: Steps) -> None:
    """End the node and remove everything but, unless `purge`, the images that it has imported."""
    with node.alone():
        node.stop()
        if purge:
            node.purge()
    say("nothing of the cluster runs any more")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="local_cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--name", default=NAME, help="of the node; nodes of different names can run beside each other")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start a cluster, install the product, send an image")
    start.add_argument("--cluster", choices=["own", "current"], default="own", help="that of the current kubeconfig")
    start.add_argument(
        "--registry",
        default="",
        help="where the current cluster pulls the images from; needed when no release is there yet",
    )
    start.add_argument("--bare", action="store_true", help="install nothing on it")
    stop = commands.add_parser("down", help="end the cluster and everything it made")
    stop.add_argument("--purge", action="store_true", help="remove its imported images too")
    execute = commands.add_parser("run", help="run a command in the cluster's network")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args()
    if options.command == "up" and options.cluster == "current" and options.bare:
        parser.error("a bare cluster is one of our own: leave out --bare or --cluster=current")
    if options.command == "up" and options.cluster == "own" and options.registry:
        parser.error("a cluster of our own gets the images that are built here: leave out --registry")
    return options


def main() -> int:
    """Do what the command line says; returns the exit status."""
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
