"""The URL of a resource, and whether its route's controller has accepted it."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.api_resources import HTTP_ROUTE
from face_comparison_operator.cache import strip_unused_fields
from face_comparison_operator.resource import FaceComparison, parse
from face_comparison_operator.routing import Gateways, Target, route_state

PATH = "/prod/face_comparison"


def resource(**route: Any) -> FaceComparison:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 1}
    return parse({"metadata": metadata, "spec": {"route": route}})


def ingress(*addresses: dict[str, Any]) -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": list(addresses)}}}


TLS = {"host": "f.example.com", "ingress": {"tlsSecret": "t"}}
ADDRESS = {"ip": "192.0.2.1"}

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


GATEWAY = {"gateway": {"parentRefs": [{"name": "public", "sectionName": "secure"}]}}
LISTENERS = [
    {"name": "plain", "protocol": "HTTP", "port": 80},
    {"name": "secure", "protocol": "HTTPS", "port": 8443},
]
PUBLIC: dict[str, Any] = {"spec": {"listeners": LISTENERS}, "status": {"addresses": [{"value": "192.0.2.9"}]}}


def gateways(public: dict[str, Any]) -> Gateways:
    return Gateways({("ns", "public"): public})


def http_route(**conditions: str) -> dict[str, Any]:
    told = [
        {"type": kind, "status": status, "reason": "Because", "message": "of this"}
        for kind, status in conditions.items()
    ]
    return {
        "metadata": {"generation": 1},
        "status": {"parents": [{"parentRef": {"name": "public"}, "conditions": told}]},
    }


ACCEPTED = http_route(Accepted="True", ResolvedRefs="True")


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


def parent(name: str, generation: int | None = 1, status: str = "True", **reference: Any) -> dict[str, Any]:
    told = {"type": "Accepted", "status": status, "reason": "Because", "message": "of this"}
    if generation is not None:
        told["observedGeneration"] = generation  # type: ignore[assignment]
    return {"parentRef": {"name": name, **reference}, "conditions": [told]}


# Description; parentRefs of the spec; generation of the HTTPRoute; its status; missing Gateways; reason, words.
PARENTS: list[tuple[str, list[Any], int, list[Any], list[Any], str, str]] = [
    ("an entry of another parent", [{"name": "nosuch"}], 2, [parent("public", 2)], [], "RoutePending", "ns/nosuch"),
    (
        "a Gateway that does not exist",
        [{"name": "nosuch"}],
        2,
        [parent("public", 1)],
        [("ns", "nosuch")],
        "RouteNotAccepted",
        "ns/nosuch does not exist",
    ),
    (
        "a Gateway that has gone since it accepted",
        [{"name": "public"}],
        1,
        [parent("public")],
        [("ns", "public")],
        "RouteNotAccepted",
        "does not exist",
    ),
    ("an earlier generation", [{"name": "public"}], 2, [parent("public", 1)], [], "RoutePending", "changed HTTPRoute"),
    ("the present generation", [{"name": "public"}], 2, [parent("public", 2)], [], "Admitted", ""),
    ("a controller that tells no generation", [{"name": "public"}], 2, [parent("public", None)], [], "Admitted", ""),
    (
        "the same name in another namespace",
        [{"name": "public", "namespace": "edge"}],
        1,
        [parent("public")],
        [],
        "RoutePending",
        "edge/public",
    ),
    (
        "another listener of the same Gateway",
        [{"name": "public", "sectionName": "secure"}],
        1,
        [parent("public", sectionName="plain")],
        [],
        "RoutePending",
        "",
    ),
    (
        "a refusal of an earlier generation",
        [{"name": "public"}],
        2,
        [parent("public", 1, "False")],
        [],
        "RoutePending",
        "",
    ),
    (
        "one of two Gateways does not exist",
        [{"name": "public"}, {"name": "nosuch"}],
        1,
        [parent("public")],
        [("ns", "nosuch")],
        "RouteNotAccepted",
        "nosuch",
    ),
    (
        "one of two Gateways has not reported",
        [{"name": "public"}, {"name": "slow"}],
        1,
        [parent("public")],
        [],
        "Admitted",
        "ns/slow has not reported",
    ),
    (
        "a mesh's Service",
        [{"name": "public"}],
        1,
        [parent("public", kind="Service")],
        [],
        "RoutePending",
        "",
    ),
]


@pytest.mark.parametrize(
    ("refs", "generation", "parents", "missing", "reason", "words"),
    [each[1:] for each in PARENTS],
    ids=[each[0] for each in PARENTS],
)
def test_other_parents_and_generations_are_ignored(
    refs: list[Any], generation: int, parents: list[Any], missing: list[Any], reason: str, words: str
) -> None:
    live = {"metadata": {"generation": generation}, "status": {"parents": parents}}
    found = Gateways({("ns", "public"): PUBLIC}, frozenset(missing))
    state = route_state(resource(host="f.example.com", gateway={"parentRefs": refs}), live, found)
    assert (state.reason, state.admitted) == (reason, reason == "Admitted")
    assert words in state.message


def test_cluster_internal_url() -> None:
    service = {"spec": {"clusterIP": "10.96.0.7"}}
    state = route_state(resource(none={}), None, service=service)
    assert (state.admitted, state.reason) == (True, "ClusterInternal")
    assert state.url == f"http://faces.ns.svc{PATH}"
    assert state.target == Target("10.96.0.7", 80, False, "faces.ns.svc", PATH)


def test_tls_with_default_certificate_of_the_controller() -> None:
    state = route_state(resource(host="f.example.com", ingress={"tls": True}), ingress(ADDRESS))
    assert state.url == f"https://f.example.com{PATH}"


def entry(controller: str, **conditions: tuple[str, int]) -> dict[str, Any]:
    told = [
        {"type": kind, "status": status, "observedGeneration": generation, "reason": controller, "message": "of this"}
        for kind, (status, generation) in conditions.items()
    ]
    return {"parentRef": {"name": "public"}, "controllerName": controller, "conditions": told}


# Description; statuses by the controllers of one parent, for generation 2 of the HTTPRoute; reason; words.
CONTROLLERS: list[tuple[str, list[Any], str, str]] = [
    ("one left a yes behind, the other has not spoken", [entry("a", Accepted=("True", 1))], "RoutePending", "changed"),
    (
        "one left a yes behind, the other refuses",
        [entry("a", Accepted=("True", 1)), entry("b", Accepted=("False", 2))],
        "RouteNotAccepted",
        "reports b",
    ),
    (
        "one left a no behind, the other accepts",
        [entry("a", Accepted=("False", 1)), entry("b", Accepted=("True", 2))],
        "Admitted",
        "",
    ),
    (
        "one refuses still, the other accepts",
        [entry("a", Accepted=("False", 2)), entry("b", Accepted=("True", 2))],
        "Admitted",
        "",
    ),
    (
        "accepted, with a backend that is missing",
        [entry("a", Accepted=("True", 2), ResolvedRefs=("False", 2))],
        "RouteNotAccepted",
        "reports a",
    ),
    (
        "accepted, with a backend that was missing",
        [entry("a", Accepted=("True", 2), ResolvedRefs=("False", 1))],
        "Admitted",
        "",
    ),
    (
        "one accepts the route, another its backend",
        [entry("a", Accepted=("Unknown", 2), ResolvedRefs=("True", 2))],
        "RoutePending",
        "",
    ),
    ("a controller that has nothing to say", [entry("a")], "RoutePending", "not reported"),
]


@pytest.mark.parametrize(
    ("parents", "reason", "words"), [each[1:] for each in CONTROLLERS], ids=[each[0] for each in CONTROLLERS]
)
def test_multiple_controllers_of_one_parent(parents: list[Any], reason: str, words: str) -> None:
    live = {"metadata": {"generation": 2}, "status": {"parents": parents}}
    state = route_state(
        resource(host="f.example.com", gateway={"parentRefs": [{"name": "public"}]}), live, gateways(PUBLIC)
    )
    assert state.reason == reason
    assert words in state.message


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
    told = {"type": "Accepted", "status": status, "reason": "Because", "message": "of this"}
    del told[missing]
    live = http_route()
    live["status"]["parents"][0]["conditions"] = [told]
    named = {"gateway": {"parentRefs": [{"name": "public"}]}}
    bare = {"spec": {}, "status": {"addresses": [{"type": "IPAddress"}], "conditions": [told]}}
    for public in (bare, {"spec": {}, "status": {"conditions": [told]}}):
        state = route_state(resource(host="f.example.com", **named), live, gateways(public))
        decisive = missing in ("reason", "message")
        assert state.admitted == (decisive and status == "True"), state
