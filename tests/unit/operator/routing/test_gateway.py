"""Gateways that do not work, or that change after they accepted a route."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.api_resources import HTTP_ROUTE
from face_comparison_operator.cache import strip_unused_fields
from face_comparison_operator.routing import route_state
from support.route_objects import ACCEPTED, GATEWAY, LISTENERS, PUBLIC, gateways, http_route, resource


def programmed(status: str, generation: int = 1) -> dict[str, Any]:
    condition = {"type": "Programmed", "status": status, "reason": "Pending", "message": "waiting for controller"}
    return {"conditions": [{**condition, "observedGeneration": generation}]}


# Description; the Gateway, while the HTTPRoute's status says that it was accepted; reason; words.
GATEWAYS: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "the listener is gone",
        {**PUBLIC, "spec": {"listeners": [LISTENERS[0]]}},
        "RouteNotAccepted",
        "no listener named secure",
    ),
    (
        "it is another protocol's",
        {**PUBLIC, "spec": {"listeners": [{**LISTENERS[1], "protocol": "TCP"}]}},
        "RouteNotAccepted",
        "secure",
    ),
    (
        "it is another host's",
        {**PUBLIC, "spec": {"listeners": [{**LISTENERS[1], "hostname": "other.example.com"}]}},
        "RouteNotAccepted",
        "f.example.com",
    ),
    (
        "it is being deleted",
        {**PUBLIC, "metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}},
        "RouteNotAccepted",
        "being deleted",
    ),
    (
        "it was made again, and nobody has it",
        {"spec": PUBLIC["spec"], "status": programmed("Unknown")},
        "RoutePending",
        "waiting",
    ),
    (
        "it was changed, and nobody has seen it",
        {"metadata": {"generation": 2}, "spec": PUBLIC["spec"], "status": programmed("True")},
        "RoutePending",
        "",
    ),
    ("it works and publishes no address", {"spec": PUBLIC["spec"], "status": programmed("True")}, "Admitted", ""),
    ("it tells nothing of itself", {"spec": PUBLIC["spec"]}, "Admitted", ""),
    (
        "it has an address whatever it says",
        {**PUBLIC, "status": {**PUBLIC["status"], **programmed("False")}},
        "Admitted",
        "",
    ),
]


@pytest.mark.parametrize(
    ("written", "reason"),
    [("2026-01-02T03:04:04Z", "RoutePending"), ("2026-01-02T03:04:05Z", "Admitted"), ("", "RoutePending")],
)
@pytest.mark.parametrize("cached", [False, True])
def test_gateway_without_status_counts_as_its_accepted_route(written: str, reason: str, cached: bool) -> None:
    """A Gateway's own conditions are unknown until a controller writes them, and some controllers never do."""
    entries = [{"manager": "gateway", "operation": "Update", "subresource": "status", "time": written}]
    metadata = {**ACCEPTED["metadata"], "name": "f", "namespace": "n", "managedFields": entries if written else []}
    route = {**ACCEPTED, "metadata": metadata}
    live = {
        "metadata": {"creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": PUBLIC["spec"],
        "status": programmed("Unknown"),
    }
    route = strip_unused_fields(HTTP_ROUTE, route) if cached else route
    assert route_state(resource(host="f.example.com", **GATEWAY), route, gateways(live)).reason == reason


@pytest.mark.parametrize(
    ("live", "reason", "words"), [each[1:] for each in GATEWAYS], ids=[each[0] for each in GATEWAYS]
)
def test_gateway_changed_after_accepting(live: dict[str, Any], reason: str, words: str) -> None:
    state = route_state(resource(host="f.example.com", **GATEWAY), ACCEPTED, gateways(live))
    assert state.reason == reason
    assert words in state.message


@pytest.mark.parametrize("missing", ["type", "status", "reason", "message"])
@pytest.mark.parametrize("status", ["True", "False"])
def test_incomplete_conditions_of_others_are_read(missing: str, status: str) -> None:
    reported = {"type": "Accepted", "status": status, "reason": "Because", "message": "of this"}
    del reported[missing]
    live = http_route()
    live["status"]["parents"][0]["conditions"] = [reported]
    named = {"gateway": {"parentRefs": [{"name": "public"}]}}
    bare = {"spec": {}, "status": {"addresses": [{"type": "IPAddress"}], "conditions": [reported]}}
    for public in (bare, {"spec": {}, "status": {"conditions": [reported]}}):
        state = route_state(resource(host="f.example.com", **named), live, gateways(public))
        decisive = missing in ("reason", "message")
        assert state.admitted == (decisive and status == "True"), state
