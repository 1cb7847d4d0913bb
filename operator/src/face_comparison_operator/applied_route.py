"""Determines the route that is in effect while a spec cannot be applied: that of the live Ingress or HTTPRoute.

Otherwise, the status would publish the URL of the new spec while its message says that the previous version serves.
"""

from __future__ import annotations

import msgspec

from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.routing import CLUSTER_INTERNAL, is_gateway
from face_comparison_operator.spec import GatewayRoute, IngressRoute, NoRoute, ParentReference, Route
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
    stages = tuple(stage for path in paths if (stage := path.strip("/")))
    return msgspec.structs.replace(resource, spec=spec, routed=stages or resource.routed)


# Somebody may have edited these objects: every field that the API makes optional may be missing.


def _of_ingress(resource: FaceComparison, ingress: Object) -> tuple[Route, list[str]]:
    spec = ingress.get("spec", {})
    options = IngressRoute(class_name=spec.get("ingressClassName"), tls=bool(spec.get("tls")))
    for rule in spec.get("rules") or []:
        ours = [
            each
            for each in rule.get("http", {}).get("paths") or []
            if each.get("backend", {}).get("service", {}).get("name") == resource.child
        ]
        if ours:
            return Route(host=rule.get("host"), ingress=options), [each.get("path", "") for each in ours]
    return Route(ingress=options), []


def _of_http_route(route: Object) -> tuple[Route, list[str]]:
    spec = route.get("spec", {})
    references = [each for each in spec.get("parentRefs") or [] if is_gateway(each)]
    parents = msgspec.convert(references, list[ParentReference])
    matches = [match for rule in spec.get("rules") or [] for match in rule.get("matches") or []]
    host = next(iter(spec.get("hostnames") or []), None)
    paths = [each.get("path", {}).get("value", "") for each in matches]
    return Route(host=host, gateway=GatewayRoute(parents)), paths


def _is_internal(resource: FaceComparison) -> bool:
    """Returns whether the status says that the resource is reachable only inside the cluster."""
    conditions = resource.status.get("conditions", [])
    return any(each.get("type") == "RouteReady" and each.get("reason") == CLUSTER_INTERNAL for each in conditions)
