"""The Deployment and the Service: pods that start strictly, roll over without losing a request, and may do no more."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from face_comparison_operator.resource import (
    CONTAINER,
    ENVIRONMENT,
    PORT,
    SERVICE_PORT,
    TEMPLATE_ANNOTATION,
    FaceComparison,
    Object,
)
from face_comparison_operator.settings import Settings

USER = 65532  # the user of the image; numeric, so that the kubelet can see that it is not root
API_KEYS = "api-keys"
AUTH_FOLDER = "/etc/face-comparison/auth"
MODEL_FOLDER = "/models"

# A pod that ends stays in the load balancers until every one of them has heard of it: it goes on serving that long.
LEAVE_SECONDS = 5
# What the process needs to end after the last request is answered.
EXIT_SECONDS = 10


def service(resource: FaceComparison) -> Object:
    """The Service in front of the pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {
            "type": "ClusterIP",
            "selector": resource.selector,
            "ports": [
                {"name": "http", "port": SERVICE_PORT, "targetPort": "http", "protocol": "TCP", "appProtocol": "http"}
            ],
        },
    }


def deployment(resource: FaceComparison, settings: Settings) -> Object:
    """The Deployment. Without `replicas` when an autoscaler owns the number."""
    spec = resource.spec
    replicas = {} if spec.autoscaling else {"replicas": 1 if spec.replicas is None else spec.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            **replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": max(spec.deploy_deadline_seconds, 1),
            # A pod leaves only when its successor is ready.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": resource.selector},
            "template": _template(resource, settings),
        },
    }


def _template(resource: FaceComparison, settings: Settings) -> Object:
    own = {
        **resource.selector,
        "app.kubernetes.io/component": "service",
        "app.kubernetes.io/part-of": "face-comparison",
    }
    labels, annotations = {**resource.spec.pod_labels, **own}, resource.spec.pod_annotations
    spec = _pod_spec(resource, settings)
    digest = hashlib.sha256(msgspec.json.encode([labels, annotations, spec], order="deterministic")).hexdigest()[:16]
    return {"metadata": {"labels": labels, "annotations": {**annotations, TEMPLATE_ANNOTATION: digest}}, "spec": spec}


def _pod_spec(resource: FaceComparison, settings: Settings) -> Object:
    spec = resource.spec
    image: Object = {"image": spec.image or _image(resource, settings)}
    if spec.image_pull_policy:
        image["imagePullPolicy"] = spec.image_pull_policy
    passed = {
        "runtimeClassName": spec.accelerator.runtime_class_name,
        "imagePullSecrets": [{"name": secret.name} for secret in spec.image_pull_secrets],
        "nodeSelector": spec.node_selector,
        "tolerations": spec.tolerations,
        "affinity": spec.affinity,
        "initContainers": _init_containers(resource, image),
    }
    return {
        "serviceAccountName": spec.service_account_name or resource.child,
        "automountServiceAccountToken": False,
        # Variables about every Service of the namespace could look like options of ours.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": LEAVE_SECONDS + spec.limits.request_seconds + EXIT_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": _spread(resource),
        "containers": [_service_container(resource, image)],
        "volumes": _volumes(resource),
        **{name: value for name, value in passed.items() if value},
    }


def _image(resource: FaceComparison, settings: Settings) -> str:
    on_gpu = resource.spec.accelerator.type == "gpu"
    return (on_gpu and settings.service_gpu_image) or settings.service_image


def _service_container(resource: FaceComparison, image: Object) -> Object:
    spec = resource.spec
    return {
        "name": CONTAINER,
        **image,
        "command": ["face-comparison", "serve"],
        "env": [*_environment(resource), *spec.env],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        # Models are loaded and tried once before the first answer; how long that takes depends on the device.
        "startupProbe": _probe("/readyz", periodSeconds=1, failureThreshold=600, timeoutSeconds=5),
        "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=2, timeoutSeconds=5),
        # Busy is not dead: a whole minute without an answer is.
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=6, timeoutSeconds=10),
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "resources": _resources(resource),
        **_confined(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *_model_mount(resource), *_auth_mount(resource)],  # noqa: S108 (an emptyDir)
    }


def _probe(path: str, **numbers: int) -> Object:
    return {"httpGet": {"path": path, "port": "http"}, **numbers}


def _confined() -> Object:
    return {
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _resources(resource: FaceComparison) -> Object:
    accelerator = resource.spec.accelerator
    if accelerator.type == "cpu":
        return resource.spec.resources
    limits = {**resource.spec.resources.get("limits", {}), accelerator.resource_name: str(accelerator.count)}
    return {**resource.spec.resources, "limits": limits}


def _environment(resource: FaceComparison) -> list[Object]:
    spec = resource.spec
    values = {
        "HOST": "0.0.0.0",  # noqa: S104 (inside the pod)
        "PORT": str(PORT),
        "STAGE": spec.stage,
        "BUNDLE": _bundle(resource),
        "DEVICE": "cuda" if spec.accelerator.type == "gpu" else "cpu",
        "AUTH": "api-key" if spec.auth.mode == "ApiKey" else "none",
        "MAX_BODY_BYTES": str(spec.limits.body_bytes),
        "REQUEST_SECONDS": str(spec.limits.request_seconds),
        "QUEUE": str(spec.limits.queue),
        "DRAIN_SECONDS": str(spec.limits.request_seconds),
    }
    if spec.auth.mode == "ApiKey":
        values["API_KEYS_FILE"] = f"{AUTH_FOLDER}/{API_KEYS}"
    if spec.limits.allowed_hosts:
        values["ALLOWED_HOSTS"] = ",".join(spec.limits.allowed_hosts)
    if spec.limits.allowed_buckets:
        values["ALLOWED_BUCKETS"] = ",".join(spec.limits.allowed_buckets)
    if resource.former_stage:
        values["FORMER_STAGE"] = resource.former_stage
    return [{"name": f"{ENVIRONMENT}{name}", "value": value} for name, value in values.items()]


# --- the model ------------------------------------------------------------------------------------------------------


def _bundle(resource: FaceComparison) -> str:
    """Name of the bundle in the image, or its folder in the pod."""
    model = resource.spec.model
    if model.s3:
        return f"{MODEL_FOLDER}/bundle"
    if model.volume_claim:
        return f"{MODEL_FOLDER}/{model.volume_claim.path}".rstrip("/")
    return model.bundle or "default"


def _init_containers(resource: FaceComparison, image: Object) -> list[Object]:
    """What downloads a model, or verifies one that is there, before the service starts."""
    model = resource.spec.model
    digest = ["--sha256", model.sha256] if model.sha256 else []
    if model.s3:
        command = ["fetch", model.s3, *digest, "--into", _bundle(resource)]
    elif model.sha256:
        command = ["verify", _bundle(resource), *digest]
    else:
        return []
    mounts = [{**mount, "readOnly": not model.s3} for mount in _model_mount(resource)]
    return [
        {
            "name": "model",
            **image,
            "command": ["face-comparison", "models", *command],
            "env": resource.spec.env,
            # A pod is given the larger of both, so this costs nothing.
            "resources": resource.spec.resources,
            **_confined(),
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts],  # noqa: S108 (an emptyDir)
        }
    ]


def _model_mount(resource: FaceComparison) -> list[Object]:
    model = resource.spec.model
    if not (model.s3 or model.volume_claim):
        return []
    return [{"name": "model", "mountPath": MODEL_FOLDER, "readOnly": True}]


def _auth_mount(resource: FaceComparison) -> list[Object]:
    if resource.spec.auth.mode != "ApiKey":
        return []
    # The folder, not the file: only so does the kubelet bring a changed Secret into a running pod.
    return [{"name": "auth", "mountPath": AUTH_FOLDER, "readOnly": True}]


def _volumes(resource: FaceComparison) -> list[Object]:
    spec = resource.spec
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]
    if spec.model.s3:
        volumes.append({"name": "model", "emptyDir": {"sizeLimit": "8Gi"}})
    if spec.model.volume_claim:
        claim = {"claimName": spec.model.volume_claim.claim_name, "readOnly": True}
        volumes.append({"name": "model", "persistentVolumeClaim": claim})
    if spec.auth.mode == "ApiKey":
        secret = {"secretName": spec.auth.secret_name, "items": [{"key": API_KEYS, "path": API_KEYS}]}
        volumes.append({"name": "auth", "secret": secret})
    return volumes


# --- where pods go --------------------------------------------------------------------------------------------------


def _spread(resource: FaceComparison) -> list[Object]:
    selector: dict[str, Any] = {"labelSelector": {"matchLabels": resource.selector}}
    if resource.spec.topology_spread_constraints:
        return [{**selector, **constraint} for constraint in resource.spec.topology_spread_constraints]
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            **selector,
            # Each version by itself, or the pods that are leaving would push new ones together.
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
