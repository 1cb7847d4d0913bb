"""A node of our own with everything the product needs: packages, programs, images, add-ons, then the chart."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from devtools import ROOT
from devtools.k8s import programs
from devtools.local_cluster import addons, images
from devtools.local_cluster import node as nodes
from devtools.local_cluster.node import Node, NodeFailed

CHART = ROOT / "charts" / "face-comparison"
RELEASE = "face-comparison"
SYSTEM = "face-comparison-system"
PACKAGES_SECONDS = 900

Say = Callable[[str], None]


def prepare(say: Say) -> list[images.Image]:
    """Install packages, build programs and images, where they are not there yet; returns the images to load.

    Raises NodeFailed when this machine cannot run a node.
    """
    install_packages(say)
    if reason := nodes.missing() or images.missing():
        raise NodeFailed(reason)
    say("making sure that the programs are built (about ten minutes the first time)")
    for name in (*nodes.PROGRAMS, "coredns", "metrics-server", "traefik", "helm"):
        programs.binary(name)
    return [images.pause(), *(images.build(target, say) for target in ("service", "operator"))]


def install_packages(say: Say) -> None:
    """Install the packages of a node and its images, where they are not there yet and this machine lets us."""
    with FileLock(programs.cache().parent / "packages.lock", timeout=2 * PACKAGES_SECONDS):
        if (nodes.missing() or images.missing()) and os.geteuid() == 0 and shutil.which("apt-get"):
            say("installing packages: container runtime, network plugins, image builder")
            nodes.run(["bash", str(Path(__file__).with_name("packages.sh"))], "packages.sh", None, PACKAGES_SECONDS)


def start(node: Node, wanted: list[images.Image], say: Say) -> None:
    """Start the node, load the images and start the add-ons; each only when that is still to be done."""
    node.start(say)
    say(f"node {node.name} is Ready")
    load(node, wanted, say)
    for program, begin in addons.PROGRAMS.items():
        if not node.runs(program):
            begin(node)
    addons.wait_ready(node)
    say("names, metrics and ingress answer")


def load(node: Node, wanted: list[images.Image], say: Say) -> None:
    """Import the images that the node lacks, and remove earlier builds of them.

    The newest has the tag of the version, too, which is what the chart asks for when nobody tells it otherwise.
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
            node.ctr("images", "rm", "--sync", name)  # with its layers, now


def chart_values(wanted: list[images.Image]) -> list[str]:
    """Options of helm that make the chart use these builds; this node has no GPU, so CUDA is not in any of them."""
    tags = {image.repository: image.tag for image in wanted}
    own = {
        "image.registry": images.REGISTRY,
        "image.operator.tag": tags["operator"],
        "image.service.tag": tags["service"],
    }
    on_gpus = {"image.serviceGpu.repository": "face-comparison/service", "image.serviceGpu.tag": tags["service"]}
    # For development, and for every sample of the documents: what resources may name is open.
    closed = ("images", "serviceAccounts", "secrets", "annotations", "variables", "priorityClasses", "gateways")
    return [
        *(f"--set-string={name}={value}" for name, value in (own | on_gpus).items()),
        *(f"--set=allowed.{name}={{*}}" for name in closed),
    ]


def helm(node: Node, chart: Path = CHART, *options: str) -> None:
    """Install or upgrade the release and wait until the operator is ready."""
    words = ["upgrade", "--install", RELEASE, str(chart), f"--namespace={SYSTEM}", "--create-namespace"]
    node.run(programs.binary("helm"), *words, "--wait", "--timeout=180s", *options, seconds=200)
