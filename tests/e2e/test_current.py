"""`make cluster CLUSTER=current`: the product on an existing cluster, here that of this run's node."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from devtools.k8s import programs
from devtools.local_cluster import images, install
from face_comparison_operator.api_resources import DEPLOYMENT
from support.product import Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]


def test_cluster_of_current_kubeconfig(product: Product, built: list[images.Image]) -> None:
    """Container images come from the chart's registry; the node has them under those names, as if pulled."""
    product.run(programs.binary("helm"), "uninstall", install.RELEASE, f"--namespace={install.SYSTEM}", "--wait")
    try:
        path = f"PATH={os.environ['PATH']}"  # a user's, not that of the node's programs
        message = product.run(
            "env",
            path,
            "make",
            f"--directory={ROOT}",
            "cluster",
            "CLUSTER=current",
            f"REGISTRY={images.REGISTRY}",
            seconds=400,
        )
        assert "using the cluster of the current kubeconfig" in message
        reply = json.loads(message[message.index("\n{") : message.index("\n}") + 2])
        assert len(reply["Faces"]) > 0
        assert "helm uninstall face-comparison" in message  # how to remove it: `make cluster-down` only stops own nodes
        image = product.get("default", DEPLOYMENT, "faces")["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == f"{images.REGISTRY}/face-comparison/service:{images.version()}"
    finally:
        product.node.kubectl("delete", "facecomparison", "faces", "--ignore-not-found", "--wait=false")
        install.helm(product.node, install.CHART, *install.chart_values(built))
