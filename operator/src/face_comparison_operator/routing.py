"""What the route of a resource amounts to: whether its controller has taken it, the URL, and where to try it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from face_comparison_operator.resource import FaceComparison, Object

ADMITTED = "Admitted"
ADDRESS_PENDING = "AddressPending"
ROUTE_REFUSED = "RouteRefused"
ROUTE_PENDING = "RoutePending"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request to the URL can be tried: the published address, and the name to ask for there."""

    address: str
    port: int
    tls: bool
    host: str
    path: str


@dataclass(frozen=True, slots=True)
class RouteState:
    """Whether a controller has taken the route. `target` is None when it publishes no address."""

    admitted: bool
    reason: str
    message: str
    url: str | None = None
    target: Target | None = None


def endpoint_path(resource: FaceComparison) -> str:
    """The path that images are sent to."""
    return f"/{resource.stages[0]}/face_comparison"


def route_state(resource: FaceComparison, route: Object | None, gateways: Sequence[Object] = ()) -> RouteState:
    """The state of the live Ingress or HTTPRoute `route`; `gateways` are its parents, as far as they can be read."""
    if route is None:
        return RouteState(False, ROUTE_PENDING, "the route is not there yet")
    if resource.spec.route.gateway:
        return _http_route(resource, route, gateways)
    return _ingress(resource, route)


def _ingress(resource: FaceComparison, ingress: Object) -> RouteState:
    spec = resource.spec.route
    tls = bool(spec.ingress and spec.ingress.tls_secret)
    published = ingress.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    address = next(
        (each.get("ip") or each.get("hostname") for each in published if each.get("ip") or each.get("hostname")), None
    )
    if address is None:
        asked = spec.ingress.class_name if spec.ingress else None
        which = f"of the class {asked}" if asked else "of the default class"
        host = spec.host
        message = f"no ingress controller {which} has published an address for the Ingress {resource.child}"
        return RouteState(False, ADDRESS_PENDING, message, _url(resource, host, tls, None) if host else None)
    ports = [each["port"] for each in published[0].get("ports", [])]
    usual = 443 if tls else 80
    port = usual if not ports or usual in ports else ports[0]
    target = Target(address, port, tls, spec.host or address, endpoint_path(resource))
    return RouteState(
        True, ADMITTED, "the ingress controller has taken the Ingress", _url(resource, target.host, tls, port), target
    )


def _http_route(resource: FaceComparison, route: Object, gateways: Sequence[Object]) -> RouteState:
    host = resource.spec.route.host
    parents = route.get("status", {}).get("parents", [])
    if not parents:
        return RouteState(False, ROUTE_PENDING, f"no gateway has answered to the HTTPRoute {resource.child} yet")
    for parent in parents:
        for condition in parent.get("conditions", []):
            if condition["type"] in ("Accepted", "ResolvedRefs") and condition["status"] == "False":
                name = parent.get("parentRef", {}).get("name", "")
                return RouteState(
                    False, ROUTE_REFUSED, f"the gateway {name} says {condition['reason']}: {condition['message']}"
                )
    listener = _listener(resource, gateways)
    tls = listener.get("protocol") == "HTTPS"
    port = listener.get("port") or (443 if tls else 80)
    address = next(
        (each["value"] for gateway in gateways for each in gateway.get("status", {}).get("addresses", [])), None
    )
    if not (host or address):
        return RouteState(False, ADDRESS_PENDING, "the gateway has published no address, and the route names no host")
    name = host or str(address)
    target = Target(address, port, tls, name, endpoint_path(resource)) if address else None
    return RouteState(True, ADMITTED, "the gateway has taken the HTTPRoute", _url(resource, name, tls, port), target)


def _listener(resource: FaceComparison, gateways: Sequence[Object]) -> Object:
    """The listener that the route is on, of those that take its host: the one named, else one with TLS, else any."""
    gateway = resource.spec.route.gateway
    wanted = gateway.parent_refs[0] if gateway else None
    listeners: list[Object] = [each for found in gateways for each in found.get("spec", {}).get("listeners", [])]
    listeners = [each for each in listeners if _takes(each, resource.spec.route.host)]
    if wanted and wanted.section_name:
        listeners = [each for each in listeners if each.get("name") == wanted.section_name]
    if wanted and wanted.port:
        listeners = [each for each in listeners if each.get("port") == wanted.port] or [{"port": wanted.port}]
    listeners.sort(key=lambda each: each.get("protocol") != "HTTPS")
    return listeners[0] if listeners else {}


def _takes(listener: Object, host: str | None) -> bool:
    """Whether HTTPRoutes for `host` (None: any) can be on the listener, by its protocol and host name."""
    if listener.get("protocol", "HTTP") not in ("HTTP", "HTTPS"):
        return False
    own = listener.get("hostname") or host
    if host is None or own is None or own == host:
        return True
    return own.startswith("*.") and host.endswith(own[1:])


def _url(resource: FaceComparison, host: str, tls: bool, port: int | None) -> str:
    usual = 443 if tls else 80
    shown = f"[{host}]" if ":" in host else host
    where = shown if port in (None, usual) else f"{shown}:{port}"
    return f"{'https' if tls else 'http'}://{where}{endpoint_path(resource)}"
