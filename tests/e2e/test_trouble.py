"""Problems of a resource: its condition reports the cause, and the previous version keeps serving."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from face_comparison.cli.options import bundles_folder
from face_comparison.models import bundle_store
from support.product import RESOURCES, S3_VARIABLES, Product

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

HOST, PATH = "trouble.example.com", "/prod/face_comparison"
TOLD_SECONDS = 120.0  # a cause is reported within seconds of Kubernetes' own report


@pytest.fixture(scope="module")
def serving(product: Product) -> Iterator[str]:
    """A namespace with a Ready resource, shared by the tests of this file; each restores it."""
    name = "e2e-trouble"
    product.make_namespace(name)
    product.apply(name, "faces", route={"host": HOST})
    product.wait_ready(name, "faces")
    yield name
    product.node.kubectl("delete", "namespace", name, "--wait=false")


def break_and_heal(product: Product, namespace: str, reason: str, words: list[str], **spec: object) -> None:
    """Applies `spec`, checks that the problem is reported and the old pods respond, and reverts it."""
    product.apply(namespace, "faces", **{"route": {"host": HOST}, **spec})
    told_and_healed(product, namespace, reason, words)


def told_and_healed(product: Product, namespace: str, reason: str, words: list[str]) -> None:
    """Checks that Ready becomes false for `reason`, with `words` in its message, while the old pods respond."""
    reported = product.wait_condition(namespace, "faces", lambda ready: ready.get("reason") == reason, TOLD_SECONDS)
    assert reported["status"] == "False"
    assert [word for word in words if word not in reported["message"]] == [], reported["message"]
    assert product.request("GET", PATH, HOST).status == 200
    product.apply(namespace, "faces", route={"host": HOST})
    product.wait_ready(namespace, "faces")


def test_missing_image(product: Product, serving: str) -> None:
    break_and_heal(product, serving, "ImagePullFailed", ["nowhere/no-such-image:1"], image="nowhere/no-such-image:1")


def test_model_with_wrong_digest(product: Product, serving: str) -> None:
    break_and_heal(product, serving, "ModelInvalid", ["0" * 8], model={"sha256": "0" * 64})


def test_missing_bucket(product: Product, serving: str, servers: S3Client) -> None:
    model = {"s3": "s3://no-such-bucket/bundle"}
    break_and_heal(product, serving, "ModelDownloadFailed", ["no-such-bucket"], model=model, env=S3_VARIABLES)


def test_full_disk(product: Product, serving: str, servers: S3Client) -> None:
    """The volume for the downloaded model has room for only a part of it."""
    for path in bundle_store.bundle_path("default", bundles_folder()).iterdir():
        servers.upload_file(str(path), "images", f"bundle/{path.name}")
    product.node.kubectl("cordon", product.node.name)  # so that the pod exists before its volume
    try:
        product.apply(serving, "faces", route={"host": HOST}, model={"s3": "s3://images/bundle"}, env=S3_VARIABLES)
        product.wait_condition(serving, "faces", lambda ready: ready.get("reason") == "Unschedulable")
        (pod,) = [pod for pod in product.pods(serving, "faces") if "nodeName" not in pod["spec"]]
        volume = f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~empty-dir/model"
        # Every two seconds, the kubelet removes folders of pods that it does not know: retry if that has just happened.
        small = f"until mkdir -p {volume} && mount -t tmpfs -o size=1m,mode=777 small {volume}; do sleep 0.1; done"
        subprocess.run(product.node.inside("timeout", "20", "sh", "-c", small), check=True)
    finally:
        product.node.kubectl("uncordon", product.node.name)
    told_and_healed(product, serving, "ModelDownloadFailed", ["No space left"])


def test_too_little_memory(product: Product, serving: str) -> None:
    resources = {"requests": RESOURCES["requests"] | {"memory": "32Mi"}, "limits": {"memory": "200Mi"}}
    break_and_heal(product, serving, "OutOfMemory", ["memory"], resources=resources)


GPU = {"accelerator": {"type": "gpu"}}


def test_unavailable_device(product: Product, serving: str) -> None:
    break_and_heal(product, serving, "Unschedulable", ["nvidia.com/gpu", "so it is kept"], **GPU)


def test_fake_device(product: Product, serving: str) -> None:
    """The node offers a fake device: the pod gets it, the startup check fails, and the resource reports that."""
    patch = [{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "1"}]
    where = ["node", product.node.name, "--subresource=status", "--type=json"]
    product.node.kubectl("patch", *where, f"--patch={json.dumps(patch)}")
    try:
        break_and_heal(product, serving, "AcceleratorUnavailable", ["CUDA", "GPU image"], **GPU)
    finally:
        patch = [{"op": "remove", "path": "/status/capacity/nvidia.com~1gpu"}]
        product.node.kubectl("patch", *where, f"--patch={json.dumps(patch)}")


def test_missing_secret(product: Product, serving: str) -> None:
    auth = {"mode": "ApiKey", "secretName": "no-such-secret"}
    break_and_heal(product, serving, "SecretNotFound", ["no-such-secret"], auth=auth)
