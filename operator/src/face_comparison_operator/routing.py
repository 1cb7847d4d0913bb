"""Determines the state of a resource's route: whether its controller has accepted it, its URL, and where to probe it.

Statuses of other controllers count only for the parents that the route references, for its current generation, and for
Gateways that exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from face_comparison_operator.field_ownership import status_written
from face_comparison_operator.listeners import listener_problem, matching_listeners
from face_comparison_operator.resource import SERVICE_PORT, FaceComparison, Object
from face_comparison_operator.spec import GATEWAY_GROUP, ParentReference

ADMITTED = "Admitted"
ADDRESS_PENDING = "AddressPending"
CLUSTER_INTERNAL = "ClusterInternal"
ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
ROUTE_PENDING = "RoutePending"

GatewayKey = tuple[str, str]
"""Namespace and name of a Gateway."""


@dataclass(frozen=True, slots=True)
class Gateways:
    """The Gateways that a route references, as far as the operator could read them."""

    found: Mapping[GatewayKey, Object] = field(default_factory=dict)
    missing: frozenset[GatewayKey] = frozenset()
    """Gateways that do not exist, according to the API server; one that the operator may not read is in neither."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request to the URL can be sent: the published address, and the host name to request.

    `further` are other published addresses, such as one of another address family, in case the first is unreachable.
    """

    address: str
    port: int
    tls: bool
    host: str
    path: str
    further: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteState:
    """Whether a controller has accepted the route. `target` is None if no address is known."""

    admitted: bool
    reason: str
    message: str
    url: str | None = None
    target: Target | None = None


def endpoint_path(resource: FaceComparison) -> str:
    """Returns the path to which clients send images."""
    return f"/{resource.stages[0]}/face_comparison"


def gateway_keys(resource: FaceComparison) -> list[GatewayKey]:
    """Returns the Gateways that the route in the spec references."""
    gateway = resource.spec.route.gateway
    return [_key(resource, parent) for parent in gateway.parent_refs] if gateway else []


def route_state(
    resource: FaceComparison, route: Object | None, gateways: Gateways = Gateways(), service: Object | None = None
) -> RouteState:
    """Determines the state of the live route.

    Args:
        resource: The resource, with the stages that its route serves.
        route: Its live Ingress or HTTPRoute, if there is one.
        gateways: The Gateways that an HTTPRoute references.
        service: The live Service, which is the endpoint if the spec sets `route.none`.
    """
    if resource.spec.route.none is not None:
        return _internal(resource, service)
    if route is None:
        kind = "HTTPRoute" if resource.spec.route.gateway else "Ingress"
        return RouteState(False, ROUTE_PENDING, f"the {kind} has not been created yet")
    if resource.spec.route.gateway:
        return _http_route(resource, route, gateways)
    return _ingress(resource, route)


def _internal(resource: FaceComparison, service: Object | None) -> RouteState:
    host = f"{resource.child}.{resource.namespace}.svc"
    address = (service or {}).get("spec", {}).get("clusterIP")
    target = None
    if address and address != "None":
        target = Target(address, SERVICE_PORT, False, host, endpoint_path(resource))
    return RouteState(
        True, CLUSTER_INTERNAL, "reachable only inside the cluster", _url(resource, host, False, None), target
    )


def _ingress(resource: FaceComparison, ingress: Object) -> RouteState:
    spec = resource.spec.route
    tls = bool(spec.ingress and spec.ingress.secure)
    published = ingress.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    entries = [each for each in published if each.get("ip") or each.get("hostname")]
    if not entries:
        class_name = spec.ingress.class_name if spec.ingress else None
        which = f"of the class {class_name}" if class_name else "of the default class"
        message = (
            f"no ingress controller {which} has published an address for the Ingress {resource.child}"
            "; for use inside the cluster only, set route.none"
        )
        return RouteState(False, ADDRESS_PENDING, message, _url(resource, spec.host, tls, None) if spec.host else None)
    address, *further = (each.get("ip") or each["hostname"] for each in entries)
    ports = [each["port"] for each in entries[0].get("ports") or []]
    default_port = 443 if tls else 80
    port = default_port if not ports or default_port in ports else ports[0]
    target = Target(address, port, tls, spec.host or address, endpoint_path(resource), tuple(further))
    return RouteState(
        True,
        ADMITTED,
        "the ingress controller has admitted the Ingress",
        _url(resource, target.host, tls, port),
        target,
    )


# --- the Gateway API ------------------------------------------------------------------------------------------------


def _http_route(resource: FaceComparison, route: Object, gateways: Gateways) -> RouteState:
    gateway = resource.spec.route.gateway
    parents = gateway.parent_refs if gateway else []
    if not parents:  # of a live HTTPRoute that somebody has edited
        return RouteState(False, ROUTE_PENDING, f"the HTTPRoute {resource.child} names no Gateway")
    states = [(parent, _parent_state(resource, parent, route, gateways)) for parent in parents]
    accepted = [parent for parent, problem in states if problem is None]
    rejections = [problem for _, problem in states if problem and problem.reason == ROUTE_NOT_ACCEPTED]
    if rejections or not accepted:
        return rejections[0] if rejections else next(problem for _, problem in states if problem)
    # One parent that accepts the route is enough to serve; a Gateway without a controller may never report.
    other_problems = "".join(f"; {problem.message}" for _, problem in states if problem)
    readable = [(parent, live) for parent in accepted if (live := gateways.found.get(_key(resource, parent)))]
    host = resource.spec.route.host
    candidates = [
        (live, listener)
        for parent, live in readable
        for listener in matching_listeners(parent, live, host, resource.namespace)
    ]
    candidates.sort(key=lambda each: (listener_problem(*each) is not None, each[1].get("protocol") != "HTTPS"))
    live, listener = candidates[0] if candidates else (readable[0][1] if readable else {}, _unread_listener(accepted))
    tls = listener.get("protocol") == "HTTPS"
    port = listener.get("port") or (443 if tls else 80)
    addresses = [each["value"] for each in live.get("status", {}).get("addresses") or [] if each.get("value")]
    if not (host or addresses):
        message = "the Gateway has published no address, and the route names no host"
        return RouteState(False, ADDRESS_PENDING, message + other_problems)
    name = host or addresses[0]
    target = Target(addresses[0], port, tls, name, endpoint_path(resource), tuple(addresses[1:])) if addresses else None
    message = f"the Gateway has accepted the HTTPRoute{other_problems}"
    return RouteState(True, ADMITTED, message, _url(resource, name, tls, port), target)


def _parent_state(
    resource: FaceComparison, parent: ParentReference, route: Object, gateways: Gateways
) -> RouteState | None:
    """Returns why a parent does not accept the HTTPRoute, or None if it does."""
    key = _key(resource, parent)
    name = "/".join(key)
    if key in gateways.missing:
        return RouteState(False, ROUTE_NOT_ACCEPTED, f"the Gateway {name} does not exist")
    if (live := gateways.found.get(key)) and (
        problem := _gateway_problem(resource, parent, live, status_written(route))
    ):
        return problem
    generation = route["metadata"].get("generation", 1)
    reports = [
        each.get("conditions") or []
        for each in route.get("status", {}).get("parents") or []
        if _refers_to(resource, parent, each.get("parentRef", {}))
    ]
    # Each controller has its own entry; an entry left behind by another controller does not count.
    current = [
        [each for each in entry if each.get("observedGeneration", generation) >= generation] for entry in reports
    ]
    accepting = [entry for entry in current if any(_is(each, "Accepted", "True") for each in entry)]
    refusals = [
        next((each for each in entry if any(_is(each, kind, "False") for kind in ("Accepted", "ResolvedRefs"))), None)
        for entry in current
    ]
    if any(refusal is None for entry, refusal in zip(current, refusals, strict=True) if entry in accepting):
        return None
    for each in filter(None, refusals):
        message = f"the Gateway {name} reports {each.get('reason', '')}: {each.get('message', '')}"
        return RouteState(False, ROUTE_NOT_ACCEPTED, message)
    if any(each.get("type") == "Accepted" for entry in reports for each in entry):
        return RouteState(False, ROUTE_PENDING, f"the Gateway {name} has not reported on the changed HTTPRoute yet")
    return RouteState(
        False, ROUTE_PENDING, f"the Gateway {name} has not reported on the HTTPRoute {resource.child} yet"
    )


def _is(condition: Object, kind: str, status: str) -> bool:
    return bool(condition.get("type") == kind and condition.get("status") == status)


def _gateway_problem(
    resource: FaceComparison, parent: ParentReference, gateway: Object, reported: str
) -> RouteState | None:
    """Returns why a Gateway cannot serve the route, whatever the HTTPRoute's status says, or None if it can.

    Args:
        resource: The resource, with its route.
        parent: The route's reference.
        gateway: The live Gateway.
        reported: When the HTTPRoute's status was last written, RFC 3339 in UTC; empty: unknown.
    """
    name, host = "/".join(_key(resource, parent)), resource.spec.route.host
    if "deletionTimestamp" in gateway.get("metadata", {}):
        return RouteState(False, ROUTE_NOT_ACCEPTED, f"the Gateway {name} is being deleted")
    if gateway.get("spec", {}).get("listeners"):
        matching = matching_listeners(parent, gateway, host, resource.namespace)
        if not matching:
            which = f" named {parent.section_name}" if parent.section_name else ""
            which += f" on port {parent.port}" if parent.port else ""
            which += f" for {host}" if host else ""
            message = f"the Gateway {name} has no listener{which} that takes HTTPRoutes of this namespace"
            return RouteState(False, ROUTE_NOT_ACCEPTED, message)
        problems = [listener_problem(gateway, each) for each in matching]
        if all(problems):
            message = f"the listener {matching[0].get('name')} of the Gateway {name} does not work: {problems[0]}"
            return RouteState(False, ROUTE_PENDING, message)
    status = gateway.get("status", {})
    if status.get("addresses"):
        return None  # a probe of the address is more conclusive than the conditions
    generation = gateway.get("metadata", {}).get("generation", 1)
    created = gateway.get("metadata", {}).get("creationTimestamp", "")
    for each in status.get("conditions") or []:
        if each.get("status") == "Unknown" and created and reported >= created:
            continue  # a controller has reported on the route since this Gateway was created: its report counts
        current = each.get("observedGeneration", generation) >= generation
        if each.get("type") in ("Accepted", "Programmed") and (each.get("status") != "True" or not current):
            message = f"the Gateway {name} is not ready: {each.get('reason', '')}: {each.get('message', '')}"
            return RouteState(False, ROUTE_PENDING, message)
    return None


def _refers_to(resource: FaceComparison, parent: ParentReference, reported: Object) -> bool:
    if not is_gateway(reported):
        return False
    if (reported.get("namespace") or resource.namespace, reported.get("name")) != _key(resource, parent):
        return False
    return all(
        own is None or value is None or own == value
        for own, value in ((parent.section_name, reported.get("sectionName")), (parent.port, reported.get("port")))
    )


def is_gateway(reference: Object) -> bool:
    """Returns whether a reference in an HTTPRoute is to a Gateway, not to a Service or to another set of listeners."""
    return (reference.get("group", GATEWAY_GROUP), reference.get("kind", "Gateway")) == (GATEWAY_GROUP, "Gateway")


def _key(resource: FaceComparison, parent: ParentReference) -> GatewayKey:
    return parent.namespace or resource.namespace, parent.name


def _unread_listener(parents: list[ParentReference]) -> Object:
    """Returns what is known about the listener if the Gateway cannot be read."""
    return {"port": parents[0].port} if parents[0].port else {}


def _url(resource: FaceComparison, host: str, tls: bool, port: int | None) -> str:
    default_port = 443 if tls else 80
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port in (None, default_port) else f"{shown}:{port}"
    return f"{'https' if tls else 'http'}://{authority}{endpoint_path(resource)}"
