"""The shipped sample on a node of two cores: changed and upgraded, although a second pod has no room there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from devtools.local_cluster import config, images, install
from face_comparison_operator.api_resources import POD, ApiResource
from face_comparison_operator.pod_status import is_ready
from face_comparison_operator.quantity import parse_quantity
from support.product import READY_SECONDS, Object, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

SAMPLE = Path(__file__).resolve().parents[2] / "manifests" / "samples" / "cpu.yaml"
NAME = "faces"
NODE = ApiResource("v1", "Node", "nodes")
NAMESPACE = ApiResource("v1", "Namespace", "namespaces")
# What is left for the pods of the sample, each of which requests one core.
FREE = Decimal("1.5")


@pytest.fixture
def small(product: Product, namespace: str) -> Iterator[str]:
    """A namespace on a node whose other pods request all but one and a half cores, whatever it has."""

    def is_settled() -> bool:
        """Returns whether no pod of an earlier test is left that would make room later."""
        return all(each["status"]["phase"] == "Active" for each in product.get("", NAMESPACE))

    product.node.wait("the end of earlier namespaces", is_settled, seconds=READY_SECONDS)
    filler = {"cpu": str(cores(product) - requested(product) - FREE)}
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "filler",
        "image": config.SANDBOX_IMAGE,
        "resources": {"requests": filler},
        "securityContext": restricted,
    }
    metadata = {"name": "filler", "namespace": namespace}
    product.apply_object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})
    product.node.wait("the filler", lambda: "nodeName" in product.get(namespace, POD, "filler")["spec"])
    yield namespace
    product.node.kubectl("delete", "pod", "filler", f"--namespace={namespace}", "--wait=false")


def cores(product: Product) -> Decimal:
    (node,) = product.get("", NODE)
    return parse_quantity(node["status"]["allocatable"]["cpu"])


def requested(product: Product) -> Decimal:
    """Returns the cores that all pods of the node request."""
    pods: list[Object] = product.get("", POD)
    running = [pod for pod in pods if pod["status"].get("phase") in ("Pending", "Running")]
    return sum(
        (
            parse_quantity(container.get("resources", {}).get("requests", {}).get("cpu", "0"))
            for pod in running
            for container in pod["spec"]["containers"]
        ),
        Decimal(0),
    )


def test_sample_is_changed_and_upgraded_without_room_for_a_second_pod(
    product: Product, small: str, built: list[images.Image], record: Callable[[str, object], None]
) -> None:
    product.node.kubectl("apply", "--server-side", f"--namespace={small}", f"--filename={SAMPLE}")
    product.wait_ready(small, NAME)
    assert product.request("GET", "/prod/face_comparison", "any.example.com").status == 200

    began = time.monotonic()
    kind = "facecomparisons.facecomparison.dev"
    patch = '{"spec": {"limits": {"queue": 61}}}'
    product.node.kubectl("patch", kind, NAME, f"--namespace={small}", "--type=merge", f"--patch={patch}")
    waiting = product.wait_condition(small, NAME, lambda ready: ready.get("reason") == "Unschedulable")
    assert "Insufficient cpu" in waiting["message"]
    assert "it will make room for the new one" in waiting["message"]
    product.wait_ready(small, NAME)
    record("small node: seconds from a change of the sample to Ready", round(time.monotonic() - began, 1))
    (pod,) = product.pods(small, NAME)
    assert is_ready(pod)
    assert {"name": "FACE_COMPARISON_QUEUE", "value": "61"} in pod["spec"]["containers"][0]["env"]

    service = next(image for image in built if image.repository == "service")
    newer = replace(service, tag=f"{service.tag}-newer")
    product.node.ctr("images", "tag", "--force", service.name, newer.name)
    others = [image for image in built if image is not service]
    began = time.monotonic()
    try:
        install.helm(product.node, install.CHART, *install.chart_values([*others, newer]))

        def upgraded() -> bool:
            return [pod["spec"]["containers"][0]["image"] for pod in product.pods(small, NAME)] == [newer.name]

        product.node.wait("the pod of the new image", upgraded, seconds=READY_SECONDS)
        product.wait_ready(small, NAME)
        record("small node: seconds from an upgrade to the sample's Ready", round(time.monotonic() - began, 1))
        (pod,) = product.pods(small, NAME)
        assert is_ready(pod), "the resource is Ready with its new pod only"
    finally:
        install.helm(product.node, install.CHART, *install.chart_values(built))
