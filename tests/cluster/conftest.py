"""The CRD, an operator per module, and resources in a namespace of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devtools.k8s import rights
from devtools.k8s.api import DEFINITION, Api, Faces, install
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Api:
    """The API server with the CRD installed."""
    api = Api(control_plane.kubeconfig)
    install(api, yaml.safe_load(DEFINITION.read_text()))
    return api


@pytest.fixture(scope="module")
def operator(api: Api, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator of the whole cluster, with exactly the permissions that the chart grants.

    Modules whose tests start their own operators must not request it.
    """
    folder = tmp_path_factory.mktemp("operator")
    with Operator(rights.kubeconfig(control_plane, folder), folder) as running:
        yield running


@pytest.fixture
def faces(api: Api, operator: Operator, namespace: str) -> Faces:
    """Resources in a namespace of the test's own, served by the cluster's operator."""
    return Faces(api, namespace)


@pytest.fixture
def alone(api: Api, control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Operator:
    """A stopped operator for the test's namespace only, without permissions outside it and without leader election.

    Use it with `Faces(api, namespace)` in a module without `operator`, because both would do the same work.
    """
    options = (f"--set=watchNamespaces={{{namespace}}}", "--set=leaderElection=false")
    kubeconfig = rights.kubeconfig(control_plane, tmp_path, *options)
    return Operator(kubeconfig, tmp_path, f"--namespaces={namespace}", "--no-leader-election")
