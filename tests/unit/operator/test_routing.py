"""The URL of a resource, and whether its route's controller has taken it."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.resource import FaceComparison, parse
from face_comparison_operator.routing import Target, route_state

PATH = "/prod/face_comparison"


def resource(**route: Any) -> FaceComparison:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 1}
    return parse({"metadata": metadata, "spec": {"route": route}})


def ingress(*addresses: dict[str, Any]) -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": list(addresses)}}}


TLS = {"host": "f.example.com", "ingress": {"tlsSecret": "t"}}
ADDRESS = {"ip": "192.0.2.1"}

# The route, the addresses published; the URL and where it can be tried.
INGRESSES: list[tuple[str, dict[str, Any], dict[str, Any], str, Target]] = [
    ("any host", {}, ADDRESS, f"http://192.0.2.1{PATH}", Target("192.0.2.1", 80, False, "192.0.2.1", PATH)),
    (
        "a host",
        {"host": "f.example.com"},
        ADDRESS,
        f"http://f.example.com{PATH}",
        Target("192.0.2.1", 80, False, "f.example.com", PATH),
    ),
    ("TLS", TLS, ADDRESS, f"https://f.example.com{PATH}", Target("192.0.2.1", 443, True, "f.example.com", PATH)),
    (
        "a name as address",
        {},
        {"hostname": "lb.example.com"},
        f"http://lb.example.com{PATH}",
        Target("lb.example.com", 80, False, "lb.example.com", PATH),
    ),
    (
        "another port",
        TLS,
        {**ADDRESS, "ports": [{"port": 8443}]},
        f"https://f.example.com:8443{PATH}",
        Target("192.0.2.1", 8443, True, "f.example.com", PATH),
    ),
    (
        "several ports, the usual one among them",
        {},
        {**ADDRESS, "ports": [{"port": 443}, {"port": 80}]},
        f"http://192.0.2.1{PATH}",
        Target("192.0.2.1", 80, False, "192.0.2.1", PATH),
    ),
    (
        "IPv6",
        {},
        {"ip": "2001:db8::1"},
        f"http://[2001:db8::1]{PATH}",
        Target("2001:db8::1", 80, False, "2001:db8::1", PATH),
    ),
]


@pytest.mark.parametrize(
    ("route", "address", "url", "target"), [case[1:] for case in INGRESSES], ids=[case[0] for case in INGRESSES]
)
def test_an_ingress(route: dict[str, Any], address: dict[str, Any], url: str, target: Target) -> None:
    state = route_state(resource(**route), ingress(address))
    assert (state.admitted, state.url, state.target) == (True, url, target)


@pytest.mark.parametrize("live", [{}, ingress(), ingress({})])
def test_an_ingress_without_an_address(live: dict[str, Any]) -> None:
    state = route_state(resource(ingress={"className": "traefik"}), live)
    assert (state.admitted, state.reason, state.url, state.target) == (False, "AddressPending", None, None)
    assert "traefik" in state.message


def test_a_host_is_the_url_before_there_is_an_address() -> None:
    assert route_state(resource(**TLS), ingress()).url == f"https://f.example.com{PATH}"


def test_a_route_that_is_not_there() -> None:
    assert route_state(resource(), None).reason == "RoutePending"


GATEWAY = {"gateway": {"parentRefs": [{"name": "public", "sectionName": "secure"}]}}
LISTENERS = [
    {"name": "plain", "protocol": "HTTP", "port": 80},
    {"name": "secure", "protocol": "HTTPS", "port": 8443},
]
PUBLIC = {"spec": {"listeners": LISTENERS}, "status": {"addresses": [{"value": "192.0.2.9"}]}}


def http_route(**conditions: str) -> dict[str, Any]:
    told = [
        {"type": kind, "status": status, "reason": "Because", "message": "of this"}
        for kind, status in conditions.items()
    ]
    return {"status": {"parents": [{"parentRef": {"name": "public"}, "conditions": told}]}}


ACCEPTED = http_route(Accepted="True", ResolvedRefs="True")


def test_an_http_route_that_was_taken() -> None:
    state = route_state(resource(host="f.example.com", **GATEWAY), ACCEPTED, [PUBLIC])
    assert state.url == f"https://f.example.com:8443{PATH}"
    assert state.target == Target("192.0.2.9", 8443, True, "f.example.com", PATH)


def test_an_http_route_whose_gateway_cannot_be_read() -> None:
    state = route_state(resource(host="f.example.com", **GATEWAY), ACCEPTED)
    assert (state.admitted, state.url, state.target) == (True, f"http://f.example.com{PATH}", None)


def test_an_http_route_without_host_has_the_address_of_the_gateway() -> None:
    plain = {"gateway": {"parentRefs": [{"name": "public", "sectionName": "plain"}]}}
    assert route_state(resource(**plain), ACCEPTED, [PUBLIC]).url == f"http://192.0.2.9{PATH}"
    assert route_state(resource(**plain), ACCEPTED, []).reason == "AddressPending"


def test_without_a_named_listener_the_secure_one_counts() -> None:
    both = {"gateway": {"parentRefs": [{"name": "public"}]}}
    assert str(route_state(resource(**both), ACCEPTED, [PUBLIC]).url).startswith("https://192.0.2.9:8443/")


@pytest.mark.parametrize(
    ("secure", "port"),
    [
        ({}, 8443),
        ({"hostname": "f.example.com"}, 8443),
        ({"hostname": "*.example.com"}, 8443),
        ({"hostname": "*.elsewhere.com"}, 80),
        ({"hostname": "admin.example.com"}, 80),
        ({"protocol": "TLS"}, 80),
        ({"protocol": "TCP"}, 80),
    ],
)
def test_a_listener_that_does_not_take_the_host_is_none_of_the_routes(secure: dict[str, str], port: int) -> None:
    shared = {"spec": {"listeners": [{**LISTENERS[1], **secure}, LISTENERS[0]]}, "status": PUBLIC["status"]}
    both = {"host": "f.example.com", "gateway": {"parentRefs": [{"name": "public"}]}}
    target = route_state(resource(**both), ACCEPTED, [shared]).target
    assert target is not None
    assert (target.port, target.tls) == (port, port == 8443)


def test_an_http_route_that_was_refused() -> None:
    state = route_state(resource(**GATEWAY), http_route(Accepted="True", ResolvedRefs="False"), [PUBLIC])
    assert (state.admitted, state.reason) == (False, "RouteRefused")
    assert "of this" in state.message


def test_an_http_route_that_nobody_answered() -> None:
    assert route_state(resource(**GATEWAY), {}).reason == "RoutePending"
