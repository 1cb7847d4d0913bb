"""Whether previous pods make room for new ones: the scheduler's message, the pods' requests, and the decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from face_comparison_operator.room import GRACE, Room, footprint, room

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEPLOYMENT = {"spec": {"template": {"metadata": {"annotations": {"facecomparison.dev/template": "new"}}}}}
CPU = {"requests": {"cpu": "1"}}
GPU = {"requests": {"cpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}
MAKES, KEEPS, NOTHING = "makes room", "keeps", "says nothing"


def spec(resources: Any, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "service", "resources": resources}], **more}


def pod(template: str, of: dict[str, Any], age: float, *conditions: dict[str, str]) -> dict[str, Any]:
    created = (NOW - timedelta(seconds=age)).isoformat()
    annotations = {"facecomparison.dev/template": template}
    return {
        "metadata": {"name": template, "annotations": annotations, "creationTimestamp": created},
        "status": {"conditions": list(conditions)},
        "footprint": footprint({"spec": of}),
    }


def previous(of: dict[str, Any]) -> dict[str, Any]:
    return pod("old", of, 1000, {"type": "Ready", "status": "True"})


def waiting(of: dict[str, Any], missing: str, age: float = 60) -> dict[str, Any]:
    message = f"0/3 nodes are available: {missing}. no new claims to deallocate, preemption: 0/3 nodes are available."
    return pod(
        "new", of, age, {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    )


def verdict(found: Room) -> str:
    if found.make:
        return MAKES
    return KEEPS if found.hint else NOTHING


ZONE = {"nodeSelector": {"zone": "a"}}
CLAIM = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one"}]}
VOLUME = {"volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": "faces"}}]}
SPREAD = {"topologySpreadConstraints": [{"whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"a": "b"}}]}
OTHER_SPREAD = {"topologySpreadConstraints": [{"whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"a": "c"}}]}

# Description; the previous pod's requests; the new one's; what the scheduler lacks; the decision; words.
CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str, str]] = [
    ("the same CPU", spec(CPU), spec(CPU), "1 Insufficient cpu", MAKES, "make room"),
    ("the same GPU", spec(GPU), spec(GPU), "3 Insufficient nvidia.com/gpu", MAKES, "make room"),
    (
        "a GPU beside nodes without",
        spec(GPU),
        spec(GPU),
        "1 Insufficient cpu, 2 Insufficient nvidia.com/gpu",
        MAKES,
        "",
    ),
    ("a GPU that no node has", spec(CPU), spec(GPU), "1 Insufficient nvidia.com/gpu", KEEPS, "holds no nvidia.com/gpu"),
    (
        "a GPU and CPU",
        spec(CPU),
        spec(GPU),
        "1 Insufficient cpu, 1 Insufficient nvidia.com/gpu",
        KEEPS,
        "nvidia.com/gpu",
    ),
    (
        "less CPU than before",
        spec({"requests": {"cpu": "2"}}),
        spec({"requests": {"cpu": "500m"}}),
        "1 Insufficient cpu",
        MAKES,
        "",
    ),
    (
        "more CPU than before",
        spec({"requests": {"cpu": "900m"}}),
        spec(CPU),
        "1 Insufficient cpu",
        KEEPS,
        "holds less cpu",
    ),
    (
        "more memory, CPU missing",
        spec(CPU),
        spec({"requests": {"cpu": "1", "memory": "9Gi"}}),
        "1 Insufficient cpu",
        MAKES,
        "",
    ),
    (
        "memory that is missing",
        spec(CPU),
        spec({"requests": {"memory": "9Gi"}}),
        "1 Insufficient memory",
        KEEPS,
        "memory",
    ),
    (
        "another kind of GPU",
        spec({"limits": {"amd.com/gpu": 1}}),
        spec(GPU),
        "1 Insufficient nvidia.com/gpu",
        KEEPS,
        "nvidia",
    ),
    ("a node full of pods", spec(CPU), spec(CPU), "1 Too many pods", MAKES, ""),
    ("another zone", spec(CPU), spec(CPU, **ZONE), "1 Insufficient cpu", KEEPS, "runs where the new one may not"),
    (
        "a selector that no node has",
        spec(CPU),
        spec(CPU, **ZONE),
        "3 node(s) didn't match Pod's node affinity/selector",
        NOTHING,
        "",
    ),
    ("a taint", spec(CPU), spec(CPU), "3 node(s) had untolerated taint {team: other}", NOTHING, ""),
    (
        "a taint of other nodes",
        spec(CPU),
        spec(CPU),
        "1 node(s) had untolerated taint {team: other}, 2 Insufficient cpu",
        MAKES,
        "",
    ),
    (
        "a cordoned node",
        spec(CPU),
        spec(CPU),
        "1 node(s) were unschedulable, 2 Insufficient cpu",
        KEEPS,
        "not accept new pods",
    ),
    (
        "a node under pressure",
        spec(CPU),
        spec(CPU),
        "1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }, 2 Insufficient cpu",
        KEEPS,
        "not accept new pods",
    ),
    ("a claimed device", spec(CPU, **CLAIM), spec(CPU, **CLAIM), "1 cannot allocate all claims", MAKES, ""),
    (
        "a device claimed anew",
        spec(CPU),
        spec(CPU, **CLAIM),
        "1 cannot allocate all claims",
        KEEPS,
        "where the new one may not",
    ),
    (
        "a volume of one pod",
        spec(CPU, **VOLUME),
        spec(CPU, **VOLUME),
        "1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",
        MAKES,
        "",
    ),
    ("a place of its own", spec(CPU), spec(CPU), "3 node(s) didn't match pod anti-affinity rules", MAKES, ""),
    (
        "spread that the API server completes",
        spec(CPU, **SPREAD),
        spec(CPU, **OTHER_SPREAD),
        "1 Insufficient cpu",
        MAKES,
        "",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "missing", "expected", "words"), [each[1:] for each in CASES], ids=[each[0] for each in CASES]
)
def test_decision(old: dict[str, Any], new: dict[str, Any], missing: str, expected: str, words: str) -> None:
    found = room(DEPLOYMENT, [previous(old), waiting(new, missing)], NOW)
    assert verdict(found) == expected
    assert words in found.hint


def test_every_previous_pod_must_free_enough() -> None:
    small = previous(spec({"requests": {"cpu": "100m"}}))
    assert room(DEPLOYMENT, [previous(spec(CPU)), waiting(spec(CPU), "1 Insufficient cpu")], NOW).make
    assert not room(DEPLOYMENT, [previous(spec(CPU)), small, waiting(spec(CPU), "1 Insufficient cpu")], NOW).make


def test_node_being_added_is_awaited() -> None:
    early = waiting(spec(CPU), "1 Insufficient cpu", age=GRACE.total_seconds() - 1)
    found = room(DEPLOYMENT, [previous(spec(CPU)), early], NOW)
    assert (found.make, found.hint) == (False, "it will make room for the new one")


def test_strategy_of_the_spec_is_followed() -> None:
    pods = [previous(spec(CPU)), waiting(spec(CPU), "1 Insufficient cpu")]
    found = room(DEPLOYMENT, pods, NOW, chosen=True)
    assert (found.make, "strategy.maxUnavailable: 1" in found.hint) == (False, True)


@pytest.mark.parametrize("change", [{"deletionTimestamp": "2026-01-02T03:04:05Z"}, {"annotations": {}}])
def test_terminating_and_never_ready_pods_are_not_counted(change: dict[str, Any]) -> None:
    old = previous(spec(CPU))
    old["metadata"] |= change
    if not change.get("annotations", True):
        old["status"] = {}
    assert room(DEPLOYMENT, [old, waiting(spec(CPU), "1 Insufficient cpu")], NOW) == Room()


def test_pod_not_yet_scheduled_triggers_nothing() -> None:
    gated = pod("new", spec(CPU), 60, {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"})
    assert room(DEPLOYMENT, [previous(spec(CPU)), gated], NOW) == Room()
    assert room(None, [previous(spec(CPU))], NOW) == Room()


def test_footprint_matches_the_scheduler() -> None:
    containers = [
        {"resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "memory": "1Gi"}}},
        {"resources": CPU},
    ]
    download = {"resources": {"requests": {"cpu": "3"}}}
    sidecar = {"resources": {"requests": {"cpu": "250m"}}, "restartPolicy": "Always"}
    found = footprint({"spec": {"containers": containers, "overhead": {"memory": "1Mi"}, "initContainers": [sidecar]}})
    assert {name: float(amount) for name, amount in found["requests"].items()} == {
        "pods": 1,
        "cpu": 1.75,
        "memory": 1025 * 2**20,
    }
    assert float(footprint({"spec": {"containers": containers, "initContainers": [download]}})["requests"]["cpu"]) == 3
