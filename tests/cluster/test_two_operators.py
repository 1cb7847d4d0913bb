"""Operators that manage the same namespace by mistake, and an operator on a node whose clock is wrong."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import pytest

from devtools.k8s.api import Api, Faces
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
# Starts the operator with another time of day; ages by the monotonic clock are not affected, as on a real node.
OTHER_TIME = """#!{python}
import datetime, sys
from face_comparison_operator import api_client, server_clock
from face_comparison_operator.cli import main

def wrong():
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds={seconds})

api_client.ServerClock = lambda: server_clock.ServerClock(wrong)
sys.exit(main())
"""


def test_second_operator_is_reported(api: Api, control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Each asks for its own container image; neither knows of the other."""
    options = (f"--namespaces={namespace}", "--no-leader-election")
    first = Operator(control_plane.kubeconfig, tmp_path, *options, name="first")
    other = "--service-image=registry.example/face-comparison/service:2"
    second = Operator(control_plane.kubeconfig, tmp_path, *options, other, name="second")
    faces = Faces(api, namespace)
    with first:
        faces.deploy("faces", accelerator=CPU)
        with second:
            message = faces.wait_for("faces", "ApplyFailed")["message"]
            assert "another program keeps changing the Deployment faces" in message
            assert "does a second operator manage this namespace?" in message
        faces.wait_for("faces", "Deployed", seconds=60)
        image = faces.template("faces")["spec"]["containers"][0]["image"]
        assert image == "registry.example/face-comparison/service:1"


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_wrong_clock_of_the_operator_changes_no_verdict(
    api: Api, control_plane: ControlPlane, namespace: str, tmp_path: Path, seconds: int
) -> None:
    """Whether a pod has waited too long depends on the clock that wrote its timestamps."""
    program = tmp_path / "operator"
    program.write_text(OTHER_TIME.format(python=sys.executable, seconds=seconds))
    program.chmod(0o700)
    options = (f"--namespaces={namespace}", "--no-leader-election")
    faces = Faces(api, namespace)
    with Operator(control_plane.kubeconfig, tmp_path, *options, program=program):
        made = faces.deploy("faces", accelerator=CPU)
        created, started = made["metadata"]["creationTimestamp"], made["status"]["deployStartedAt"]
        assert abs((datetime.fromisoformat(started) - datetime.fromisoformat(created)).total_seconds()) < 30
        assert made["status"]["deploySeconds"] < 60
        # An hour ahead, every pod seems overdue; an hour behind, none ever is.
        faces.change("faces", schedulerName="nobody")
        assert 'is the scheduler "nobody" running?' in faces.wait_for("faces", "Unschedulable")["message"]
