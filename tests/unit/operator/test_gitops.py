"""The documented health check for Argo CD, on statuses as the operator writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from lupa import LuaRuntime

from devtools import ROOT
from face_comparison_operator.observation import Observed, ProbeResult
from face_comparison_operator.refusals import Refusal
from face_comparison_operator.resource import parse
from face_comparison_operator.routing import RouteState
from face_comparison_operator.spec import Spec
from face_comparison_operator.status import status
from support.recorded import FAULTS, ready_of
from support.recorded import resource as recorded

PAGE = (ROOT / "docs" / "how-to" / "gitops.md").read_text()
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ADMITTED = RouteState(True, "Admitted", "taken", "http://f.example.com/prod/face_comparison")
PENDING = RouteState(False, "AddressPending", "no address")
TEMPLATE: dict[str, Any] = {"metadata": {"annotations": {}}}


def deployment(wanted: int = 1, available: int = 1) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "updatedReplicas"), wanted)
    counts |= dict.fromkeys(("availableReplicas", "readyReplicas"), available)
    spec = {"replicas": wanted, "template": TEMPLATE}
    return {"metadata": {"generation": 1}, "spec": spec, "status": {"observedGeneration": 1, **counts}}


def resource(observed: Observed | None, generation: int = 1) -> dict[str, Any]:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": generation}
    body = {"metadata": metadata, "spec": {}, "status": {"observedGeneration": -1}}
    if observed is not None:
        body["status"] = status(parse({**body, "metadata": {**metadata, "generation": 1}}), observed, NOW)
    return body


def health(body: dict[str, Any]) -> str:
    found = re.search(r"```lua\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(body, recursive=True)
    return str(lua.execute(found[1]).status)


SERVES = Observed(ADMITTED, deployment())
ELSEWHERE = ProbeResult("unexpected", "it answers 404")
REFUSED = [Refusal("Deployment", "ApplyFailed", "no")]
PAUSED = [Refusal("Deployment", "Paused", "paused")]
TERMINATING = [Refusal("FaceComparison", "Terminating", "it waits for example.com/hold")]

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("the operator has not seen it", resource(None), "Progressing"),
    ("a changed spec that the operator has not seen", resource(SERVES, generation=2), "Progressing"),
    ("pods are starting", resource(Observed(ADMITTED, deployment(1, 0))), "Progressing"),
    ("no address yet", resource(Observed(PENDING, deployment())), "Progressing"),
    ("it serves", resource(SERVES), "Healthy"),
    ("another service answers", resource(Observed(ADMITTED, deployment(), probe=ELSEWHERE)), "Degraded"),
    ("a child is rejected", resource(Observed(ADMITTED, deployment(), refusals=REFUSED)), "Degraded"),
    ("it is being deleted", resource(Observed(ADMITTED, deployment(), refusals=TERMINATING)), "Progressing"),
    ("scaled to zero", resource(Observed(ADMITTED, deployment(0, 0))), "Suspended"),
    ("paused", resource(Observed(ADMITTED, deployment(), refusals=PAUSED)), "Suspended"),
]


@pytest.mark.parametrize(("body", "expected"), [each[1:] for each in CASES], ids=[each[0] for each in CASES])
def test_health(body: dict[str, Any], expected: str) -> None:
    assert health(body) == expected


# Argo CD's health for a recorded fault, by its reason: keep waiting, or fail at once.
PATIENT = {"AddressPending", "ProbeFailed", "Deploying", "RoutePending", "ChildTerminating", "PodTerminating"}
STILL = {"Paused", "ScaledToZero"}


@pytest.mark.parametrize("name", FAULTS)
def test_health_of_recorded_faults(name: str) -> None:
    """As the operator wrote them on the real node."""
    ready = ready_of(FAULTS[name])
    expected = "Healthy" if ready["status"] == "True" else "Degraded"
    if ready["reason"] in PATIENT:
        expected = "Progressing"
    if ready["reason"] in STILL:
        expected = "Suspended"
    assert health(recorded(FAULTS[name])) == expected
    assert health(recorded(FAULTS[name], generation=99)) == "Progressing"


def test_flux_examples_wait_for_the_deployment_deadline() -> None:
    (example,) = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    assert (example["kind"], example["spec"]["wait"]) == ("Kustomization", True)
    minutes = int(example["spec"]["timeout"].removesuffix("m"))
    assert minutes * 60 > Spec().deploy_deadline_seconds
