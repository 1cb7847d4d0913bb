"""Several operators: one is the leader, another takes over, and nothing is done twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.k8s.api import Api, Faces, until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import CHILDREN, LEASE, POD, RESOURCE, kind_of
from face_comparison_operator.resource import Object

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
FAILOVER_SECONDS = 20.0


@pytest.fixture
def pair(control_plane: ControlPlane, api: Api, namespace: str, tmp_path: Path) -> Iterator[list[Operator]]:
    """Two operators of one namespace that share a Lease; the first one started first."""
    options = (f"--namespaces={namespace}", f"--lease-namespace={namespace}")
    first, second = (Operator(control_plane.kubeconfig, tmp_path, *options, name=name) for name in ("first", "second"))
    with first:
        until(lambda: leads(first), bool, "the first leads")
        with second:
            yield [first, second]


def leads(operator: Operator) -> bool:
    """Returns whether this operator reports to be the leader."""
    return "face_comparison_operator_leader 1.0" in operator.metrics()


def lease(api: Api, namespace: str) -> Object:
    found = api.get(LEASE, namespace, "face-comparison-operator")
    assert found is not None
    return found


def transitions(api: Api, namespace: str) -> int:
    return int(lease(api, namespace)["spec"]["leaseTransitions"])


def test_one_of_two_replicas_is_leader(pair: list[Operator], api: Api, namespace: str) -> None:
    Faces(api, namespace).deploy("faces", accelerator=CPU)
    assert [leads(each) for each in pair] == [True, False]
    assert pair[1].health("livez")[0] == 200


def test_standby_takes_over_from_a_killed_leader(
    pair: list[Operator], api: Api, control_plane: ControlPlane, namespace: str
) -> None:
    faces = Faces(api, namespace)
    faces.deploy("before", accelerator=CPU)
    since = control_plane.audit_position()
    pair[0].kill()
    for name in ("one", "two", "three"):
        faces.create(name, accelerator=CPU)
    until(lambda: leads(pair[1]), bool, "the second leads", seconds=FAILOVER_SECONDS)
    for name in ("one", "two", "three"):
        faces.publish(name)
        faces.wait_for(name, "Deployed")
    created = Counter(
        (each["objectRef"]["resource"], each["objectRef"].get("name"))
        for each in control_plane.audit_events(since)
        if each["verb"] == "create"
        and each.get("objectRef", {}).get("namespace") == namespace
        and each["userAgent"].startswith("face-comparison-operator/")
        and each["objectRef"]["resource"] not in ("events", "leases")
    )
    assert created
    assert set(created.values()) == {1}
    assert {"before", "one", "two", "three"} == {each["metadata"]["name"] for each in faces.children()}
    assert len({kind_of(each) for each in faces.children()}) * 4 == len(faces.children())


def test_stopped_operator_releases_the_lease(pair: list[Operator], api: Api, namespace: str) -> None:
    before = transitions(api, namespace)
    pair[0].stop()
    until(lambda: leads(pair[1]), bool, "the second leads", seconds=6)  # without waiting for the Lease to expire
    assert transitions(api, namespace) == before + 1


def test_concurrently_written_lease_is_released(pair: list[Operator], api: Api, namespace: str) -> None:
    """For example, by its own renewal, which is in progress at shutdown."""

    def renewed() -> Any:
        return lease(api, namespace)["spec"]["renewTime"]

    before = renewed()
    until(renewed, lambda time: time != before, "it is renewed, so that no renewal comes soon")
    change = {"metadata": {"annotations": {"example.com/seen": "yes"}}}
    api.merge(LEASE, namespace, "face-comparison-operator", change)
    pair[0].stop()
    until(lambda: leads(pair[1]), bool, "the second leads", seconds=6)


def test_paused_operator_does_not_resume_as_a_second_leader(pair: list[Operator], api: Api, namespace: str) -> None:
    os.kill(pair[0].pid, signal.SIGSTOP)
    try:
        until(lambda: leads(pair[1]), bool, "the second leads", seconds=FAILOVER_SECONDS)
    finally:
        os.kill(pair[0].pid, signal.SIGCONT)
    until(lambda: leads(pair[0]), lambda leading: not leading, "the first stands by")
    assert leads(pair[1])
    Faces(api, namespace).deploy("faces", accelerator=CPU)


def test_children_are_collected_without_operator(api: Api, alone: Operator, namespace: str) -> None:
    faces = Faces(api, namespace)
    with alone:
        faces.deploy("faces", accelerator=CPU)
        alone.stop()
        api.delete(RESOURCE, namespace, "faces")
        until(lambda: faces.children((*CHILDREN, POD)), lambda left: not left, "nothing is left")
        assert api.get(RESOURCE, namespace, "faces") is None
