"""Determines the route that is in effect while a spec cannot be applied: that of the live Ingress or HTTPRoute.

Otherwise, the status would publish the URL of the new spec while its message says that the previous version serves.
"""

from __future__ import annotations

import msgspec

from face_comparison_operator.resource import (
    FaceComparison,
    GatewayRoute,
    IngressRoute,
    NoRoute,
    Object,
    ParentReference,
    Route,
)
from face_comparison_operator.routing import CLUSTER_INTERNAL
from face_comparison_operator.stage_migration import published_stage


def with_applied_route(resource: FaceComparison, ingress: Object | None, http_route: Object | None) -> FaceComparison:
    """Returns `resource` with the route and the stages of its live objects.

    Args:
        resource: The resource, whose spec may be unreadable or not permitted.
        ingress: Its live Ingress, if any.
        http_route: Its live HTTPRoute, if any.
    """
    if http_route and (resource.spec.route.gateway or not ingress):
        route, paths = _of_http_route(http_route)
    elif ingress:
        route, paths = _of_ingress(resource, ingress)
    elif (stage := published_stage(resource)) and _is_internal(resource):
        route, paths = Route(none=NoRoute()), [stage]
    else:
        return resource
    spec = msgspec.structs.replace(resource.spec, route=route)
    stages = tuple(path.strip("/") for path in paths)
    return msgspec.structs.replace(resource, spec=spec, routed=stages or resource.routed)


def _of_ingress(resource: FaceComparison, ingress: Object) -> tuple[Route, list[str]]:
    spec = ingress.get("spec", {})
    options = IngressRoute(class_name=spec.get("ingressClassName"), tls=bool(spec.get("tls")))
    for rule in spec.get("rules") or []:
        paths = [
            each["path"]
            for each in rule.get("http", {}).get("paths") or []
            if each["backend"].get("service", {}).get("name") == resource.child
        ]
        if paths:
            return Route(host=rule.get("host"), ingress=options), paths
    return Route(ingress=options), []


def _of_http_route(route: Object) -> tuple[Route, list[str]]:
    spec = route["spec"]
    parents = msgspec.convert(spec.get("parentRefs") or [], list[ParentReference])
    matches = [match for rule in spec.get("rules") or [] for match in rule.get("matches") or []]
    host = next(iter(spec.get("hostnames") or []), None)
    return Route(host=host, gateway=GatewayRoute(parents)), [each["path"]["value"] for each in matches]


def _is_internal(resource: FaceComparison) -> bool:
    """Returns whether the status says that the resource is reachable only inside the cluster."""
    told = resource.status.get("conditions", [])
    return any(each["type"] == "RouteReady" and each["reason"] == CLUSTER_INTERNAL for each in told)
