"""The route in force, from live objects that others may have edited."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.applied_route import with_applied_route
from face_comparison_operator.resource import FaceComparison, parse
from face_comparison_operator.routing import route_state

OURS = {"service": {"name": "faces", "port": {"name": "http"}}}
OTHER = {"service": {"name": "other", "port": {"name": "http"}}}


def resource(**status: Any) -> FaceComparison:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 2}
    return parse({"metadata": metadata, "spec": {"stage": "asked"}, "status": status})


# Description; paths of the live Ingress's rule; the stages that it serves.
PATHS: list[tuple[str, list[Any], tuple[str, ...]]] = [
    ("a path", [{"path": "/v2", "pathType": "Prefix", "backend": OURS}], ("v2",)),
    ("a path of another Service", [{"backend": OTHER}, {"path": "/v2", "backend": OURS}], ("v2",)),
    ("a missing path", [{"pathType": "ImplementationSpecific", "backend": OURS}], ("asked",)),
    ("a missing path beside one", [{"backend": OURS}, {"path": "/v2", "backend": OURS}], ("v2",)),
    ("the root", [{"path": "/", "pathType": "Prefix", "backend": OURS}], ("asked",)),
    ("a backend that is no Service", [{"path": "/a", "backend": {"resource": {}}}, {"backend": OURS}], ("asked",)),
]


@pytest.mark.parametrize(("paths", "stages"), [case[1:] for case in PATHS], ids=[case[0] for case in PATHS])
def test_stages_of_edited_ingress(paths: list[Any], stages: tuple[str, ...]) -> None:
    live = {"spec": {"rules": [{"host": "other.example.com"}, {"host": "f.example.com", "http": {"paths": paths}}]}}
    found = with_applied_route(resource(), live, None)
    assert (found.spec.route.host, found.stages) == ("f.example.com", stages)


@pytest.mark.parametrize("spec", [{}, {"defaultBackend": OURS}, {"rules": [{"host": "f.example.com"}]}])
def test_ingress_without_own_path(spec: dict[str, Any]) -> None:
    found = with_applied_route(resource(), {"spec": spec}, None)
    assert (found.spec.route.host, found.stages) == (None, ("asked",))


# Description; rules of the live HTTPRoute; the stages that it serves.
RULES: list[tuple[str, list[Any], tuple[str, ...]]] = [
    ("a path", [{"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}]}], ("v2",)),
    ("a match without a path", [{"matches": [{"headers": [{"name": "a", "value": "b"}]}]}], ("asked",)),
    ("a path without a value", [{"matches": [{"path": {"type": "PathPrefix"}}]}], ("asked",)),
    ("one of both", [{"matches": [{"method": "GET"}, {"path": {"value": "/v2"}}]}], ("v2",)),
    ("no matches", [{}], ("asked",)),
]


@pytest.mark.parametrize(("rules", "stages"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
def test_stages_of_edited_http_route(rules: list[Any], stages: tuple[str, ...]) -> None:
    spec = {"parentRefs": [{"name": "public"}], "hostnames": ["f.example.com"], "rules": rules}
    found = with_applied_route(resource(), None, {"spec": spec})
    assert (found.spec.route.host, found.stages) == ("f.example.com", stages)


@pytest.mark.parametrize("live", [{"metadata": {}}, {"spec": {}}, {"spec": {"rules": [{}]}}])
def test_http_route_without_parents_is_not_admitted(live: dict[str, Any]) -> None:
    found = with_applied_route(resource(), None, live)
    state = route_state(found, {**live, "metadata": {"generation": 1}})
    assert (state.admitted, state.message) == (False, "the HTTPRoute faces names no Gateway")


def test_parents_of_other_kinds_are_no_gateways() -> None:
    """Somebody may have attached the HTTPRoute to a Service or to a set of listeners."""
    others = [{"group": "", "kind": "Service", "name": "faces", "port": 80}, {"kind": "ListenerSet", "name": "extra"}]
    found = with_applied_route(resource(), None, {"spec": {"parentRefs": [*others, {"name": "public"}]}})
    assert found.spec.route.gateway is not None
    assert [each.name for each in found.spec.route.gateway.parent_refs] == ["public"]
