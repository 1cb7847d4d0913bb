"""What a resource asks for, as whole Kubernetes objects: `desired(resource, settings)`, without looking at a cluster.

One module for each concern; each returns complete objects, and `desired` adds what every child has: namespace, labels
and the owner reference. Nothing here reads the environment or the time.
"""

from __future__ import annotations

from face_comparison_operator import __version__
from face_comparison_operator.objects import access, routes, scaling, workload
from face_comparison_operator.resource import MANAGER, FaceComparison, Object
from face_comparison_operator.settings import Settings


def desired(resource: FaceComparison, settings: Settings) -> list[Object]:
    """Every child that the resource is to have, in the order of their making."""
    objects = [
        *access.service_account(resource),
        workload.service(resource),
        workload.deployment(resource, settings),
        *access.network_policy(resource),
        *routes.ingress(resource),
        *routes.http_route(resource),
        *scaling.autoscaler(resource),
        *scaling.scaled_object(resource, settings),
        *scaling.disruption_budget(resource),
        *access.service_monitor(resource),
    ]
    return [_child(resource, each) for each in objects]


def _child(resource: FaceComparison, body: Object) -> Object:
    metadata = {
        "name": resource.child,
        "namespace": resource.namespace,
        "labels": labels(resource),
        **body.get("metadata", {}),
        "ownerReferences": [resource.reference],
    }
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata")}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, **rest}


def labels(resource: FaceComparison) -> dict[str, str]:
    """The labels of a child. The version is the operator's: what changes with it never reaches the pods."""
    return {
        **resource.selector,
        "app.kubernetes.io/component": "service",
        "app.kubernetes.io/part-of": "face-comparison",
        "app.kubernetes.io/version": __version__,
    }


__all__ = ["MANAGER", "desired", "labels"]
