"""Prepares a node of our own with everything the product needs, and installs the chart."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from devtools import ROOT
from devtools.k8s import programs
from devtools.local_cluster import addons, images
from devtools.local_cluster.commands import NodeFailed, run
from devtools.local_cluster.node import PROGRAMS, Node
from devtools.local_cluster.requirements import missing

CHART = ROOT / "charts" / "face-comparison"
RELEASE = "face-comparison"
SYSTEM = "face-comparison-system"
PACKAGES_SECONDS = 900

Say = Callable[[str], None]


def prepare(say: Say) -> list[images.Image]:
    """Installs packages and builds programs and container images, if missing; returns the container images to load.

    Raises NodeFailed if this machine cannot run a node.
    """
    install_packages(say)
    if reason := missing() or images.missing():
        raise NodeFailed(reason)
    say("building the programs, if needed (about ten minutes the first time)")
    for name in (*PROGRAMS, "coredns", "metrics-server", "traefik", "helm"):
        programs.binary(name)
    return [images.pause(), *(images.build(target, say) for target in ("service", "operator"))]


def install_packages(say: Say) -> None:
    """Installs the packages of a node and its container images, if they are missing and it is permitted."""
    with FileLock(programs.cache().parent / "packages.lock", timeout=2 * PACKAGES_SECONDS):
        if (missing() or images.missing()) and os.geteuid() == 0 and shutil.which("apt-get"):
            say("installing packages: container runtime, network plugins, image builder")
            run(["bash", str(Path(__file__).with_name("packages.sh"))], "packages.sh", None, PACKAGES_SECONDS)


def start(node: Node, wanted: list[images.Image], say: Say) -> None:
    """Starts the node, loads the container images, and starts the add-ons, skipping what is already done."""
    node.start(say)
    say(f"node {node.name} is Ready")
    load(node, wanted, say)
    for program, begin in addons.PROGRAMS.items():
        if not node.runs(program):
            begin(node)
    addons.wait_ready(node)
    say("DNS, metrics, and ingress are ready")


def load(node: Node, wanted: list[images.Image], say: Say) -> None:
    """Imports the container images that the node lacks, and removes earlier builds of them.

    The newest also gets the version as a tag, which the chart uses by default.
    """
    present = node.ctr("images", "ls", "--quiet").split()
    for image in wanted:
        if image.name not in present:
            node.ctr("images", "import", "--local", image.archive)
            say(f"loaded {image.name.removeprefix(f'{images.REGISTRY}/')}")
        if image.released != image.name:
            node.ctr("images", "tag", "--force", image.name, image.released)
    names = {name for image in wanted for name in (image.name, image.released)}
    for name in present:
        if name.startswith(f"{images.REGISTRY}/face-comparison/") and name not in names:
            node.ctr("images", "rm", "--sync", name)  # including its layers


def chart_values(wanted: list[images.Image]) -> list[str]:
    """Returns options of helm that make the chart use these builds; the node has no GPU, so none contains CUDA."""
    tags = {image.repository: image.tag for image in wanted}
    own = {
        "image.registry": images.REGISTRY,
        "image.operator.tag": tags["operator"],
        "image.service.tag": tags["service"],
    }
    on_gpus = {"image.serviceGpu.repository": "face-comparison/service", "image.serviceGpu.tag": tags["service"]}
    # For development and for every sample in the documentation: a resource may refer to anything.
    closed = (
        *("images", "serviceAccounts", "secrets", "annotations", "variables", "priorityClasses", "gateways"),
        *("devices", "resourceClaims", "dns", "labels"),
    )
    return [
        *(f"--set-string={name}={value}" for name, value in (own | on_gpus).items()),
        *(f"--set=allowed.{name}={{*}}" for name in closed),
    ]


def helm(node: Node, chart: Path = CHART, *options: str) -> None:
    """Installs or upgrades the release and waits until the operator is ready."""
    words = ["upgrade", "--install", RELEASE, str(chart), f"--namespace={SYSTEM}", "--create-namespace"]
    node.run(programs.binary("helm"), *words, "--wait", "--timeout=180s", *options, seconds=200)
