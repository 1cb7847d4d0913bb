"""Selects the listeners of a Gateway that serve a route, and determines whether they work."""

from __future__ import annotations

from face_comparison_operator.resource import Object
from face_comparison_operator.spec import ParentReference


def matching_listeners(parent: ParentReference, gateway: Object, host: str | None, namespace: str) -> list[Object]:
    """Returns the listeners that an HTTPRoute can be attached to.

    Args:
        parent: The route's reference to the Gateway, or to one of its listeners.
        gateway: The live Gateway.
        host: The host that the route names; None: any.
        namespace: The namespace of the route.
    """
    listeners: list[Object] = [
        each
        for each in gateway.get("spec", {}).get("listeners") or []
        if _takes_host(each, host) and _admits(each, gateway, namespace)
    ]
    if parent.section_name:
        listeners = [each for each in listeners if each.get("name") == parent.section_name]
    if parent.port:
        listeners = [each for each in listeners if each.get("port") == parent.port]
    return listeners


def listener_problem(gateway: Object, listener: Object) -> str | None:
    """Returns why a listener does not work, according to the Gateway's controller, or None if it does."""
    generation = gateway.get("metadata", {}).get("generation", 1)
    for entry in gateway.get("status", {}).get("listeners") or []:
        if entry.get("name") != listener.get("name"):
            continue
        for each in entry.get("conditions") or []:
            fails = each.get("status") == "False" and each.get("observedGeneration", generation) >= generation
            if fails and (each.get("type") in ("Accepted", "Programmed") or each.get("reason") in _WITHOUT_CERTIFICATE):
                return f"{each.get('reason', '')}: {each.get('message', '')}"
    return None


# Reasons of the listener's condition ResolvedRefs that concern its certificate; other reasons concern kinds of routes.
_WITHOUT_CERTIFICATE = ("InvalidCertificateRef", "RefNotPermitted")


def _takes_host(listener: Object, host: str | None) -> bool:
    """Returns whether HTTPRoutes for `host` (None: any) can attach to the listener, by its protocol and host name."""
    if listener.get("protocol", "HTTP") not in ("HTTP", "HTTPS"):
        return False
    own = listener.get("hostname") or host
    if host is None or own is None or own == host:
        return True
    return own.startswith("*.") and host.endswith(own[1:])


def _admits(listener: Object, gateway: Object, namespace: str) -> bool:
    """Returns whether the listener may admit HTTPRoutes of a namespace.

    A selector of namespaces by label counts as admitting, because the operator does not read those labels.
    """
    allowed = listener.get("allowedRoutes") or {}
    kinds = allowed.get("kinds") or []
    if kinds and not any(each.get("kind") == "HTTPRoute" for each in kinds):
        return False
    origin = (allowed.get("namespaces") or {}).get("from")
    if origin == "Same":
        return bool(gateway.get("metadata", {}).get("namespace", namespace) == namespace)
    return bool(origin != "None")
