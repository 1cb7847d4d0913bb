"""Migration to another `stage`, step by step, from live objects and the published stage."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.objects import desired
from face_comparison_operator.resource import FaceComparison, parse
from face_comparison_operator.settings import Settings
from face_comparison_operator.stage_migration import with_stage_migration


def resource(stage: str, told: str | None) -> FaceComparison:
    status = {"url": f"https://f.example.com/{told}/face_comparison"} if told else {}
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 1}
    return parse({"metadata": metadata, "spec": {"stage": stage}, "status": status})


def deployment(stage: str, former: str | None = None) -> dict[str, Any]:
    """Returns the live Deployment after applying a resource with these stages."""
    expected = with_stage_migration(resource(stage, former), None, complete=False)
    (found,) = [each for each in desired(expected, Settings()) if each["kind"] == "Deployment"]
    return found


# Stage in the spec, published stage, live objects, whether all pods are new; stages of the route, pods' former stage.
STEPS: list[tuple[str, str, str | None, dict[str, Any] | None, bool, tuple[str, ...], str | None]] = [
    ("a new resource", "prod", None, None, False, ("prod",), None),
    ("at rest", "prod", "prod", deployment("prod"), True, ("prod",), None),
    ("just changed", "v2", "prod", deployment("prod"), True, ("prod",), "prod"),
    ("pods are replaced", "v2", "prod", deployment("v2", "prod"), False, ("prod",), "prod"),
    ("all are new", "v2", "prod", deployment("v2", "prod"), True, ("v2", "prod"), "prod"),
    ("told", "v2", "v2", deployment("v2", "prod"), True, ("v2",), "prod"),
    ("changed once more, half-way", "v3", "prod", deployment("v2", "prod"), False, ("prod",), "prod"),
    ("taken back, half-way", "prod", "prod", deployment("v2", "prod"), False, ("prod",), None),
    ("changed back afterwards", "prod", "v2", deployment("v2", "prod"), True, ("v2",), "v2"),
    ("the Deployment was deleted", "v2", "prod", None, False, ("prod",), "prod"),
]


@pytest.mark.parametrize(
    ("expected", "reported", "live", "complete", "stages", "former"),
    [case[1:] for case in STEPS],
    ids=[case[0] for case in STEPS],
)
def test_step(
    expected: str,
    reported: str | None,
    live: dict[str, Any] | None,
    complete: bool,
    stages: tuple[str, ...],
    former: str | None,
) -> None:
    found = with_stage_migration(resource(expected, reported), live, complete=complete)
    assert (found.stages, found.former_stage) == (stages, former)


@pytest.mark.parametrize("gateway", [False, True])
def test_route_serves_both_stages_during_migration(gateway: bool) -> None:
    route: dict[str, Any] = {"gateway": {"parentRefs": [{"name": "public"}]}} if gateway else {}
    body = {
        "metadata": {"name": "faces", "namespace": "ns", "uid": "u"},
        "spec": {"stage": "v2", "route": route},
        "status": {"url": "http://192.0.2.1/prod/face_comparison"},
    }
    found = desired(with_stage_migration(parse(body), deployment("v2", "prod"), complete=True), Settings())
    (created,) = [each for each in found if each["kind"] in ("Ingress", "HTTPRoute")]
    (rule,) = created["spec"]["rules"]
    if gateway:
        paths = [match["path"]["value"] for match in rule["matches"]]
    else:
        paths = [path["path"] for path in rule["http"]["paths"]]
    assert paths == ["/v2", "/prod"]


@pytest.mark.parametrize("url", ["", "http://f.example.com", "http://f.example.com/", "http://[", "faces"])
def test_edited_url_without_stage_is_ignored(url: str) -> None:
    """Somebody with the right to write statuses may have edited it."""
    body = {"metadata": {"name": "faces", "namespace": "ns", "uid": "u"}, "spec": {}, "status": {"url": url}}
    assert with_stage_migration(parse(body), None, complete=False).stages == ("prod",)


def test_deployment_with_containers_without_environment() -> None:
    live = deployment("prod")
    live["spec"]["template"]["spec"]["containers"].append({"name": "mesh", "env": None})
    assert with_stage_migration(resource("prod", "prod"), live, complete=True).stages == ("prod",)
