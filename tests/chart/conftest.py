"""helm without a cluster, and a control plane for the chart's tests alone, because they remove the CRD."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from devtools.helm import Helm
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.programs import PartUnavailable, binary


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The real helm, without a cluster."""
    try:
        binary("helm")
    except PartUnavailable as missing:
        if os.environ.get("CI"):  # in CI, where every test must run, a missing program is a failure
            raise
        pytest.skip(str(missing))
    return Helm()


@pytest.fixture(scope="session")
def plane(helm: Helm) -> Iterator[ControlPlane]:
    """A control plane with kwok's nodes, initially without anything from the chart."""
    try:
        plane = ControlPlane().start()
    except PartUnavailable as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    yield plane
    plane.stop()


@pytest.fixture
def releases(plane: ControlPlane) -> Helm:
    """helm for the control plane."""
    return Helm(plane.kubeconfig)


@pytest.fixture
def restricted(plane: ControlPlane, releases: Helm) -> Iterator[str]:
    """A namespace with the `restricted` Pod Security level; every release is removed after the test."""
    name = f"test-{os.urandom(4).hex()}"
    plane.kubectl("create", "namespace", name)
    plane.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    for release in releases.run("list", "--short", "--namespace", name).split():
        releases.run("uninstall", release, "--no-hooks", "--namespace", name)
    plane.kubectl("delete", "namespace", name, "--wait=false")
    plane.kubectl("delete", "crd", "facecomparisons.facecomparison.dev", "--ignore-not-found")
