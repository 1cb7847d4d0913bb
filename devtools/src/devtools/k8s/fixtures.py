"""Fixtures of the cluster tests: a shared control plane, a namespace per test, and a checkout to build images from.

`FACE_COMPARISON_TEST_KUBECONFIG` names an existing cluster to use instead; tests that need the audit log, kwok's nodes,
or to stop the API server request `control_plane` and are skipped there.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.k8s.controlplane import Cluster, ControlPlane, ExistingCluster
from devtools.k8s.link import Link, missing
from devtools.k8s.programs import PartUnavailable
from devtools.local_cluster import images

EXISTING = os.environ.get("FACE_COMPARISON_TEST_KUBECONFIG")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real Kubernetes API: started here, or the existing one."""
    if EXISTING:
        yield ExistingCluster(Path(EXISTING))
        return
    try:
        plane = ControlPlane().start()
    except PartUnavailable as missing:
        if os.environ.get("CI"):  # in CI, where every test must run, a missing program is a failure
            raise
        pytest.skip(str(missing))
    yield plane
    plane.stop()


@pytest.fixture(scope="session")
def control_plane(cluster: Cluster) -> ControlPlane:
    """The control plane started here, with its audit log and its two kwok nodes `cpu-0` and `gpu-0`."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("an existing cluster has neither an accessible audit log nor kwok's nodes")
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, which is deleted with its content afterwards."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def link(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Link]:
    """A link to the control plane that the test can cut; use it with `control_plane.kubeconfig_for(link.url)`."""
    if reason := missing():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with Link(control_plane.port, tmp_path / "link") as created:
        yield created


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A checkout with the files that container images are built from."""
    for name in ("service/src/a.py", "operator/src/b.py", "container/slim.py", *images.SOURCES):
        path = tmp_path / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    chart = tmp_path / "charts" / "face-comparison" / "Chart.yaml"
    chart.parent.mkdir(parents=True)
    chart.write_text("appVersion: 1.2.3\n")
    return tmp_path
