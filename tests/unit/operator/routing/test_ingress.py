"""The URL of an Ingress, and whether it has an address."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.routing import Target, route_state
from support.route_objects import ADDRESS, PATH, TLS, ingress, resource

# The route, the published addresses; the URL and where it can be tried.
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


def test_ipv4_and_ipv6_addresses() -> None:
    state = route_state(resource(), ingress({"ip": "2001:db8::1"}, ADDRESS))
    assert state.target == Target("2001:db8::1", 80, False, "2001:db8::1", PATH, ("192.0.2.1",))
    assert state.url == f"http://[2001:db8::1]{PATH}"


@pytest.mark.parametrize(
    ("route", "address", "url", "target"), [case[1:] for case in INGRESSES], ids=[case[0] for case in INGRESSES]
)
def test_ingress_url(route: dict[str, Any], address: dict[str, Any], url: str, target: Target) -> None:
    state = route_state(resource(**route), ingress(address))
    assert (state.admitted, state.url, state.target) == (True, url, target)


@pytest.mark.parametrize("live", [{}, ingress(), ingress({})])
def test_ingress_without_address(live: dict[str, Any]) -> None:
    state = route_state(resource(ingress={"className": "traefik"}), live)
    assert (state.admitted, state.reason, state.url, state.target) == (False, "AddressPending", None, None)
    assert "traefik" in state.message


def test_host_is_the_url_before_an_address_exists() -> None:
    assert route_state(resource(**TLS), ingress()).url == f"https://f.example.com{PATH}"


def test_missing_route() -> None:
    assert route_state(resource(), None).reason == "RoutePending"


def test_cluster_internal_url() -> None:
    service = {"spec": {"clusterIP": "10.96.0.7"}}
    state = route_state(resource(none={}), None, service=service)
    assert (state.admitted, state.reason) == (True, "ClusterInternal")
    assert state.url == f"http://faces.ns.svc{PATH}"
    assert state.target == Target("10.96.0.7", 80, False, "faces.ns.svc", PATH)


def test_tls_with_default_certificate_of_the_controller() -> None:
    state = route_state(resource(host="f.example.com", ingress={"tls": True}), ingress(ADDRESS))
    assert state.url == f"https://f.example.com{PATH}"
