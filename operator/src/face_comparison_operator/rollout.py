"""The progress of a Deployment: the number of pods of each version, and what keeps them from being ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from face_comparison_operator.pod_diagnostics import diagnose, overdue_problem
from face_comparison_operator.pod_problems import POD_CREATION_FAILED, Problem
from face_comparison_operator.pod_status import template_of
from face_comparison_operator.resource import TEMPLATE_ANNOTATION, Object


@dataclass(frozen=True, slots=True)
class Rollout:
    """The progress of the Deployment. `settled`: its controller has observed the current template."""

    settled: bool = False
    desired: int = 1
    replicas: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    problem: Problem | None = None
    same_template: bool = False
    """Whether every pod has the current template; after `kubectl rollout restart`, in both ReplicaSets."""

    @property
    def pure(self) -> bool:
        """Returns whether no pod of an earlier version is left."""
        return self.settled and (self.updated == self.replicas or self.same_template)

    @property
    def complete(self) -> bool:
        """Returns whether every desired pod is available and of the current version."""
        return self.pure and self.replicas >= self.desired and self.available >= self.desired


def rollout(
    deployment: Object | None,
    pods: Sequence[Object] = (),
    events: Sequence[Object] = (),
    now: datetime | None = None,
) -> Rollout:
    """Determines the state of the Deployment.

    Args:
        deployment: The live Deployment.
        pods: The pods of the resource.
        events: Warnings about these pods.
        now: The time, for problems that count only if they last.
    """
    if deployment is None:
        return Rollout()
    spec, status = deployment["spec"], deployment.get("status", {})
    template = spec["template"]["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    current = [pod for pod in staying if template_of(pod) == template]
    problem = diagnose(current, events, now)
    failure = next((each for each in status.get("conditions", []) if each["type"] == "ReplicaFailure"), None)
    if failure and failure["status"] == "True" and (problem is None or problem.starting):
        problem = Problem(POD_CREATION_FAILED, f"pod creation failed: {failure.get('message', '')}")
    if problem is None and not current and now is not None:
        problem = overdue_problem(pods, now)  # the strategy Recreate waits for it
    return Rollout(
        settled=status.get("observedGeneration", 0) >= deployment["metadata"]["generation"],
        desired=spec.get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        problem=problem,
        # Not if a pod of another version has just been deleted: the numbers may still include it.
        same_template=bool(current) and all(template_of(pod) == template for pod in pods),
    )
