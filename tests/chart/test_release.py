"""The life cycle of a release on the real API server: install, upgrade, roll back, uninstall, reinstall."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest

from devtools.helm import CHART, NEEDED, RELEASE, Helm, HelmFailed
from devtools.k8s.controlplane import ControlPlane, KubectlFailed
from devtools.k8s.programs import binary

pytestmark = pytest.mark.cluster

DEFINITION = "facecomparisons.facecomparison.dev"
FIRST = "--set=faceComparison.create=true,faceComparison.spec.accelerator.type=cpu"


def resource(plane: ControlPlane, namespace: str, name: str = RELEASE) -> dict[str, Any]:
    return json.loads(plane.kubectl("get", "facecomparison", name, f"--namespace={namespace}", "-o=json"))


def uid(plane: ControlPlane, namespace: str, name: str = RELEASE) -> str:
    return resource(plane, namespace, name)["metadata"]["uid"]


def left(plane: ControlPlane, namespace: str) -> list[str]:
    """Returns remaining objects of the release, in the namespace and cluster-wide."""
    inside = (
        "deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,networkpolicies,secrets,leases"
    )
    outside = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
    mine = ("--output=name", f"--selector=app.kubernetes.io/instance={RELEASE}")
    release = plane.kubectl("get", "secrets", f"--namespace={namespace}", "--selector=owner=helm", "--output=name")
    return (
        plane.kubectl("get", inside, f"--namespace={namespace}", *mine) + plane.kubectl("get", outside, *mine) + release
    ).split()


def test_reinstall(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    releases.install(restricted)
    plane.kubectl("create", f"--namespace={restricted}", "-f", "-", stdin=json.dumps(faces("faces")))
    before = uid(plane, restricted, "faces")

    releases.uninstall(restricted)
    assert left(plane, restricted) == []
    assert uid(plane, restricted, "faces") == before, "what users made outlives the release"

    releases.install(restricted)
    assert uid(plane, restricted, "faces") == before


def test_crd_not_kept_is_deleted_with_the_release(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    releases.install(restricted, "--set=crds.keep=false")
    releases.uninstall(restricted)
    with pytest.raises(KubectlFailed, match="NotFound"):
        plane.kubectl("get", "crd", DEFINITION)


def test_crd_may_exist_before_the_release(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    manifest = CHART.parent.parent / "manifests" / "crd.yaml"
    plane.kubectl("apply", "--server-side", "-f", str(manifest))
    with pytest.raises(HelmFailed, match="invalid ownership metadata"):
        releases.install(restricted)
    releases.run("uninstall", RELEASE, "--namespace", restricted, "--ignore-not-found")
    releases.install(restricted, "--set=crds.enabled=false")
    releases.uninstall(restricted)
    plane.kubectl("get", "crd", DEFINITION)


def test_another_release_adopts_a_kept_crd(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    releases.install(restricted)
    releases.uninstall(restricted)
    releases.install(restricted, "--take-ownership", release="other")
    releases.uninstall(restricted, release="other")


def test_commands_in_notes_work(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    place = (f"--namespace={restricted}", f"--set=watchNamespaces={{{restricted}}}", "--wait", "--timeout=90s")
    notes = releases.run("install", RELEASE, CHART, *NEEDED, *place).partition("NOTES:")[2]
    (start,) = re.findall(r"^kubectl apply .*?^EOF$", notes, re.MULTILINE | re.DOTALL)
    bash(plane, start)
    assert resource(plane, restricted, "faces")["spec"]["accelerator"]["type"] == "cpu"

    bash(plane, notes.partition("so that nothing keeps running:")[2])
    assert left(plane, restricted) == []
    with pytest.raises(KubectlFailed, match="NotFound"):
        plane.kubectl("get", "crd", DEFINITION)


def bash(plane: ControlPlane, script: str) -> None:
    """Runs commands as somebody who pastes them into a shell."""
    tools = binary("kubectl").parent
    assert binary("helm").parent == tools
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig), "PATH": f"{tools}:{os.environ['PATH']}"}
    command = ["bash", "-euc", script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


class TestFirstResource:
    """No operator runs here, so nothing waits for the resource, as Helm otherwise does."""

    def test_is_deleted_with_a_release_older_than_its_api(
        self, plane: ControlPlane, releases: Helm, restricted: str
    ) -> None:
        releases.install(restricted, FIRST, wait=False)
        assert resource(plane, restricted)["spec"]["accelerator"]["type"] == "cpu"
        releases.uninstall(restricted)
        assert plane.kubectl("get", "facecomparisons", "--all-namespaces", "--output=name") == ""

    def test_is_deleted_with_a_release_newer_than_its_api(
        self, plane: ControlPlane, releases: Helm, restricted: str
    ) -> None:
        releases.install(restricted)
        releases.uninstall(restricted)
        releases.install(restricted, FIRST, wait=False)
        assert not [
            each for each in resource(plane, restricted)["metadata"]["annotations"] if each.startswith("helm.sh/")
        ]
        releases.uninstall(restricted)
        assert plane.kubectl("get", "facecomparisons", "--all-namespaces", "--output=name") == ""

    def test_is_changed_in_place_by_upgrades(self, plane: ControlPlane, releases: Helm, restricted: str) -> None:
        releases.install(restricted, FIRST, wait=False)
        before = uid(plane, restricted)
        for stage in ("first-upgrade", "second-upgrade"):
            releases.upgrade(restricted, FIRST, f"--set=faceComparison.spec.stage={stage}", wait=False)
            assert resource(plane, restricted)["spec"]["stage"] == stage
            assert uid(plane, restricted) == before

    def test_exists_after_rollback_to_first_revision(
        self, plane: ControlPlane, releases: Helm, restricted: str
    ) -> None:
        """With its spec, and as the same object: deleting it would take its URL away."""
        releases.install(restricted, FIRST, wait=False)
        before = uid(plane, restricted)
        for stage in ("wrong", "worse"):
            releases.upgrade(restricted, FIRST, f"--set=faceComparison.spec.stage={stage}", wait=False)
        for revision, stage in (("2", "wrong"), ("1", "prod"), ("3", "worse")):
            releases.run("rollback", RELEASE, revision, "--namespace", restricted)
            assert resource(plane, restricted)["spec"]["stage"] == stage
            assert uid(plane, restricted) == before
        releases.run("rollback", RELEASE, "1", "--namespace", restricted)
        releases.upgrade(restricted, FIRST, "--set=faceComparison.spec.stage=right", wait=False)
        assert resource(plane, restricted)["spec"]["stage"] == "right"
        assert uid(plane, restricted) == before
        releases.uninstall(restricted)
        assert plane.kubectl("get", "facecomparisons", "--all-namespaces", "--output=name") == ""

    def test_is_deleted_with_a_rolled_back_release(self, plane: ControlPlane, releases: Helm, restricted: str) -> None:
        releases.install(restricted, FIRST, wait=False)
        releases.upgrade(restricted, FIRST, "--set=faceComparison.spec.stage=wrong", wait=False)
        releases.run("rollback", RELEASE, "1", "--namespace", restricted)
        releases.uninstall(restricted)
        assert plane.kubectl("get", "facecomparisons", "--all-namespaces", "--output=name") == ""

    def test_is_deleted_by_rollback_to_a_revision_without_it(
        self, plane: ControlPlane, releases: Helm, restricted: str
    ) -> None:
        releases.install(restricted)
        releases.upgrade(restricted, FIRST, wait=False)
        releases.run("rollback", RELEASE, "1", "--namespace", restricted)
        assert plane.kubectl("get", "facecomparisons", "--all-namespaces", "--output=name") == ""

    def test_can_be_added_by_an_upgrade(self, plane: ControlPlane, releases: Helm, restricted: str) -> None:
        releases.install(restricted)
        releases.upgrade(restricted, FIRST, wait=False)
        assert resource(plane, restricted)["spec"]["accelerator"]["type"] == "cpu"


def faces(name: str) -> dict[str, Any]:
    return {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "metadata": {"name": name}}
