"""From `kubectl apply` to a response, through every body format, and back to nothing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devtools.local_cluster import config
from support import timeline
from support.product import IMAGE, S3_VARIABLES, WEB_PORT, Product

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]

DEPLOY_SECONDS, DELETE_SECONDS = 600, 360
"""What the product promises: deployed within ten minutes, and gone within six."""


def faces_without_a_cluster(image: Path) -> list[dict[str, Any]]:
    """Returns the same bundle's result on this machine, from the command line."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("face-comparison"),
        "detect",
        "--device",
        "cpu",
        image,
    ]
    reply = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    faces: list[dict[str, Any]] = json.loads(reply.stdout)["Faces"]
    return faces


def assert_same_faces(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Checks that hashes and boxes come from the same networks; engines may sum in different orders."""
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one["face_hash"] == pytest.approx(other["face_hash"], abs=2e-3)
        for side in ("Left", "Top", "Width", "Height"):
            assert one["BoundingBox"][side] == pytest.approx(other["BoundingBox"][side], abs=2e-3)


@pytest.mark.timeout(DEPLOY_SECONDS + DELETE_SECONDS + 300)
def test_apply_serve_and_delete(
    product: Product, namespace: str, servers: S3Client, record: Callable[[str, object], None]
) -> None:
    expected = faces_without_a_cluster(IMAGE)
    encoded = base64.b64encode(IMAGE.read_bytes()).decode()

    since = product.node.audit_log.stat().st_size
    started = time.time()  # the audit log's clock
    product.apply(
        namespace,
        "faces",
        route={"host": "faces.example.com"},
        limits={"allowedHosts": [config.ADDRESS]},
        env=S3_VARIABLES,
    )
    # Longer than promised, so that the assertion below decides and not the wait.
    status = product.wait_ready(namespace, "faces", seconds=DEPLOY_SECONDS + 60)
    assert status["url"] == "http://faces.example.com/prod/face_comparison"
    path, host = "/prod/face_comparison", "faces.example.com"
    reply = product.post(path, {"img": encoded}, host=host)
    answered = time.time()
    up = timeline.events(product, namespace, since)
    log = started_lines(product, namespace)
    assert reply.status == 200, reply.data
    assert status["modelVersion"] == reply.json()["FaceModelVersion"]
    assert_same_faces(reply.json()["Faces"], expected)

    for body in ({"url": f"http://{config.ADDRESS}:{WEB_PORT}/sample.jpg"}, {"url": "s3://images/sample.jpg"}):
        reply = product.post(path, body, host=host)
        assert reply.status == 200, f"{body}: {reply.data!r}"
        assert_same_faces(reply.json()["Faces"], expected)

    verdict = product.post(
        f"{path}/compare", {"source": {"img": encoded}, "target": {"img": encoded}}, host=host
    ).json()
    assert verdict["Targets"][0]["SamePerson"] is True
    assert verdict["Targets"][0]["Distance"] < 0.01

    since = product.node.audit_log.stat().st_size
    deleting = time.time()
    product.node.kubectl("delete", "facecomparison", "faces", f"--namespace={namespace}", "--wait=false")
    product.wait_gone(namespace, "faces", seconds=DELETE_SECONDS + 60)
    gone = time.time()
    down = timeline.events(product, namespace, since)
    assert product.post(path, {}, host).status == 404  # the route is deleted, too
    record(
        "deploy",
        {
            "up": timeline.deploying(up, log, started, answered),
            "down": timeline.ending(down, deleting, gone),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        },
    )
    assert answered - started < DEPLOY_SECONDS
    assert gone - deleting < DELETE_SECONDS


def started_lines(product: Product, namespace: str) -> list[float]:
    """Returns when the service of the only pod began to listen and was ready, in seconds since the epoch."""
    pod = product.pods(namespace, "faces")[0]["metadata"]["name"]
    lines = product.node.kubectl("logs", pod, f"--namespace={namespace}", "--timestamps").splitlines()
    reported = [line.split(" ", 1) for line in lines if '"listening"' in line or '"ready"' in line]
    return [datetime.fromisoformat(moment).timestamp() for moment, _ in reported]


def test_service_pods_have_no_cluster_token(product: Product, namespace: str) -> None:
    product.apply(namespace, "faces")
    product.wait_ready(namespace, "faces")
    pod = product.pods(namespace, "faces")[0]["metadata"]["name"]
    listed = "import os; print(os.path.exists('/var/run/secrets/kubernetes.io')); print(os.getuid())"
    command = ["exec", pod, f"--namespace={namespace}", "--", "python", "-c", listed]
    assert product.node.kubectl(*command).split() == ["False", "65532"]
