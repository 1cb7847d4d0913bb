"""The FaceComparison resource as values: its spec with defaults, the names and labels of what belongs to it.

The defaults repeat those of the schema, so that the pure parts can be used without an API server; tests/agreement
compares the two. Whatever concerns names is decided here alone: builders, watches and status cannot disagree.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import msgspec

from face_comparison_operator.errors import InvalidSpec

GROUP, VERSION, PLURAL, KIND = "facecomparison.dev", "v1alpha1", "facecomparisons", "FaceComparison"
API_VERSION = f"{GROUP}/{VERSION}"
MANAGER = "face-comparison-operator"
CONTAINER, PORT, SERVICE_PORT = "service", 8080, 80
ENVIRONMENT = "FACE_COMPARISON_"  # begins the name of every option of the service

MANAGED_BY = f"app.kubernetes.io/managed-by={MANAGER}"
INSTANCE_LABEL = "app.kubernetes.io/instance"
DIGEST_ANNOTATION = f"{GROUP}/desired"  # of a child as the operator wants it
TEMPLATE_ANNOTATION = f"{GROUP}/template"  # of a pod: the template that it was made from

Object = dict[str, Any]


class SecretReference(msgspec.Struct, frozen=True, rename="camel"):
    name: str


class VolumeClaim(msgspec.Struct, frozen=True, rename="camel"):
    claim_name: str
    path: str = ""


class Model(msgspec.Struct, frozen=True, rename="camel"):
    bundle: str | None = None
    s3: str | None = None
    volume_claim: VolumeClaim | None = None
    sha256: str | None = None


class Accelerator(msgspec.Struct, frozen=True, rename="camel"):
    type: Literal["gpu", "cpu"] = "gpu"
    resource_name: str = "nvidia.com/gpu"
    count: int = 1
    runtime_class_name: str | None = None


class Autoscaling(msgspec.Struct, frozen=True, rename="camel"):
    min_replicas: int = 1
    max_replicas: int = 4
    metric: Literal["CPU", "InFlight"] = "CPU"
    target: int | None = None


class IngressRoute(msgspec.Struct, frozen=True, rename="camel"):
    class_name: str | None = None
    annotations: dict[str, str] = {}
    tls_secret: str | None = None


class ParentReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    name: str
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None


class GatewayRoute(msgspec.Struct, frozen=True, rename="camel"):
    parent_refs: list[ParentReference]


class Route(msgspec.Struct, frozen=True, rename="camel"):
    host: str | None = None
    ingress: IngressRoute | None = None
    gateway: GatewayRoute | None = None


class Auth(msgspec.Struct, frozen=True, rename="camel"):
    mode: Literal["None", "ApiKey"] = "None"
    secret_name: str | None = None


class Limits(msgspec.Struct, frozen=True, rename="camel"):
    body_bytes: int = 20 * 2**20
    request_seconds: int = 30
    queue: int = 64
    allowed_hosts: list[str] = []
    allowed_buckets: list[str] = []


class Monitoring(msgspec.Struct, frozen=True, rename="camel"):
    service_monitor: bool = False


def _resources() -> Object:
    return {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "3Gi"}}


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    """`spec` of the resource; what is passed to the pods as it is stays a dictionary."""

    stage: str = "prod"
    image: str | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: list[SecretReference] = []
    model: Model = Model()
    accelerator: Accelerator = Accelerator()
    replicas: int | None = None
    autoscaling: Autoscaling | None = None
    route: Route = Route()
    auth: Auth = Auth()
    limits: Limits = Limits()
    resources: Object = msgspec.field(default_factory=_resources)
    node_selector: dict[str, str] = {}
    tolerations: list[Object] = []
    affinity: Object = {}
    topology_spread_constraints: list[Object] = []
    service_account_name: str | None = None
    pod_annotations: dict[str, str] = {}
    pod_labels: dict[str, str] = {}
    env: list[Object] = []
    monitoring: Monitoring = Monitoring()
    network_policy: bool = False
    disruption_budget: bool = True
    deploy_deadline_seconds: int = 600


class FaceComparison(msgspec.Struct, frozen=True):
    """One resource: who it is, what it asks for, and the status last written."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: Spec
    status: Object
    # While the stage changes (see `stage_migration.py`): the stages that the route leads to, and the former stage,
    # which pods still answer.
    routed: tuple[str, ...] = ()
    former_stage: str | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that the route leads to, the URL's first."""
        return self.routed or (self.spec.stage,)

    @property
    def child(self) -> str:
        """The name of every child, and the instance label."""
        return child_name(self.name)

    @property
    def selector(self) -> dict[str, str]:
        """Labels that select the pods. Part of immutable fields: never change them."""
        return {
            "app.kubernetes.io/name": "face-comparison",
            INSTANCE_LABEL: self.child,
            "app.kubernetes.io/managed-by": MANAGER,
        }

    @property
    def reference(self) -> Object:
        """The owner reference that makes garbage collection remove the children."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def parse(body: Object) -> FaceComparison:
    """The resource in `body`, as the API server sends it. InvalidSpec when it cannot be read."""
    metadata = body["metadata"]
    try:
        spec = msgspec.convert(body.get("spec") or {}, Spec)
    except msgspec.ValidationError as error:
        raise InvalidSpec(f"the spec cannot be read, is the resource definition the operator's? {error}") from error
    return FaceComparison(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=spec,
        status=body.get("status") or {},
    )


def child_name(name: str) -> str:
    """The name of the children of the resource `name`: the same, unless it is no valid name of a Service.

    A Service is a DNS label that begins with a letter; a resource's name may be longer, hold dots or begin with a
    digit. Such a name is cut and gets a hash, so that two resources never share one.
    """
    if re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", f"fc-{name}" if not name[0].isalpha() else name)
    return f"{readable[:50].strip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
