"""How the service is reached from outside: an Ingress or an HTTPRoute, for the path of the stage and nothing else.

While the stage changes, there may be two of them: see `stages`.
"""

from __future__ import annotations

import msgspec

from face_comparison_operator.resource import SERVICE_PORT, FaceComparison, Object


def ingress(resource: FaceComparison) -> list[Object]:
    """The Ingress, unless the route is a Gateway's."""
    route = resource.spec.route
    if route.gateway:
        return []
    backend = {"service": {"name": resource.child, "port": {"name": "http"}}}
    paths = [{"path": f"/{stage}", "pathType": "Prefix", "backend": backend} for stage in resource.stages]
    rule: Object = {"http": {"paths": paths}}
    if route.host:
        rule["host"] = route.host
    spec: Object = {"rules": [rule]}
    metadata: Object = {}
    if route.ingress:
        if route.ingress.class_name:
            spec["ingressClassName"] = route.ingress.class_name
        if route.ingress.tls_secret:
            spec["tls"] = [{"hosts": [route.host], "secretName": route.ingress.tls_secret}]
        if route.ingress.annotations:
            metadata["annotations"] = route.ingress.annotations
    return [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}]


def http_route(resource: FaceComparison) -> list[Object]:
    """The HTTPRoute, if the route is a Gateway's."""
    route = resource.spec.route
    if not route.gateway:
        return []
    spec: Object = {
        "parentRefs": [msgspec.to_builtins(parent) for parent in route.gateway.parent_refs],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": f"/{stage}"}} for stage in resource.stages],
                "backendRefs": [{"name": resource.child, "port": SERVICE_PORT}],
            }
        ],
    }
    if route.host:
        spec["hostnames"] = [route.host]
    return [{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": spec}]
