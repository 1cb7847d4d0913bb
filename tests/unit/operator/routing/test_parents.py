"""Several parents and controllers of one HTTPRoute."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.routing import Gateways, route_state
from support.route_objects import PUBLIC, gateways, parent, resource

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
    (
        "a set of listeners",
        [{"name": "public"}],
        1,
        [parent("public", kind="ListenerSet")],
        [],
        "RoutePending",
        "",
    ),
    (
        "a Gateway of another API",
        [{"name": "public"}],
        1,
        [parent("public", group="networking.istio.io")],
        [],
        "RoutePending",
        "",
    ),
    (
        "a Gateway by its group and kind",
        [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}],
        1,
        [parent("public", group="gateway.networking.k8s.io", kind="Gateway")],
        [],
        "Admitted",
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
