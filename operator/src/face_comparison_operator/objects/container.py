"""Builds the containers of a pod: the service, and the init containers that download or verify its model."""

from __future__ import annotations

from face_comparison_operator.objects.volumes import (
    API_KEYS,
    AUTH_FOLDER,
    CA_FOLDER,
    MODEL_FOLDER,
    STORE_FOLDER,
    STORE_SECRET_FOLDER,
    ca_mount,
    model_mount,
    mounts,
    own_mounts,
)
from face_comparison_operator.resource import (
    CONTAINER,
    ENVIRONMENT,
    MODEL_CONTAINER,
    PORT,
    FaceComparison,
    Object,
)
from face_comparison_operator.spec import Limits

# A terminating pod keeps serving until load balancers have removed its endpoint.
LEAVE_SECONDS = 5


def service_container(resource: FaceComparison, image: Object) -> Object:
    """Builds the service container.

    Args:
        resource: The resource.
        image: The container image and its pull policy, as fields of a container.
    """
    spec = resource.spec
    return {
        "name": CONTAINER,
        **image,
        "command": ["face-comparison", "serve"],
        "env": [*_environment(resource), *spec.env],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        # Every model runs once before the pod is ready; the time depends on the device.
        "startupProbe": _probe("/readyz", periodSeconds=1, failureThreshold=600, timeoutSeconds=5),
        "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=2, timeoutSeconds=5),
        # A busy service responds late; it is restarted only after a whole minute without a response.
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=6, timeoutSeconds=10),
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_SECONDS}}},
        "resources": _resources(resource),
        **_confined(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts(resource)],  # noqa: S108 (an emptyDir)
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
    # With dynamic resource allocation, the claim provides the device.
    if accelerator.type != "gpu" or resources.get("claims"):
        return resources
    limits = {**resources.get("limits", {}), accelerator.resource_name: str(accelerator.count)}
    return {**resources, "limits": limits}


def amounts_as_text(resources: Object) -> Object:
    """Returns resource requirements with every quantity as text: users may write `cpu: 0.5` without quotes."""
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
    if spec.limits.requests_per_caller:
        values["REQUESTS_PER_CALLER"] = str(spec.limits.requests_per_caller)
    if spec.limits.trusted_proxies:
        values["TRUSTED_PROXIES"] = ",".join(spec.limits.trusted_proxies)
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
    device_variables = {}
    if spec.accelerator.type == "auto":
        # If the node's container runtime exposes the device, the pod can use it without reserving it.
        device_variables = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    overridden = {each["name"] for each in spec.env}
    variables = {
        **{f"{ENVIRONMENT}{name}": value for name, value in values.items()},
        **device_variables,
        **_ca_variables(resource),
    }
    return [{"name": name, "value": value} for name, value in variables.items() if name not in overridden]


def _ca_variables(resource: FaceComparison) -> dict[str, str]:
    """Returns the variables that make OpenSSL, botocore, and libpq use the certificate authorities in `caBundle`."""
    bundle = resource.spec.ca_bundle
    if bundle is None:
        return {}
    path = f"{CA_FOLDER}/{bundle.key}"
    return {"SSL_CERT_FILE": path, "AWS_CA_BUNDLE": path, "PGSSLROOTCERT": path}


def _bundle(resource: FaceComparison) -> str:
    """Returns the name of a bundle in the container image, or its folder in the pod."""
    model = resource.spec.model
    if model.s3:
        return f"{MODEL_FOLDER}/bundle"
    if model.volume_claim:
        return f"{MODEL_FOLDER}/{model.volume_claim.path}".rstrip("/")
    return model.bundle or "default"


def init_containers(resource: FaceComparison, image: Object) -> list[Object]:
    """Builds the init containers that download or verify a model before the service starts."""
    model = resource.spec.model
    digest = ["--sha256", model.sha256] if model.sha256 else []
    if model.s3:
        command = ["fetch", model.s3, *digest, "--into", _bundle(resource)]
    elif model.sha256:
        command = ["verify", _bundle(resource), *digest]
    else:
        return []
    mounts = [{**mount, "readOnly": not model.s3} for mount in model_mount(resource)]
    mounts += [*ca_mount(resource), *own_mounts(resource)]
    return [
        {
            "name": MODEL_CONTAINER,
            **image,
            "command": ["face-comparison", "models", *command],
            "env": [
                *({"name": name, "value": value} for name, value in _ca_variables(resource).items()),
                *resource.spec.env,
            ],
            # The scheduler counts the larger of init and service containers, so this reserves nothing in addition.
            "resources": {
                name: value for name, value in amounts_as_text(resource.spec.resources).items() if name != "claims"
            },
            **_confined(),
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts],  # noqa: S108 (an emptyDir)
        }
    ]
