"""The URL of an HTTPRoute, and whether its Gateway has accepted it."""

from __future__ import annotations

import pytest

from face_comparison_operator.routing import Target, route_state
from support.route_objects import ACCEPTED, GATEWAY, LISTENERS, PATH, PUBLIC, gateways, http_route, resource


def test_accepted_http_route() -> None:
    state = route_state(resource(host="f.example.com", **GATEWAY), ACCEPTED, gateways(PUBLIC))
    assert state.url == f"https://f.example.com:8443{PATH}"
    assert state.target == Target("192.0.2.9", 8443, True, "f.example.com", PATH)


def test_http_route_with_unreadable_gateway() -> None:
    state = route_state(resource(host="f.example.com", **GATEWAY), ACCEPTED)
    assert (state.admitted, state.url, state.target) == (True, f"http://f.example.com{PATH}", None)


def test_http_route_without_host_uses_gateway_address() -> None:
    plain = {"gateway": {"parentRefs": [{"name": "public", "sectionName": "plain"}]}}
    assert route_state(resource(**plain), ACCEPTED, gateways(PUBLIC)).url == f"http://192.0.2.9{PATH}"
    assert route_state(resource(**plain), ACCEPTED).reason == "AddressPending"


def test_https_listener_is_preferred() -> None:
    both = {"gateway": {"parentRefs": [{"name": "public"}]}}
    assert str(route_state(resource(**both), ACCEPTED, gateways(PUBLIC)).url).startswith("https://192.0.2.9:8443/")


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
def test_listener_of_another_host_is_ignored(secure: dict[str, str], port: int) -> None:
    shared = {"spec": {"listeners": [{**LISTENERS[1], **secure}, LISTENERS[0]]}, "status": PUBLIC["status"]}
    both = {"host": "f.example.com", "gateway": {"parentRefs": [{"name": "public"}]}}
    target = route_state(resource(**both), ACCEPTED, gateways(shared)).target
    assert target is not None
    assert (target.port, target.tls) == (port, port == 8443)


def test_rejected_http_route() -> None:
    state = route_state(resource(**GATEWAY), http_route(Accepted="True", ResolvedRefs="False"), gateways(PUBLIC))
    assert (state.admitted, state.reason) == (False, "RouteNotAccepted")
    assert "of this" in state.message


def test_http_route_without_controller() -> None:
    assert route_state(resource(**GATEWAY), {"metadata": {"generation": 1}}).reason == "RoutePending"
