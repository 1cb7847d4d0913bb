"""The link to the API server is cut silently: the operator notices, reports it, recovers, and misses nothing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from devtools.k8s.api import GARBAGE_SECONDS, Api, Faces, until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.link import Link
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import DEPLOYMENT, RESOURCE, SERVICE

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
CUT_SECONDS = 120.0


class FarOperator(Operator):
    """An operator in the link's network namespace, whose health is requested from inside it."""

    def __init__(self, link: Link, kubeconfig: Path, logs: Path, *options: str) -> None:
        self._link = link
        super().__init__(kubeconfig, logs, *options, prefix=link.command())

    def health(self, path: str) -> tuple[int, str]:
        return self._ask(self.health_port, path)

    def metrics(self) -> str:
        return self._ask(self.metrics_port, "metrics")[1]

    def _ask(self, port: int, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{port}/{path}"
        command = self._link.command("curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}", url)
        text, _, code = subprocess.run(command, capture_output=True, text=True, check=False).stdout.rpartition("\n")
        return int(code), text


@pytest.mark.timeout(420)
def test_silent_network_cut(control_plane: ControlPlane, api: Api, link: Link, namespace: str, tmp_path: Path) -> None:
    faces = Faces(api, namespace)
    kubeconfig = control_plane.kubeconfig_for(link.url)
    options = (f"--namespaces={namespace}", f"--lease-namespace={namespace}")
    with FarOperator(link, kubeconfig, tmp_path, *options) as operator:
        for name in ("edited", "deleted", "changed"):
            faces.deploy(name, accelerator=CPU)
        assert operator.health("livez")[0] == 200

        link.cut()
        healing = time.monotonic() + CUT_SECONDS
        api.delete(RESOURCE, namespace, "deleted")
        faces.create("made", accelerator=CPU)
        faces.change("changed", stage="v2")
        api.delete(SERVICE, namespace, "edited")
        _, text = until(lambda: operator.health("livez"), lambda answer: answer[0] == 503, "it says so", CUT_SECONDS)
        assert "no response" in text
        until(time.monotonic, lambda now: now > healing, "the cut lasts", seconds=CUT_SECONDS)
        assert faces.child(DEPLOYMENT, "made") is None
        link.heal()

        until(lambda: operator.health("livez"), lambda answer: answer[0] == 200, "it is live again", seconds=45)
        faces.publish("made")
        for name in ("made", "changed", "edited"):
            faces.wait_for(name, "Deployed")
        until(lambda: faces.child(SERVICE, "edited"), bool, "what was deleted is back")
        environment = faces.template("changed")["spec"]["containers"][0]["env"]
        assert {"name": "FACE_COMPARISON_STAGE", "value": "v2"} in environment
        until(
            lambda: {each["metadata"]["name"] for each in faces.children()},
            {"edited", "changed", "made"}.__eq__,
            "the children of the deleted resource are gone",
        )


def test_api_server_restart(control_plane: ControlPlane, api: Api, alone: Operator, namespace: str) -> None:
    faces = Faces(api, namespace)
    with alone:
        faces.deploy("before", accelerator=CPU)
        control_plane.stop_program("kube-apiserver")
        control_plane.start_program("kube-apiserver")
        control_plane.wait_ready()
        faces.change("before", stage="v2")
        faces.deploy("after", accelerator=CPU)
        faces.wait_for("before", "Deployed")
        assert alone.health("livez")[0] == 200


def test_deletions_missed_by_watches_are_noticed(
    control_plane: ControlPlane, api: Api, link: Link, namespace: str, tmp_path: Path
) -> None:
    faces = Faces(api, namespace)
    options = (f"--namespaces={namespace}", "--no-leader-election")
    with FarOperator(link, control_plane.kubeconfig_for(link.url), tmp_path, *options) as operator:
        for name in ("kept", "deleted"):
            faces.deploy(name, accelerator=CPU)
        until(lambda: _ready(operator.metrics()), (2.0).__eq__, "both are counted")

        link.cut()
        api.delete(SERVICE, namespace, "kept")
        api.delete(RESOURCE, namespace, "deleted")
        until(
            lambda: {each["metadata"]["name"] for each in faces.children()},
            {"kept"}.__eq__,
            "the children of the deleted resource are gone",
            GARBAGE_SECONDS,
        )
        # Requests in progress complete later, unless their connection has been given up.
        until(lambda: operator.health("livez"), lambda answer: answer[0] == 503, "no watch is left", CUT_SECONDS)
        # A restarted API server has no history: kopf must list again.
        control_plane.stop_program("kube-apiserver")
        control_plane.start_program("kube-apiserver")
        control_plane.wait_ready()
        since = control_plane.audit_position()
        link.heal()

        until(lambda: faces.child(SERVICE, "kept"), bool, "the deleted child is back", seconds=90)
        until(lambda: _ready(operator.metrics()), (1.0).__eq__, "the deleted resource is not counted any more")
        assert {each["metadata"]["name"] for each in faces.children()} == {"kept"}
        created = {
            (event["objectRef"]["resource"], event["objectRef"].get("name"))
            for event in control_plane.audit_events(since)
            if event["verb"] == "create" and event["objectRef"].get("namespace") == namespace
        }
        assert ("services", "kept") in created
        assert not [resource for resource, name in created if name == "deleted"], "made for a resource that is gone"


def _ready(metrics: str) -> float:
    """Returns the number of ready resources, as the operator counts them."""
    sample = 'face_comparison_operator_resources{condition="Ready",reason="Deployed",status="True"} '
    return next((float(line.removeprefix(sample)) for line in metrics.splitlines() if line.startswith(sample)), 0.0)
