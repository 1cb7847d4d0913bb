"""The Deployment and the Service."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from face_comparison_operator.resource import (
    CONTAINER,
    ENVIRONMENT,
    MODEL_CONTAINER,
    PLACEMENT_ANNOTATION,
    PORT,
    SERVICE_PORT,
    TEMPLATE_ANNOTATION,
    FaceComparison,
    Limits,
    Object,
    Strategy,
)
from face_comparison_operator.settings import Settings

GROUP_OF_STORE = 65532  # of the container image's user, who writes to the volume of an embedded store
API_KEYS = "api-keys"
AUTH_FOLDER = "/etc/face-comparison/auth"
MODEL_FOLDER = "/models"
STORE_FOLDER = "/var/lib/face-comparison/collections"
STORE_SECRET_FOLDER = "/etc/face-comparison/collections"  # noqa: S105 (a folder)
CA_FOLDER = "/etc/face-comparison/ca"
OWN_VOLUME = "user-"  # begins the name of a volume of the spec
# Nodes with NVIDIA's GPU feature discovery have this label.
GPU_NODE_LABEL = "nvidia.com/gpu.present"

# A terminating pod stays in the load balancers until they have removed its endpoint: it keeps serving that long.
LEAVE_SECONDS = 5
# What the process needs to end after the last request is answered.
EXIT_SECONDS = 10


def service(resource: FaceComparison) -> Object:
    """The Service of the pods, of whatever address family the cluster prefers."""
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
    """The Deployment; without `replicas` when an autoscaler owns the number."""
    spec = resource.spec
    replicas = {} if spec.autoscaling else {"replicas": 1 if spec.replicas is None else spec.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            **replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": max(spec.deploy_deadline_seconds, 1),
            # `kubectl rollout pause` would keep a change from the pods for ever.
            "paused": False,
            "strategy": strategy(resource),
            "selector": {"matchLabels": resource.selector},
            "template": _template(resource, settings),
        },
    }


def strategy(resource: FaceComparison) -> Object:
    """How pods are replaced: CPU pods after their successor is ready, GPU pods before, for lack of a second GPU."""
    asked = resource.spec.strategy or Strategy()
    # Two processes must never open one embedded store.
    if asked.type == "Recreate" or resource.spec.collections.embedded:
        return {"type": "Recreate"}
    surge, unavailable = asked.max_surge, asked.max_unavailable
    if surge is None and unavailable is None:
        surge = 1 if resource.spec.accelerator.type == "cpu" else 0
    if unavailable is None:
        unavailable = 1 if surge in NOTHING else 0
    if surge is None:
        surge = 1 if unavailable in NOTHING else 0
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}


NOTHING = (0, "0", "0%")
NOT_WINDOWS: Object = {"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}
# Pods one after the other give their room to their successors.
REPLACE_IN_PLACE: Object = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}


def with_room_made(body: Object, live: Object | None, *, lacking: bool, rolling: bool) -> Object:
    """Lets the previous pods make room for the new ones where there is none beside them.

    Args:
        body: the desired Deployment.
        live: the live one.
        lacking: whether a new pod waits for room that a previous one would leave it.
        rolling: whether a rollout is under way; one that was begun so is ended so.
    """
    if body["spec"]["strategy"]["type"] != "RollingUpdate":
        return body
    begun = live is not None and rolling and live["spec"].get("strategy") == REPLACE_IN_PLACE
    if not (lacking or begun):
        return body
    return {**body, "spec": {**body["spec"], "strategy": REPLACE_IN_PLACE}}


def _template(resource: FaceComparison, settings: Settings) -> Object:
    own = {
        **resource.selector,
        "app.kubernetes.io/component": "service",
        "app.kubernetes.io/part-of": "face-comparison",
    }
    spec = _pod_spec(resource, settings)
    labels = {**resource.spec.pod_labels, **own}
    annotations = {**resource.spec.pod_annotations, PLACEMENT_ANNOTATION: _placement(spec)}
    digest = hashlib.sha256(msgspec.json.encode([labels, annotations, spec], order="deterministic")).hexdigest()[:16]
    return {"metadata": {"labels": labels, "annotations": {**annotations, TEMPLATE_ANNOTATION: digest}}, "spec": spec}


def _placement(spec: Object) -> str:
    """Digest of what decides where a pod has room: two pods with the same can take each other's place."""
    names = ("nodeSelector", "affinity", "tolerations", "runtimeClassName", "resourceClaims", "priorityClassName")
    volumes = [each for each in spec["volumes"] if "persistentVolumeClaim" in each]
    containers = [each["resources"] for each in spec["containers"]]
    decisive = [[spec.get(name) for name in names], volumes, containers]
    return hashlib.sha256(msgspec.json.encode(decisive, order="deterministic")).hexdigest()[:16]


def _pod_spec(resource: FaceComparison, settings: Settings) -> Object:
    spec = resource.spec
    image: Object = {"image": spec.image or _image(resource, settings)}
    if spec.image_pull_policy:
        image["imagePullPolicy"] = spec.image_pull_policy
    pull_secrets = dict.fromkeys([*(secret.name for secret in spec.image_pull_secrets), *settings.image_pull_secrets])
    passed = {
        "runtimeClassName": spec.accelerator.runtime_class_name,
        "imagePullSecrets": [{"name": name} for name in pull_secrets],
        "tolerations": spec.tolerations,
        "affinity": _affinity(resource),
        "priorityClassName": spec.priority_class_name,
        "schedulerName": spec.scheduler_name,
        "dnsPolicy": spec.dns_policy,
        "dnsConfig": spec.dns_config,
        "hostAliases": spec.host_aliases,
        "resourceClaims": spec.resource_claims,
        "initContainers": _init_containers(resource, image),
    }
    return {
        "serviceAccountName": spec.service_account_name or resource.child,
        "automountServiceAccountToken": False,
        # Variables about every Service of the namespace could look like options of ours.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": LEAVE_SECONDS + spec.limits.request_seconds + EXIT_SECONDS,
        "nodeSelector": spec.node_selector,
        # The container image has a numeric user that is not root; some clusters (OpenShift) choose one of their own.
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **(
                {"fsGroup": GROUP_OF_STORE, "fsGroupChangePolicy": "OnRootMismatch"}
                if spec.collections.embedded
                else {}
            ),
        },
        "topologySpreadConstraints": _spread(resource),
        "containers": [_service_container(resource, image)],
        "volumes": _volumes(resource),
        **{name: value for name, value in passed.items() if value},
    }


def _image(resource: FaceComparison, settings: Settings) -> str:
    on_gpu = resource.spec.accelerator.type != "cpu"
    return (on_gpu and settings.service_gpu_image) or settings.service_image


def _affinity(resource: FaceComparison) -> Object:
    """The affinity of the spec, and never a node of another operating system; a node without that label is Linux."""
    affinity = resource.spec.affinity
    node = affinity.get("nodeAffinity") or {}
    if not affinity and resource.spec.accelerator.type == "auto":
        gpu = {"matchExpressions": [{"key": GPU_NODE_LABEL, "operator": "In", "values": ["true"]}]}
        node = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": gpu}]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    # Terms are alternatives: each has to say it.
    terms = [
        {**term, "matchExpressions": [*(term.get("matchExpressions") or []), NOT_WINDOWS]}
        for term in (node.get(required) or {}).get("nodeSelectorTerms") or [{}]
    ]
    return {**affinity, "nodeAffinity": {**node, required: {**(node.get(required) or {}), "nodeSelectorTerms": terms}}}


def _service_container(resource: FaceComparison, image: Object) -> Object:
    spec = resource.spec
    return {
        "name": CONTAINER,
        **image,
        "command": ["face-comparison", "serve"],
        "env": [*_environment(resource), *spec.env],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        # Every model runs once before the pod is ready; how long that takes depends on the device.
        "startupProbe": _probe("/readyz", periodSeconds=1, failureThreshold=600, timeoutSeconds=5),
        "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=2, timeoutSeconds=5),
        # A busy service answers late; only one that is silent for a whole minute is restarted.
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=6, timeoutSeconds=10),
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "resources": _resources(resource),
        **_confined(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *_mounts(resource)],  # noqa: S108 (an emptyDir)
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
    resources = amounts_as_text(resource.spec.resources)
    # With a claim (dynamic resource allocation) the device comes by the claim.
    if accelerator.type != "gpu" or resources.get("claims"):
        return resources
    limits = {**resources.get("limits", {}), accelerator.resource_name: str(accelerator.count)}
    return {**resources, "limits": limits}


def amounts_as_text(resources: Object) -> Object:
    """Resource requirements with every quantity as text: `cpu: 0.5` may be written without quotes."""
    amounts: Object = {
        name: {key: value if isinstance(value, str) else str(value) for key, value in resources[name].items()}
        for name in ("requests", "limits")
        if name in resources
    }
    return {**resources, **amounts}


def _environment(resource: FaceComparison) -> list[Object]:
    spec = resource.spec
    values = {
        "HOST": "::",  # IPv6 and IPv4, whichever the cluster's pods have
        "PORT": str(PORT),
        "STAGE": spec.stage,
        "BUNDLE": _bundle(resource),
        "DEVICE": {"gpu": "cuda", "cpu": "cpu", "auto": "auto"}[spec.accelerator.type],
        "AUTH": "api-key" if spec.auth.mode == "ApiKey" else "none",
        "MAX_BODY_BYTES": str(spec.limits.body_bytes),
        "REQUEST_SECONDS": str(spec.limits.request_seconds),
        "QUEUE": str(spec.limits.queue),
        "DRAIN_SECONDS": str(spec.limits.request_seconds),
        "IDENTITY": resource.uid,
    }
    if spec.limits.max_side != Limits().max_side:
        values["MAX_SIDE"] = str(spec.limits.max_side)
    if spec.collections.embedded:
        values["COLLECTIONS"] = f"sqlite:{STORE_FOLDER}"
    if spec.collections.postgres:
        values["COLLECTIONS_FILE"] = f"{STORE_SECRET_FOLDER}/{spec.collections.postgres.key}"
    if spec.auth.mode == "ApiKey":
        values["API_KEYS_FILE"] = f"{AUTH_FOLDER}/{API_KEYS}"
    if spec.limits.allowed_hosts:
        values["ALLOWED_HOSTS"] = ",".join(spec.limits.allowed_hosts)
    if spec.limits.allowed_buckets:
        values["ALLOWED_BUCKETS"] = ",".join(spec.limits.allowed_buckets)
    if resource.former_stage:
        values["FORMER_STAGE"] = resource.former_stage
    others = {}
    if spec.accelerator.type == "auto":
        # Where the node's container runtime has the device, the pod sees it, without one being reserved.
        others = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    given = {each["name"] for each in spec.env}
    found = {**{f"{ENVIRONMENT}{name}": value for name, value in values.items()}, **others, **_ca_variables(resource)}
    return [{"name": name, "value": value} for name, value in found.items() if name not in given]


def _ca_variables(resource: FaceComparison) -> dict[str, str]:
    """Variables by which OpenSSL, botocore and libpq take the certificate authorities of `caBundle`."""
    bundle = resource.spec.ca_bundle
    if bundle is None:
        return {}
    path = f"{CA_FOLDER}/{bundle.key}"
    return {"SSL_CERT_FILE": path, "AWS_CA_BUNDLE": path, "PGSSLROOTCERT": path}


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
    mounts += [*_ca_mount(resource), *_own_mounts(resource)]
    return [
        {
            "name": MODEL_CONTAINER,
            **image,
            "command": ["face-comparison", "models", *command],
            "env": [
                *({"name": name, "value": value} for name, value in _ca_variables(resource).items()),
                *resource.spec.env,
            ],
            # A pod is given the larger of both, so this costs nothing.
            "resources": {
                name: value for name, value in amounts_as_text(resource.spec.resources).items() if name != "claims"
            },
            **_confined(),
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts],  # noqa: S108 (an emptyDir)
        }
    ]


def _model_mount(resource: FaceComparison) -> list[Object]:
    model = resource.spec.model
    if not (model.s3 or model.volume_claim):
        return []
    return [{"name": "model", "mountPath": MODEL_FOLDER, "readOnly": True}]


def _mounts(resource: FaceComparison) -> list[Object]:
    collections = resource.spec.collections
    mounts = [*_model_mount(resource), *_auth_mount(resource), *_ca_mount(resource)]
    if collections.embedded:
        mounts.append({"name": "collections", "mountPath": STORE_FOLDER})
    if collections.postgres:
        mounts.append({"name": "collections", "mountPath": STORE_SECRET_FOLDER, "readOnly": True})
    return [*mounts, *_own_mounts(resource)]


def _ca_mount(resource: FaceComparison) -> list[Object]:
    return [{"name": "ca-bundle", "mountPath": CA_FOLDER, "readOnly": True}] if resource.spec.ca_bundle else []


def _own_mounts(resource: FaceComparison) -> list[Object]:
    return [
        {
            "name": f"{OWN_VOLUME}{volume.name}",
            "mountPath": volume.mount_path,
            **({"subPath": volume.sub_path} if volume.sub_path else {}),
            **({"readOnly": True} if volume.read_only and volume.empty_dir is None else {}),
        }
        for volume in resource.spec.volumes
    ]


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
    if spec.collections.embedded:
        claim = {"claimName": spec.collections.embedded.volume_claim.claim_name}
        volumes.append({"name": "collections", "persistentVolumeClaim": claim})
    if spec.collections.postgres:
        store = spec.collections.postgres
        secret = {"secretName": store.secret_name, "items": [{"key": store.key, "path": store.key}]}
        volumes.append({"name": "collections", "secret": secret})
    if spec.ca_bundle:
        bundle = spec.ca_bundle
        items = [{"key": bundle.key, "path": bundle.key}]
        volumes.append({"name": "ca-bundle", "configMap": {"name": bundle.config_map_name, "items": items}})
    return [*volumes, *({"name": f"{OWN_VOLUME}{each.name}", **each.source} for each in spec.volumes)]


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
