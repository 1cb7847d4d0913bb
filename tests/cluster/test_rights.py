"""The permissions that the chart grants are sufficient: no request of the operator is denied."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.k8s import rights
from devtools.k8s.api import CRD, Api, Faces, install, permissive_crd, until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import CHILDREN, HTTP_ROUTE, RESOURCE, SERVICE

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}


def denied(plane: ControlPlane, since: int) -> list[str]:
    """Returns the operators' requests that were forbidden."""
    return [
        f"{each['verb']} {each['requestURI']}"
        for each in plane.audit_events(since)
        if each["userAgent"].startswith("face-comparison-operator/") and each["responseStatus"]["code"] == 403
    ]


def test_single_namespace_without_outside_permissions(
    control_plane: ControlPlane, api: Api, alone: Operator, namespace: str
) -> None:
    since = control_plane.audit_position()
    faces = Faces(api, namespace)
    with alone:
        faces.deploy("faces", accelerator=CPU, networkPolicy=True, autoscaling={})
        faces.change("faces", networkPolicy=False, autoscaling=None, disruptionBudget=False)
        faces.wait_for("faces", "Deployed")
        api.delete(SERVICE, namespace, "faces")
        faces.change("faces", stage="v2", route={"gateway": {"parentRefs": [{"name": "public"}]}})
        faces.wait_for("faces", "ApiNotInstalled")
    uris = [
        each["requestURI"]
        for each in control_plane.audit_events(since)
        if "operator" in each["userAgent"] and "objectRef" in each  # discovery is open to everybody
    ]
    assert denied(control_plane, since) == []
    assert [uri for uri in uris if f"/namespaces/{namespace}/" not in uri] == []
    assert len({kind.plural for kind in CHILDREN if any(f"/{kind.plural}" in uri for uri in uris)}) == len(CHILDREN)


def test_revoked_namespace_does_not_affect_others(
    control_plane: ControlPlane, api: Api, namespace: str, tmp_path: Path
) -> None:
    """Deleting a namespace deletes the Role in it; the namespace remains in the operator's options."""
    gone = f"{namespace}-gone"
    control_plane.kubectl("create", "namespace", gone)
    options = (f"--set=watchNamespaces={{{namespace},{gone}}}", "--set=leaderElection=false")
    kubeconfig = rights.kubeconfig(control_plane, tmp_path, *options)
    control_plane.kubectl("delete", "namespace", gone)
    with Operator(kubeconfig, tmp_path, f"--namespaces={namespace},{gone}", "--no-leader-election") as operator:
        Faces(api, namespace).deploy("faces", accelerator=CPU)
        assert operator.health("livez")[0] == 200


def test_api_installed_later_is_used_without_discovery(api: Api, alone: Operator, namespace: str) -> None:
    faces = Faces(api, namespace)
    with alone:
        route = {"host": "faces.example.com", "gateway": {"parentRefs": [{"name": "public"}]}}
        faces.create("faces", accelerator=CPU, route=route)
        faces.wait_for("faces", "ApiNotInstalled")
        install(api, permissive_crd(HTTP_ROUTE))
        try:
            until(lambda: faces.child(HTTP_ROUTE, "faces"), bool, "the HTTPRoute is there")
            faces.wait_for("faces", "RoutePending", "RouteReady")
            accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
            parents = [{"parentRef": {"name": "public"}, "conditions": [accepted]}]
            api.merge(HTTP_ROUTE, namespace, "faces", {"status": {"parents": parents}}, "status")
            faces.wait_for("faces", "Admitted", "RouteReady")
        finally:
            api.delete(CRD, None, f"{HTTP_ROUTE.plural}.gateway.networking.k8s.io")


def test_resources_of_other_namespaces_are_ignored(api: Api, alone: Operator, namespace: str) -> None:
    with alone:
        elsewhere = Faces(api, "default")
        elsewhere.create("elsewhere", accelerator=CPU)
        try:
            Faces(api, namespace).deploy("faces", accelerator=CPU)
            assert elsewhere.get("elsewhere")["status"] == {"observedGeneration": -1}, "no operator has seen it"
            assert elsewhere.children() == []
        finally:
            api.delete(RESOURCE, "default", "elsewhere")
