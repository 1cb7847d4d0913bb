"""Which listeners of a Gateway serve a route, and what the status says of those that do not work."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.resource import parse
from face_comparison_operator.routing import Gateways, RouteState, route_state

HOST = "f.example.com"
ADDRESSES = [{"value": "192.0.2.9"}]


def state(
    *listeners: dict[str, Any], told: list[dict[str, Any]] | None = None, namespace: str = "edge", **parent: Any
) -> RouteState:
    """The state of a route in the namespace `ns` that the Gateway public of `namespace` has accepted."""
    reference = {"name": "public", "namespace": namespace, **parent}
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 1}
    route = {"host": HOST, "gateway": {"parentRefs": [reference]}}
    accepted = [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}]
    live = {"metadata": {"generation": 1}, "status": {"parents": [{"parentRef": reference, "conditions": accepted}]}}
    gateway = {
        "metadata": {"namespace": namespace, "generation": 3},
        "spec": {"listeners": list(listeners)},
        "status": {"addresses": ADDRESSES, "listeners": told or []},
    }
    return route_state(
        parse({"metadata": metadata, "spec": {"route": route}}), live, Gateways({(namespace, "public"): gateway})
    )


def listener(name: str, protocol: str = "HTTP", port: int = 80, **allowed: Any) -> dict[str, Any]:
    return {"name": name, "protocol": protocol, "port": port, **({"allowedRoutes": allowed} if allowed else {})}


def fails(name: str, kind: str = "Programmed", reason: str = "Invalid", **more: Any) -> dict[str, Any]:
    condition = {"type": kind, "status": "False", "reason": reason, "message": "of this", **more}
    return {"name": name, "conditions": [condition]}


PLAIN = listener("plain", namespaces={"from": "All"})
SAME = {"namespaces": {"from": "Same"}}


@pytest.mark.parametrize(
    "allowed",
    [SAME, {"kinds": [{"kind": "GRPCRoute"}]}, {"namespaces": {"from": "None"}}],
    ids=["only routes of its namespace", "only routes of another kind", "no routes"],
)
def test_listener_that_does_not_admit_the_route_is_not_its_url(allowed: dict[str, Any]) -> None:
    secure = listener("secure", "HTTPS", 443, **allowed)
    assert state(PLAIN, secure).url == f"http://{HOST}/prod/face_comparison"
    alone = state(secure)
    assert (alone.admitted, alone.reason) == (False, "RouteNotAccepted")
    assert f"no listener for {HOST} that takes HTTPRoutes of this namespace" in alone.message


@pytest.mark.parametrize(
    "allowed",
    [
        {"namespaces": {"from": "Selector", "selector": {}}},
        {"kinds": [{"kind": "GRPCRoute"}, {"kind": "HTTPRoute"}], "namespaces": {"from": "All"}},
    ],
    ids=["labels, which are not read", "several kinds"],
)
def test_listener_that_may_admit_the_route_is_its_url(allowed: dict[str, Any]) -> None:
    assert state(PLAIN, listener("secure", "HTTPS", 443, **allowed)).url == f"https://{HOST}/prod/face_comparison"


def test_listener_of_the_same_namespace_admits_the_route() -> None:
    assert state(listener("secure", "HTTPS", 443, **SAME), namespace="ns").admitted


@pytest.mark.parametrize(
    "reported",
    [fails("secure"), fails("secure", "Accepted"), fails("secure", "ResolvedRefs", "InvalidCertificateRef")],
    ids=["not programmed", "not accepted", "no certificate"],
)
def test_listener_that_does_not_work_is_not_the_url(reported: dict[str, Any]) -> None:
    secure = listener("secure", "HTTPS", 443)
    assert state(PLAIN, secure, told=[reported]).url == f"http://{HOST}/prod/face_comparison"
    alone = state(PLAIN, secure, told=[reported], sectionName="secure")
    assert (alone.admitted, alone.reason) == (False, "RoutePending")
    assert "the listener secure of the Gateway edge/public does not work" in alone.message
    assert "of this" in alone.message


@pytest.mark.parametrize(
    "reported",
    [
        fails("secure", observedGeneration=2),
        fails("plain"),
        fails("secure", "ResolvedRefs", "InvalidRouteKinds"),
        fails("secure", "Conflicted"),
    ],
    ids=["of an earlier generation", "of another listener", "kinds of routes", "a condition that is good when False"],
)
def test_report_that_does_not_concern_the_listener_is_ignored(reported: dict[str, Any]) -> None:
    assert state(PLAIN, listener("secure", "HTTPS", 443), told=[reported]).url == f"https://{HOST}/prod/face_comparison"


def test_parent_reference_by_port() -> None:
    assert state(PLAIN, listener("secure", "HTTPS", 443), port=80).url == f"http://{HOST}/prod/face_comparison"


@pytest.mark.parametrize("missing", ["type", "status", "reason", "message"])
def test_incomplete_condition_of_a_listener_is_read(missing: str) -> None:
    reported = fails("plain")
    del reported["conditions"][0][missing]
    assert state(PLAIN, told=[reported]).admitted == (missing in ("type", "status"))
