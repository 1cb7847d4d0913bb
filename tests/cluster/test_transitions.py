"""Each transition is reported by one event."""

from __future__ import annotations

import itertools

import pytest

from devtools.k8s.api import Faces, until
from devtools.k8s.controlplane import ControlPlane
from support.reported_reasons import reported_reasons

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}


def test_restart_by_kubectl_is_no_transition(faces: Faces, control_plane: ControlPlane) -> None:
    """Pods of the same version replace each other; the URL serves the current spec all the while."""
    faces.deploy("faces", accelerator=CPU)
    first = faces.pod_of("faces")["metadata"]["uid"]
    before = reported_reasons(faces)
    control_plane.kubectl("rollout", "restart", "deployment/faces", f"--namespace={faces.namespace}")
    until(lambda: {each["metadata"]["uid"] for each in faces.pods()}, lambda uids: first not in uids, "the pod is new")
    faces.change("faces", replicas=0)  # the next transition, before which all others are reported
    faces.wait_for("faces", "ScaledToZero")
    until(lambda: reported_reasons(faces), [*before, "ScaledToZero"].__eq__, "no transition but the last is reported")


def test_each_transition_has_one_event(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    faces.change("faces", replicas=0)
    faces.wait_for("faces", "ScaledToZero")
    found = until(
        lambda: reported_reasons(faces),
        lambda reasons: reasons[-1:] == ["ScaledToZero"],
        "the last transition is reported",
    )
    found = [reason for reason in found if reason != "AddressPending"]  # where publishing the address took longer
    assert [reason for reason in found if reason in ("Deploying", "Deployed", "ScaledToZero")] == found
    assert [first for first, second in itertools.pairwise(found) if first == second] == []
