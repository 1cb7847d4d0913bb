"""The progress of a Deployment whose pods are replaced in place."""

from __future__ import annotations

from typing import Any

from face_comparison_operator.resource import TEMPLATE_ANNOTATION
from face_comparison_operator.rollout import rollout

Object = dict[str, Any]


def deployment(**status: int) -> Object:
    template = {"metadata": {"annotations": {TEMPLATE_ANNOTATION: "new"}}}
    spec = {"replicas": 1, "template": template}
    return {"metadata": {"generation": 2}, "spec": spec, "status": {"observedGeneration": 2, **status}}


def pod(name: str, template: str, ready: bool, **metadata: str) -> Object:
    annotations = {TEMPLATE_ANNOTATION: template}
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    status = {"phase": "Running", "conditions": [condition]}
    return {"metadata": {"name": name, "uid": name, "annotations": annotations, **metadata}, "status": status}


DELETED = {"deletionTimestamp": "2026-01-02T03:04:05Z"}


def test_available_pod_of_the_previous_version_that_was_just_deleted_does_not_count() -> None:
    """It made room for the new one; the Deployment's controller has not counted again yet."""
    pods = [pod("a", "old", ready=True, **DELETED), pod("b", "new", ready=False)]
    state = rollout(deployment(replicas=2, updatedReplicas=1, readyReplicas=1, availableReplicas=1), pods)
    assert not state.complete
    assert not (state.pure and state.available)


def test_new_pod_completes_the_rollout_once_it_is_ready() -> None:
    pods = [pod("a", "old", ready=True, **DELETED), pod("b", "new", ready=True)]
    state = rollout(deployment(replicas=1, updatedReplicas=1, readyReplicas=1, availableReplicas=1), pods)
    assert state.complete


def test_restart_by_kubectl_stays_complete() -> None:
    """Pods of both ReplicaSets have the current template."""
    pods = [pod("a", "new", ready=True, **DELETED), pod("b", "new", ready=True), pod("c", "new", ready=False)]
    state = rollout(deployment(replicas=2, updatedReplicas=1, readyReplicas=1, availableReplicas=1), pods)
    assert state.complete
