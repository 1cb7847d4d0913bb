"""Builds the desired state of a resource as complete Kubernetes objects: `desired(resource, settings)`.

There is one module per concern; `desired` adds what every child has: namespace, labels, annotations, and the owner
reference. Pure: nothing here reads the cluster, the environment, or the time.
"""

from __future__ import annotations

from face_comparison_operator import __version__
from face_comparison_operator.objects import access, routes, scaling, workload
from face_comparison_operator.resource import MANAGER, FaceComparison, Object
from face_comparison_operator.settings import Settings


def desired(resource: FaceComparison, settings: Settings) -> list[Object]:
    """Returns every child of the resource, in creation order."""
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
        *access.service_monitor(resource, settings),
    ]
    return [_child(resource, each) for each in objects]


def _child(resource: FaceComparison, body: Object) -> Object:
    own = body.get("metadata", {})
    annotations = {**resource.spec.child_metadata.annotations, **own.get("annotations", {})}
    metadata = {
        "name": resource.child,
        "namespace": resource.namespace,
        "labels": {**resource.spec.child_metadata.labels, **own.get("labels", {}), **labels(resource)},
        **({"annotations": annotations} if annotations else {}),
        "ownerReferences": [resource.owner_reference],
    }
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata")}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, **rest}


def labels(resource: FaceComparison) -> dict[str, str]:
    """Returns the operator's labels of a child.

    Pods do not have the version label, which is the operator's version, so that upgrading the operator keeps them.
    """
    return {
        **resource.selector,
        "app.kubernetes.io/component": "service",
        "app.kubernetes.io/part-of": "face-comparison",
        "app.kubernetes.io/version": __version__,
    }


__all__ = ["MANAGER", "desired", "labels"]
