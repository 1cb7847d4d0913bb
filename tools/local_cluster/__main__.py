"""`make cluster` and `make cluster-down`: the product on a real Kubernetes, on this machine.

Without `--current` a node of its own is started inside namespaces; with it, the cluster of the current kubeconfig is
used, whose nodes must be able to pull the images. Every step finds out first whether it is done, so an interrupted run
goes on where it stopped.

    python -m local_cluster up [--current | --bare]    down [--purge]    run COMMAND...
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests
from local_cluster import images, own
from local_cluster.node import Node, NodeFailed
from parts import programs
from parts.controlplane import attempts

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "manifests" / "samples" / "cpu.yaml"
PICTURE = ROOT / "service" / "src" / "face_comparison" / "sample.jpg"
READY_SECONDS = 600

Run = Callable[..., str]


class Steps:
    """Prints what is being done, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, line: str) -> None:
        print(f"{time.monotonic() - self._started:6.1f} s  {line}", flush=True)


def up_bare(say: Steps) -> None:
    """Bring the cluster up with the images in it and nothing installed, for those who want to do that themselves."""
    wanted = own.prepare(say)
    node = Node()
    with node.alone():
        own.start(node, wanted, say)
    _write_wrapper()
    print(
        "\nTry next:\n"
        "  build/cluster bash      (a shell in the cluster's network, with kubectl and helm)\n"
        "  make cluster-down"
    )


def up(current: bool, say: Steps) -> None:
    """Bring everything up and send a picture through the ingress."""
    run: Run
    if current:
        run = _run_here
        run(programs.binary("kubectl"), "version")
        say("using the cluster of the current kubeconfig; its nodes must be able to pull the images")
        helm: list[str | Path] = [programs.binary("helm"), "upgrade", "--install", own.RELEASE, own.CHART]
        run(*helm, f"--namespace={own.SYSTEM}", "--create-namespace", "--wait", "--timeout=300s")
    else:
        try:
            wanted = own.prepare(say)
        except NodeFailed as reason:
            raise NodeFailed(f"{reason}; `make cluster CLUSTER=current` uses a cluster that you have") from None
        node = Node()
        run = node.run
        with node.alone():
            own.start(node, wanted, say)
            say("installing the chart")
            own.helm(node, own.CHART, *own.chart_values(wanted))
    say("the operator runs")
    apply_sample(run, say)
    reply_of_sample(run, say, own_node=not current)


def _run_here(*command: str | Path, stdin: str | None = None) -> str:
    words = [str(word) for word in command]
    result = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=400, check=False)
    if result.returncode:
        raise NodeFailed(f"{' '.join(words)}: {(result.stderr or result.stdout).strip()[-2000:]}")
    return result.stdout


def apply_sample(run: Run, say: Steps) -> None:
    """Apply the sample resource and wait until it is Ready, saying what it waits for."""
    kubectl = programs.binary("kubectl")
    run(kubectl, "apply", "--server-side", "-f", SAMPLE)
    say("applied manifests/samples/cpu.yaml")
    said = ""
    for _ in attempts(READY_SECONDS, pause=0.5):
        status = json.loads(run(kubectl, "get", "facecomparison", "faces", "--output=json")).get("status", {})
        ready = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), None)
        if ready and ready["status"] == "True":
            say(f"Ready: {status.get('url', '')}")
            return
        line = f"waiting: {ready['reason']}: {ready['message']}" if ready else "waiting for the operator"
        if line != said:
            say(said := line)
    raise TimeoutError(f"the resource was not Ready after {READY_SECONDS} s: {said}")


def reply_of_sample(run: Run, say: Steps, own_node: bool) -> None:
    """POST the sample picture to the resource's URL, print the reply shortened and what to try next."""
    resource = run(programs.binary("kubectl"), "get", "facecomparison", "faces", "--output=json")
    url = json.loads(resource)["status"]["url"]
    body = json.dumps({"img": base64.b64encode(PICTURE.read_bytes()).decode()})
    if own_node:
        program = f"import requests, sys; print(requests.post({url!r}, data=sys.stdin.read(), timeout=60).text)"
        reply = run(sys.executable, "-c", program, stdin=body)
    else:
        reply = requests.post(url, data=body, timeout=60).text
    say(f"POST {PICTURE.name} to {url}")
    print(json.dumps(shorten(json.loads(reply)), indent=2))
    prefix = f"{ROOT}/build/cluster " if own_node else ""
    away = "make cluster-down"
    if own_node:
        _write_wrapper()
    else:
        away = f"kubectl delete -f {SAMPLE} && helm uninstall {own.RELEASE} --namespace {own.SYSTEM}"
    print(
        f"\nTry next:\n"
        f"  {prefix}kubectl get facecomparisons --all-namespaces\n"
        f"  {prefix}kubectl describe facecomparison faces\n"
        f"  {prefix}curl -s -F img=@{PICTURE} {url}\n"
        f"  {away}"
    )


def shorten(value: Any) -> Any:
    """A reply fit for a terminal: the first numbers of long lists."""
    if isinstance(value, dict):
        return {key: shorten(each) for key, each in value.items()}
    if isinstance(value, list):
        short = [shorten(each) for each in value[:5]]
        return short if len(value) <= 5 else [*short, f"… {len(value)} in all"]
    return value


def _write_wrapper() -> None:
    """`build/cluster COMMAND…` runs a command in the node's network with its kubeconfig."""
    wrapper = ROOT / "build" / "cluster"
    wrapper.parent.mkdir(exist_ok=True)
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "tools"))
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH={paths} exec {sys.executable} -m local_cluster run "$@"\n')
    wrapper.chmod(0o755)


def run_inside(command: Sequence[str]) -> int:
    """Run a command in the node's network, for a person."""
    node = Node()
    return subprocess.run(node.command(*command), env=node.environment(), check=False).returncode


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="local_cluster", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start a cluster, install the product, send a picture")
    start.add_argument("--current", action="store_true", help="use the cluster of the current kubeconfig")
    start.add_argument("--bare", action="store_true", help="install nothing on it")
    stop = commands.add_parser("down", help="end the cluster and everything it made")
    stop.add_argument("--purge", action="store_true", help="remove its imported images too")
    execute = commands.add_parser("run", help="run a command in the cluster's network")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args()
    say = Steps()
    try:
        if options.command == "run":
            return run_inside(options.words)
        if options.command == "down":
            node = Node()
            with node.alone():
                node.stop()
                if options.purge:
                    node.purge()
            say("nothing of the cluster runs any more")
        elif options.bare:
            up_bare(say)
        else:
            up(options.current, say)
    except (NodeFailed, images.ImageFailed, programs.PartUnavailable, TimeoutError) as error:
        say(f"stopped: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; `make cluster` goes on from here, `make cluster-down` removes everything")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
