"""Optional APIs that are not installed are reported, and used once they are."""

from __future__ import annotations

import pytest

from devtools.k8s.api import CRD, Faces, Refused, install, permissive_crd, until
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import HTTP_ROUTE, SCALED_OBJECT

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}


def test_api_installed_later_is_used(faces: Faces, operator: Operator) -> None:
    """And nobody is warned, at each change of any definition, of APIs that are optional."""
    faces.create("faces", accelerator=CPU, autoscaling={"metric": "InFlight"})
    faces.publish("faces")
    faces.wait_for("faces", "Deployed")  # serves in the meantime
    missing = faces.wait_for("faces", "ApiNotInstalled", "AutoscalerReady")
    assert "keda.sh" in missing["message"]
    install(faces.api, permissive_crd(SCALED_OBJECT))
    try:
        until(lambda: faces.child(SCALED_OBJECT, "faces"), bool, "the ScaledObject is there")
        faces.wait_for("faces", "Accepted", "SpecAccepted")
    finally:
        faces.api.delete(CRD, None, f"{SCALED_OBJECT.plural}.keda.sh")
    assert "Unresolved resources" not in operator.log.read_text()


def test_route_with_missing_api_keeps_the_previous_route(faces: Faces) -> None:
    with pytest.raises(Refused):
        faces.api.all(HTTP_ROUTE, faces.namespace)
    faces.deploy("faces", accelerator=CPU)
    children = len(faces.children())
    faces.change("faces", route={"gateway": {"parentRefs": [{"name": "public"}]}})
    assert "HTTPRoute" in faces.wait_for("faces", "ApiNotInstalled")["message"]
    assert len(faces.children()) == children
