"""Sample resources and kubectl manifests, on the real API server with strict field validation."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devtools import ROOT
from devtools.k8s.controlplane import ControlPlane

pytestmark = pytest.mark.cluster

MANIFESTS = ROOT / "manifests"
SAMPLES = sorted((MANIFESTS / "samples").glob("*.yaml"))


@pytest.fixture
def definition(plane: ControlPlane, restricted: str) -> str:
    """The CRD from manifests/crd.yaml; returns a namespace."""
    plane.kubectl("apply", "--server-side", "-f", str(MANIFESTS / "crd.yaml"))
    plane.kubectl("wait", "--for=condition=Established", "crd/facecomparisons.facecomparison.dev", "--timeout=30s")
    return restricted


def test_samples_exist() -> None:
    assert [each.stem for each in SAMPLES] == ["autoscaled", "collections", "cpu", "gpu"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_sample_is_accepted(plane: ControlPlane, definition: str, sample: Path) -> None:
    plane.kubectl("create", "--validate=strict", f"--namespace={definition}", "-f", str(sample))


def test_install_yaml_runs_the_operator_under_restricted_pod_security(plane: ControlPlane, restricted: str) -> None:
    install = str(MANIFESTS / "install.yaml")
    namespace = "face-comparison-system"
    try:
        plane.kubectl("apply", "--server-side", "--validate=strict", "-f", install)
        arguments = ("deployment/face-comparison", f"--namespace={namespace}", "--timeout=60s")
        plane.kubectl("wait", "--for=condition=Available", *arguments)
        label = "pod-security\\.kubernetes\\.io/enforce"
        assert plane.kubectl("get", "namespace", namespace, f"-o=jsonpath={{.metadata.labels.{label}}}") == "restricted"
    finally:
        plane.kubectl("delete", "--ignore-not-found", "--timeout=60s", "-f", install)


def test_crd_yaml_equals_crd_in_install_yaml() -> None:
    definition = yaml.safe_load((MANIFESTS / "crd.yaml").read_text())
    installed = list(yaml.safe_load_all((MANIFESTS / "install.yaml").read_text()))
    assert [each for each in installed if each["kind"] == "CustomResourceDefinition"] == [definition]


def test_manifests_have_no_helm_labels() -> None:
    paths = list(MANIFESTS.glob("*.yaml"))
    assert len(paths) >= 2
    for path in paths:
        assert "helm" not in path.read_text().lower(), path
