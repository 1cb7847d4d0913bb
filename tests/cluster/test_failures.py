"""Failures are reported with their cause within seconds, running pods keep serving, and fixes take effect.

Scheduler, quota, and admission are real. A node without a kubelet simulates its failures: the test writes the status
that a kubelet would write.
"""

from __future__ import annotations

import http.server
import itertools
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devtools.k8s.api import CRD, Api, Faces, Object, Refused, install, permissive_crd, until
from devtools.k8s.certificates import self_signed
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    POD,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
)
from face_comparison_operator.resource import IDENTITY_HEADER
from support.server_thread import in_thread

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
NODE = ApiResource("v1", "Node", "nodes")
QUOTA = ApiResource("v1", "ResourceQuota", "resourcequotas")
STORAGE_CLASS = ApiResource("storage.k8s.io/v1", "StorageClass", "storageclasses")
CLAIM = ApiResource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
WEBHOOK = ApiResource(
    "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"
)
POLICY = ApiResource("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
BINDING = ApiResource(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"
)
MUTE = "mute"


@pytest.fixture(scope="module", autouse=True)
def mute_node(api: Api) -> Iterator[None]:
    """A node that accepts pods and reports nothing about them."""
    with node(api, MUTE):
        yield


@contextmanager
def node(api: Api, name: str, **labels: str) -> Iterator[None]:
    """A node that no kubelet reports on, for pods that tolerate it."""
    amounts = {"cpu": "32", "memory": "64Gi", "pods": "100"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "posted by the test"}
    status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
    taints = [{"key": "example.com/mute", "effect": "NoSchedule"}]
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
    api.create(NODE, {"metadata": metadata, "spec": {"taints": taints}, "status": status})
    yield
    api.delete(NODE, None, name)


def on_node(name: str, **spec: Any) -> dict[str, Any]:
    """Returns a spec whose pods only this node accepts."""
    here = {"nodeSelector": {"kubernetes.io/hostname": name}, "tolerations": [{"operator": "Exists"}]}
    return {"accelerator": CPU, **here, **spec}


def on_mute_node(**spec: Any) -> dict[str, Any]:
    """Returns a spec whose pods only the mute node accepts."""
    return on_node(MUTE, **spec)


def broken(faces: Faces, name: str = "faces", **spec: Any) -> Object:
    """Creates a resource on the mute node and returns its pod."""
    faces.create(name, **on_mute_node(**spec))
    faces.publish(name)
    return faces.pod_of(name)


def container(name: str = "service", **state: Any) -> Object:
    """Returns the status of a container that is not ready, as the kubelet writes it."""
    image = "registry.example/face-comparison/service:1"
    return {"name": name, "image": image, "imageID": "", "ready": False, "restartCount": 3, **state}


def ended(message: str = "", reason: str = "Error", code: int = 1) -> Object:
    """Returns the states of a container that exits again and again."""
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
    terminated = {"exitCode": code, "reason": reason, "message": message}
    return {"state": {"waiting": waiting}, "lastState": {"terminated": terminated}}


def waits(reason: str, message: str) -> Object:
    """Returns the state of a container that was not created."""
    return {"state": {"waiting": {"reason": reason, "message": message}}}


PULL = 'Back-off pulling image "x": ErrImagePull: rpc error: code = NotFound desc = failed to pull: not found'

# The kubelet's status of containers, and the reason and message that the user must see.
KUBELET: list[tuple[str, Object, str, str]] = [
    ("image", {"containerStatuses": [container(**waits("ImagePullBackOff", PULL))]}, "ImagePullFailed", "not found"),
    ("name", {"containerStatuses": [container(**waits("InvalidImageName", "bad"))]}, "ImagePullFailed", "service:1"),
    (
        "accelerator",
        {"containerStatuses": [container(**ended("accelerator_unavailable: the CUDA driver is missing\n"))]},
        "AcceleratorUnavailable",
        "the CUDA driver is missing",
    ),
    (
        "model",
        {"initContainerStatuses": [container("model", **ended("log\ninvalid_bundle: sha256 of a.onnx differs"))]},
        "ModelInvalid",
        "sha256 of a.onnx differs",
    ),
    (
        "download",
        {"initContainerStatuses": [container("model", **ended("model_download_failed: no bucket models"))]},
        "ModelDownloadFailed",
        "no bucket models",
    ),
    (
        "settings",
        {"containerStatuses": [container(**ended("invalid_settings: FACE_COMPARISON_X is unknown"))]},
        "SettingsInvalid",
        "FACE_COMPARISON_X is unknown",
    ),
    ("memory", {"containerStatuses": [container(**ended(reason="OOMKilled", code=137))]}, "OutOfMemory", "memory"),
    ("crash", {"containerStatuses": [container(**ended("a\nSegmentation fault", code=139))]}, "CrashLooping", "139"),
    (
        "sidecar that ends without an error",
        {"containerStatuses": [container("mesh", **ended(reason="Completed", code=0))]},
        "CrashLooping",
        "container mesh exits with code 0",
    ),
    (
        "hook",
        {"containerStatuses": [container("mesh", **waits("PostStartHookError", "hook of mesh failed"))]},
        "ContainerFailed",
        "container mesh cannot start: hook of mesh failed",
    ),
    (
        "signature",
        {"containerStatuses": [container(**waits("SignatureValidationFailed", "not signed"))]},
        "ImagePullFailed",
        "not signed",
    ),
    (
        "gate",
        {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "held by a queue"}
            ]
        },
        "Unschedulable",
        "held by a queue",
    ),
    (
        "variable",
        {"containerStatuses": [container(**waits("CreateContainerConfigError", 'secret "s3" not found'))]},
        "SecretNotFound",
        "s3",
    ),
]


def test_missing_volume_secret_is_reported(faces: Faces) -> None:
    """The first of this file: after a minute without reports, the node counts as lost and its pods as not ready."""
    pod = broken(faces, auth={"mode": "ApiKey", "secretName": "keys"})
    faces.kubelet_says(pod, containerStatuses=[container(**waits("ContainerCreating", ""))])
    faces.kubelet_warns(pod, "FailedMount", 'MountVolume.SetUp failed for volume "auth" : secret "keys" not found')
    assert "Secret keys does not exist" in faces.wait_for("faces", "SecretNotFound")["message"]
    faces.kubelet_says(pod, phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    faces.wait_for("faces", "Deployed")


@pytest.mark.parametrize(
    ("status", "reason", "words"), [case[1:] for case in KUBELET], ids=[case[0] for case in KUBELET]
)
def test_kubelet_failures_are_reported_and_recover(faces: Faces, status: Object, reason: str, words: str) -> None:
    faces.kubelet_says(broken(faces), phase="Pending", **status)
    ready = faces.wait_for("faces", reason)
    assert ready["status"] == "False"
    assert words in ready["message"]
    faces.change("faces", nodeSelector=None)
    faces.wait_for("faces", "Deployed")


def test_failing_probe_of_a_running_container_is_reported(faces: Faces) -> None:
    """Its status does not say why it is not ready; only an event does."""
    pod = broken(faces)
    runs = container(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    faces.kubelet_says(pod, phase="Running", containerStatuses=[runs])
    refused = (
        'Startup probe failed: Get "http://10.0.0.7:8080/readyz": dial tcp 10.0.0.7:8080: connect: connection refused'
    )
    faces.kubelet_warns(pod, "Unhealthy", refused)
    ready = faces.wait_for("faces", "ProbeFailed")
    assert f"container service is running, but not ready: {refused}" in ready["message"]
    faces.change("faces", nodeSelector=None)
    faces.wait_for("faces", "Deployed")


def test_silent_scheduler_is_reported(faces: Faces) -> None:
    """Of one that does not run, and of one that has chosen a node and waits for the volume there."""
    storage_class = {"provisioner": "example.com/nobody", "volumeBindingMode": "WaitForFirstConsumer"}
    faces.api.create(STORAGE_CLASS, {"metadata": {"name": faces.namespace}, **storage_class})
    amounts = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    spec = {"storageClassName": faces.namespace, **amounts}
    faces.api.create(CLAIM, {"metadata": {"name": "models", "namespace": faces.namespace}, "spec": spec})
    faces.create("other", accelerator=CPU, schedulerName="nobody")
    faces.create("faces", accelerator=CPU, model={"volumeClaim": {"claimName": "models"}})
    for name in ("other", "faces"):
        faces.publish(name)
    assert 'is the scheduler "nobody" running?' in faces.wait_for("other", "Unschedulable")["message"]
    assert (
        "the scheduler does not run, or waits for the volume of the claim models"
        in faces.wait_for("faces", "Unschedulable")["message"]
    )
    faces.api.delete(STORAGE_CLASS, None, faces.namespace)
    faces.change("other", schedulerName=None)
    faces.change("faces", model=None)
    for name in ("other", "faces"):
        faces.wait_for(name, "Deployed")


def test_stuck_terminating_pod_is_reported(faces: Faces) -> None:
    pod = broken(faces, strategy={"type": "Recreate"}, limits={"requestSeconds": 1})
    faces.kubelet_says(pod, phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    faces.wait_for("faces", "Deployed")
    faces.change("faces", stage="v2")
    ready = faces.wait_for("faces", "PodTerminating", seconds=60)
    assert f"the pod {pod['metadata']['name']} is still being deleted: its node has not ended it" in ready["message"]
    faces.change("faces", nodeSelector=None)

    def ready_once_its_pods_are_gone() -> bool:
        """Plays the node, which stops deleted pods."""
        for each in faces.pods():
            if "deletionTimestamp" in each["metadata"]:
                faces.api.delete(POD, faces.namespace, each["metadata"]["name"], gracePeriodSeconds=0)
        return bool(faces.condition("faces").get("reason") == "Deployed")

    until(ready_once_its_pods_are_gone, bool, "it is ready")


def test_unavailable_gpu_is_named(faces: Faces) -> None:
    faces.create("faces", accelerator={"type": "gpu", "resourceName": "example.com/gpu"})
    faces.publish("faces")
    assert "example.com/gpu" in faces.wait_for("faces", "Unschedulable")["message"]
    faces.change("faces", accelerator={"resourceName": "nvidia.com/gpu"})
    faces.wait_for("faces", "Deployed")


def test_running_version_keeps_serving(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    first = faces.pod_of("faces")
    faces.change("faces", **on_mute_node(image="registry.example/does-not-exist:1"))
    pod = faces.pod_of("faces", lambda each: each["spec"]["nodeName"] == MUTE)
    faces.kubelet_says(pod, containerStatuses=[container(**waits("ErrImagePull", "not found"))])
    ready = faces.wait_for("faces", "ImagePullFailed")
    assert "the previous version is still serving" in ready["message"]
    assert faces.condition("faces", "Available")["status"] == "True"
    assert first["metadata"]["name"] in {each["metadata"]["name"] for each in faces.pods()}
    faces.change("faces", image=None, nodeSelector=None)
    faces.wait_for("faces", "Deployed")


def in_force(quota: Object | None) -> bool:
    return quota is not None and "hard" in quota.get("status", {})


def test_quota_is_reported(faces: Faces) -> None:
    faces.api.create(
        QUOTA, {"metadata": {"name": "none", "namespace": faces.namespace}, "spec": {"hard": {"pods": "0"}}}
    )
    until(lambda: faces.api.get(QUOTA, faces.namespace, "none"), in_force, "the quota is in force")
    faces.create("faces", accelerator=CPU)
    faces.publish("faces")
    assert "exceeded quota" in faces.wait_for("faces", "PodCreationFailed")["message"]
    faces.api.delete(QUOTA, faces.namespace, "none")
    faces.change("faces", podAnnotations={"example.com/again": "yes"})  # the ReplicaSet's next attempt may take minutes
    faces.wait_for("faces", "Deployed")


def test_deadline_follows_wall_clock(faces: Faces) -> None:
    faces.create("faces", **on_mute_node(deployDeadlineSeconds=2))
    faces.publish("faces")
    ready = faces.wait_for("faces", "ProgressDeadlineExceeded")
    assert "not ready 2 s after" in ready["message"]
    assert faces.condition("faces", "Progressing")["reason"] == "ProgressDeadlineExceeded"
    faces.kubelet_says(faces.pod_of("faces"), containerStatuses=[container(**ended("accelerator_unavailable: none"))])
    faces.wait_for("faces", "AcceleratorUnavailable")
    assert "none" in faces.wait_for("faces", "ProgressDeadlineExceeded", "Progressing")["message"]


@pytest.mark.parametrize("kind", [SERVICE, DEPLOYMENT], ids=lambda kind: kind.name)
def test_name_conflict_is_reported(faces: Faces, kind: ApiResource) -> None:
    labels = {"app": "other"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "other", "image": "other"}]}}
    specs = {"Service": {"ports": [{"port": 9}]}, "Deployment": {"selector": {"matchLabels": labels}, "template": pod}}
    foreign = {"metadata": {"name": "faces", "namespace": faces.namespace}, "spec": specs[kind.name]}
    before = faces.api.create(kind, foreign)
    faces.create("faces", accelerator=CPU)
    faces.publish("faces")
    ready = faces.wait_for("faces", "NameConflict")
    assert f"{kind.name} faces" in ready["message"]
    after = faces.child(kind, "faces")
    assert after is not None
    assert after["metadata"].get("ownerReferences") is None
    assert (after["spec"], after["metadata"].get("labels")) == (before["spec"], before["metadata"].get("labels"))
    faces.api.delete(kind, faces.namespace, "faces")
    faces.wait_for("faces", "Deployed")


def test_child_that_the_api_server_rejects_is_reported(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    faces.change("faces", affinity={"podAffinity": {"misspelt": []}})
    ready = faces.wait_for("faces", "ApplyFailed")
    assert "misspelt" in ready["message"]
    assert "the previous version is still serving" in ready["message"]
    faces.change("faces", affinity=None)
    faces.wait_for("faces", "Deployed")


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


def test_service_account_is_kept_while_pods_use_it(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    faces.change("faces", serviceAccountName="not-made-yet")
    assert "not-made-yet" in faces.wait_for("faces", "PodCreationFailed")["message"]
    assert faces.child(SERVICE_ACCOUNT, "faces") is not None
    faces.api.create(SERVICE_ACCOUNT, {"metadata": {"name": "not-made-yet", "namespace": faces.namespace}})
    faces.change("faces", podAnnotations={"example.com/again": "yes"})  # the ReplicaSet's next attempt may take minutes
    faces.wait_for("faces", "Deployed")
    until(lambda: faces.child(SERVICE_ACCOUNT, "faces"), lambda found: found is None, "the account is gone")


def test_unavailable_admission_webhook_is_reported(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    here = {"matchLabels": {"kubernetes.io/metadata.name": faces.namespace}}
    rule = {"apiGroups": ["networking.k8s.io"], "apiVersions": ["*"], "resources": ["ingresses"]}
    webhook = {
        "name": "validate.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{**rule, "operations": ["CREATE", "UPDATE"]}],
        "namespaceSelector": here,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    faces.api.create(WEBHOOK, {"metadata": {"name": faces.namespace}, "webhooks": [webhook]})
    try:
        faces.change("faces", route={"host": "faces.example.com"})
        ready = faces.wait_for("faces", "ApplyFailed")
        assert "validate.example.com" in ready["message"]
        assert "the previous version is still serving" in ready["message"]
    finally:
        faces.api.delete(WEBHOOK, None, faces.namespace)
    faces.wait_for("faces", "Deployed")


def test_autoscaler_kinds_replace_each_other(faces: Faces) -> None:
    """KEDA's admission webhook rejects a ScaledObject for a target with an autoscaler; here a policy rejects all."""
    install(faces.api, permissive_crd(SCALED_OBJECT))
    name = faces.namespace
    rule = {"apiGroups": ["keda.sh"], "apiVersions": ["*"], "resources": ["scaledobjects"], "operations": ["CREATE"]}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "not today"}],
    }
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
    }
    try:
        faces.deploy("faces", accelerator=CPU, autoscaling={})
        assert faces.child(AUTOSCALER, "faces") is not None
        faces.api.create(POLICY, {"metadata": {"name": name}, "spec": policy})
        faces.api.create(BINDING, {"metadata": {"name": name}, "spec": binding})
        until(lambda: refused(faces), bool, "the policy is in force")
        faces.change("faces", autoscaling={"metric": "InFlight"})
        assert "not today" in faces.wait_for("faces", "ApplyFailed")["message"]
        assert faces.child(AUTOSCALER, "faces") is not None, "it was not in the way"
        validations = [{"expression": "false", "message": "the workload is already managed by the hpa 'faces'"}]
        faces.api.merge(POLICY, None, name, {"spec": {"validations": validations}})
        until(lambda: faces.child(AUTOSCALER, "faces"), lambda found: found is None, "the autoscaler is gone")
        faces.api.delete(BINDING, None, name)
        until(lambda: faces.child(SCALED_OBJECT, "faces"), bool, "the ScaledObject is there", seconds=60)
        faces.wait_for("faces", "Deployed")
    finally:
        faces.api.delete(POLICY, None, name)
        faces.api.delete(CRD, None, f"{SCALED_OBJECT.plural}.keda.sh")


def refused(faces: Faces) -> bool:
    """Returns whether a ScaledObject is rejected for anybody here."""
    try:
        body = {"metadata": {"name": "any", "namespace": faces.namespace}, "spec": {}}
        faces.api.create(SCALED_OBJECT, body, dryRun="All")
    except Refused as refusal:
        return "not today" in str(refusal)
    return False


@contextmanager
def answering(
    status: int, body: object, headers: dict[str, str] | None = None, certificate: Path | None = None
) -> Iterator[Any]:
    """A server on the loopback address, to which a test points the Ingress; its `reply` can be changed.

    With an `identity`, it represents the pods of the resource with that UID; with a `certificate` (PEM), it uses TLS.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.paths.append((self.headers["Host"], self.path))
            code, content = server.first.pop() if server.first else server.reply
            data = json.dumps(content).encode()
            self.send_response(code)
            if server.identity and code == 200:
                self.send_header(IDENTITY_HEADER, server.identity)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.reply, server.first, server.paths, server.identity = (status, body), [], [], None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with in_thread(server):
        yield server


def test_url_not_leading_to_pods_is_not_ready(faces: Faces) -> None:
    with answering(404, {"message": "no such route"}) as server:
        faces.create("faces", accelerator=CPU, stage="v9", route={"host": "faces.example.com"})
        faces.publish("faces", port=server.server_port)
        ready = faces.wait_for("faces", "EndpointUnreachable")
        assert "404" in ready["message"]
        assert faces.condition("faces", "RouteReady")["status"] == "False"
        server.reply = (200, {"FaceModelVersion": "test-7"})
        until(
            lambda: faces.condition("faces")["message"],
            lambda message: "another face-comparison service" in message,
            "a service that answers there is not taken for its own",
        )
        server.identity = faces.get("faces")["metadata"]["uid"]
        faces.wait_for("faces", "Deployed")
        assert faces.condition("faces", "RouteReady")["reason"] == "EndpointReachable"
        status = faces.get("faces")["status"]
        assert status["modelVersion"] == "test-7"
        assert status["url"] == f"http://faces.example.com:{server.server_port}/v9/face_comparison"
        assert set(server.paths) == {("faces.example.com", "/v9/face_comparison")}


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (308, {"Location": "https://login.example.com/"}),
        (302, {"Location": "/oauth2/start"}),
        (401, {"WWW-Authenticate": "Basic"}),
        (403, {}),
        (511, {}),
    ],
)
def test_what_stops_only_the_operator_is_no_fault(faces: Faces, status: int, headers: dict[str, str]) -> None:
    """A redirect, a login, an allow-list at the ingress: those who may come in are served."""
    with answering(status, {}, headers) as server:
        faces.create("faces", accelerator=CPU, route={"host": "faces.example.com"})
        faces.publish("faces", port=server.server_port)
        faces.wait_for("faces", "Deployed")
        route = faces.condition("faces", "RouteReady")
        assert (route["status"], route["reason"]) == ("True", "Admitted")
        assert "cannot be verified from the operator" in route["message"]


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [("ingress.default", 9, "not valid for 'faces.example.com'"), ("faces.example.com", -1, "expired")],
)
def test_certificate_that_clients_reject_is_reported(
    faces: Faces, tmp_path: Path, name: str, days: int, words: str
) -> None:
    """For example, because the Secret of `tlsSecret` does not exist, and the controller presents its own."""
    certificate = tmp_path / "server.pem"
    certificate.write_bytes(b"".join(self_signed(name, days)))
    with answering(200, {"FaceModelVersion": "test-7"}, certificate=certificate) as server:
        route = {"host": "faces.example.com", "ingress": {"tlsSecret": "no-such-secret"}}
        server.identity = faces.create("faces", accelerator=CPU, route=route)["metadata"]["uid"]
        faces.publish("faces", port=server.server_port)
        assert words in faces.wait_for("faces", "CertificateInvalid")["message"]
        assert faces.condition("faces", "RouteReady")["status"] == "False"


def test_only_responding_resource_of_a_shared_url_is_ready(faces: Faces) -> None:
    """Whichever is older: the ingress controller decides."""
    with answering(200, {"FaceModelVersion": "test-7"}) as server:
        server.identity = faces.create("first", accelerator=CPU)["metadata"]["uid"]
        faces.publish("first", port=server.server_port)
        faces.wait_for("first", "Deployed")
        other = faces.create("second", accelerator=CPU)["metadata"]["uid"]
        faces.publish("second", port=server.server_port)
        ready = faces.wait_for("second", "EndpointUnreachable")
        assert "the FaceComparison first" in ready["message"]
        assert faces.condition("first")["status"] == "True"
        server.identity = other
        faces.wait_for("second", "Deployed")
        assert "the FaceComparison second" in faces.wait_for("first", "EndpointUnreachable")["message"]


def test_brief_router_delay_is_not_reported(faces: Faces) -> None:
    with answering(200, {"FaceModelVersion": "test-7"}) as server:
        server.first = [(503, {}), (404, {})]
        made = faces.create("faces", accelerator=CPU, route={"host": "faces.example.com"})
        server.identity = made["metadata"]["uid"]
        faces.publish("faces", port=server.server_port)
        faces.wait_for("faces", "Deployed")
        assert server.first == []
        assert "EndpointUnreachable" not in reasons_told(faces)


def test_url_moves_to_new_stage_once_it_responds(faces: Faces) -> None:
    def paths() -> list[str]:
        ingress = faces.child(INGRESS, "faces")
        assert ingress is not None
        return [path["path"] for path in ingress["spec"]["rules"][0]["http"]["paths"]]

    with answering(200, {"FaceModelVersion": "test-7"}) as server:
        server.identity = faces.create("faces", accelerator=CPU)["metadata"]["uid"]
        faces.publish("faces", port=server.server_port)
        faces.wait_for("faces", "Deployed")
        former = faces.get("faces")["status"]["url"]
        assert former.endswith("/prod/face_comparison")

        server.reply = (404, {"message": "no such route"})
        faces.change("faces", stage="v2")
        until(paths, ["/v2", "/prod"].__eq__, "the route leads to both")
        told = until(
            lambda: faces.condition("faces"),
            lambda ready: "the previous URL is still serving" in ready["message"],
            "it says that the new URL does not answer yet",
        )
        assert (told["reason"], told["status"]) == ("Deploying", "False")
        assert faces.get("faces")["status"]["url"] == former

        server.reply = (200, {"FaceModelVersion": "test-7"})
        faces.wait_for("faces", "Deployed")
        assert faces.get("faces")["status"]["url"] == former.replace("/prod/", "/v2/")
        until(paths, ["/v2"].__eq__, "the former path is gone")
        deployment = faces.api.get(DEPLOYMENT, faces.namespace, "faces")
        assert deployment is not None and deployment["metadata"]["generation"] == 2, "pods were replaced once"


def test_restart_by_kubectl_is_no_transition(faces: Faces, control_plane: ControlPlane) -> None:
    """Pods of the same version replace each other; the URL serves the current spec all the while."""
    faces.deploy("faces", accelerator=CPU)
    first = faces.pod_of("faces")["metadata"]["uid"]
    before = reasons_told(faces)
    control_plane.kubectl("rollout", "restart", "deployment/faces", f"--namespace={faces.namespace}")
    until(lambda: {each["metadata"]["uid"] for each in faces.pods()}, lambda uids: first not in uids, "the pod is new")
    faces.change("faces", replicas=0)  # the next transition, before which all others are reported
    faces.wait_for("faces", "ScaledToZero")
    until(lambda: reasons_told(faces), [*before, "ScaledToZero"].__eq__, "no transition but the last is reported")


def test_pods_stay_away_from_windows(faces: Faces) -> None:
    """Even where nothing else keeps them away: the node is asked for by name, and its taints are tolerated."""
    with node(faces.api, "windows", **{"kubernetes.io/os": "windows"}):
        faces.create("faces", **on_node("windows"))
        faces.publish("faces")
        assert "affinity" in faces.wait_for("faces", "Unschedulable")["message"]


def test_node_that_has_stopped_reporting_is_reported(faces: Faces) -> None:
    """The real controller marks its pods as not ready, after most of a minute."""
    with node(faces.api, "lost"):
        faces.create("faces", **on_node("lost"))
        faces.publish("faces")
        ready = {"type": "Ready", "status": "True"}
        runs = {**container(), "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        faces.kubelet_says(faces.pod_of("faces"), phase="Running", conditions=[ready], containerStatuses=[runs])
        faces.wait_for("faces", "Deployed")
        assert "has stopped reporting" in faces.wait_for("faces", "NodeNotReady", seconds=120)["message"]
        faces.change("faces", nodeSelector=None)
        faces.wait_for("faces", "Deployed")


def test_policy_that_requires_labels_can_be_met(faces: Faces) -> None:
    message = "every object needs the label team"
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"]}
    rules = [{**rule, "resources": ["services", "deployments", "ingresses"]}]
    validation = {"expression": "has(object.metadata.labels) && 'team' in object.metadata.labels", "message": message}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": faces.namespace}}}
    metadata = {"name": faces.namespace}
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [validation]}
    faces.api.create(POLICY, {"metadata": metadata, "spec": spec})
    binding = {"policyName": faces.namespace, "validationActions": ["Deny"], "matchResources": here}
    faces.api.create(BINDING, {"metadata": metadata, "spec": binding})

    def in_force() -> bool:
        body = {"metadata": {"name": "any", "namespace": faces.namespace}, "spec": {"ports": [{"port": 80}]}}
        try:
            faces.api.create(SERVICE, body, dryRun="All")
        except Refused:
            return True
        return False

    try:
        until(in_force, bool, "the policy is in force")
        faces.create("faces", accelerator=CPU)
        assert message in faces.wait_for("faces", "ApplyFailed")["message"]
        faces.change("faces", childMetadata={"labels": {"team": "vision"}})
        faces.publish("faces")
        faces.wait_for("faces", "Deployed")
    finally:
        faces.api.delete(BINDING, None, faces.namespace)
        faces.api.delete(POLICY, None, faces.namespace)


def test_each_transition_has_one_event(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    faces.change("faces", replicas=0)
    faces.wait_for("faces", "ScaledToZero")
    found = until(
        lambda: reasons_told(faces), lambda reasons: reasons[-1:] == ["ScaledToZero"], "the last transition is reported"
    )
    found = [reason for reason in found if reason != "AddressPending"]  # where publishing the address took longer
    assert [reason for reason in found if reason in ("Deploying", "Deployed", "ScaledToZero")] == found
    assert [first for first, second in itertools.pairwise(found) if first == second] == []


def reasons_told(faces: Faces) -> list[str]:
    """Returns the reasons of the events about resources here, in order."""
    found = [
        each for each in faces.api.all(EVENT, faces.namespace) if each["involvedObject"]["kind"] == "FaceComparison"
    ]
    return [each["reason"] for each in sorted(found, key=lambda each: int(each["metadata"]["resourceVersion"]))]
