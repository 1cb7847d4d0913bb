"""Updates without capacity for an additional pod: the real scheduler, the real Deployment controller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from devtools.k8s.api import Faces, until
from face_comparison_operator.api_resources import DEPLOYMENT
from face_comparison_operator.room import GRACE

pytestmark = pytest.mark.cluster


def test_gpus_are_handed_over_only_if_it_helps(faces: Faces) -> None:
    three = {"type": "gpu", "count": 3}  # of the four that the node has
    faces.deploy("faces", accelerator=three)
    faces.change("faces", limits={"queue": 61})
    assert "it will make room for the new one" in faces.wait_for("faces", "Unschedulable")["message"]
    faces.wait_for("faces", "Deployed", seconds=90)
    until(
        lambda: (faces.child(DEPLOYMENT, "faces") or {})["spec"]["strategy"]["rollingUpdate"],
        lambda found: found == {"maxUnavailable": 0, "maxSurge": 1},
        "the next update asks for room first again",
    )

    (serving,) = [pod["metadata"]["uid"] for pod in faces.pods() if "deletionTimestamp" not in pod["metadata"]]
    faces.change("faces", accelerator={**three, "resourceName": "example.com/gpu"})
    ready = faces.wait_for("faces", "Unschedulable")
    assert "it holds no example.com/gpu, so it is kept" in ready["message"]

    def waited() -> bool:
        created = [
            datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
            for pod in faces.pods()
            if not pod["spec"].get("nodeName")
        ]
        return any(moment < datetime.now(UTC) - GRACE - timedelta(seconds=6) for moment in created)

    until(waited, bool, "the new pod has waited longer than for room", seconds=60)
    assert serving in {pod["metadata"]["uid"] for pod in faces.pods() if "deletionTimestamp" not in pod["metadata"]}
    faces.change("faces", accelerator={**three, "resourceName": "nvidia.com/gpu"})
    faces.wait_for("faces", "Deployed")
