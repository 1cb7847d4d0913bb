"""The real API server accepts every object that any option creates, with strict field validation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from devtools import ROOT
from devtools.helm import EVERY_OPTION, Helm
from devtools.k8s import programs
from devtools.k8s.controlplane import ControlPlane

pytestmark = pytest.mark.cluster


@pytest.fixture
def definitions(plane: ControlPlane, restricted: str) -> Iterator[str]:
    """The CRDs of the Prometheus operator and our own; returns a namespace."""
    ours = ROOT / "manifests" / "crd.yaml"
    theirs = programs.data("monitoring-crds")
    for path in (ours, *theirs):
        plane.kubectl("apply", "--server-side", "-f", str(path))
        plane.kubectl("wait", "--for=condition=Established", "-f", str(path), "--timeout=30s")
    yield restricted
    for path in theirs:
        plane.kubectl("delete", "-f", str(path))


def test_every_option_is_accepted(plane: ControlPlane, helm: Helm, definitions: str) -> None:
    here = f"--set=watchNamespaces={{{definitions}}},faceComparison.namespace={definitions},crds.enabled=false"
    known = ("--api-versions", "facecomparison.dev/v1alpha1")
    objects = helm.template("--values", EVERY_OPTION, here, *known, namespace=definitions)
    kinds = {each["kind"] for each in objects}
    assert {"PrometheusRule", "ServiceMonitor", "NetworkPolicy", "PodDisruptionBudget", "FaceComparison"} <= kinds

    created = plane.kubectl("create", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects))

    assert len(created.splitlines()) == len(objects)
    plane.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(objects))
