"""The FaceComparison resource as Python values: its spec with defaults, and the names and labels of its children.

The defaults repeat those of the schema, so that the pure modules work without an API server; tests/agreement compares
the two. Names and labels are defined only here, so that builders, watches and status cannot disagree.
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
CONTAINER, MODEL_CONTAINER = "service", "model"
PORT, SERVICE_PORT = 8080, 80
ENVIRONMENT = "FACE_COMPARISON_"  # prefix of the service's environment variables

MANAGED_BY = f"app.kubernetes.io/managed-by={MANAGER}"
INSTANCE_LABEL = "app.kubernetes.io/instance"
DIGEST_ANNOTATION = f"{GROUP}/desired"  # on a child: digest of its desired state
TEMPLATE_ANNOTATION = f"{GROUP}/template"  # on a pod: digest of its pod template
IDENTITY_HEADER = "X-Face-Comparison-Identity"  # in every response: the uid of the resource whose pod responded

GATEWAY_GROUP: Literal["gateway.networking.k8s.io"] = "gateway.networking.k8s.io"

Object = dict[str, Any]


class SecretReference(msgspec.Struct, frozen=True, rename="camel"):
    """A Secret in the resource's namespace."""

    name: str


class VolumeClaim(msgspec.Struct, frozen=True, rename="camel"):
    """A folder on a PersistentVolumeClaim."""

    claim_name: str
    path: str = ""


class Model(msgspec.Struct, frozen=True, rename="camel"):
    """Where the model bundle comes from: the container image, S3 or a volume."""

    bundle: str | None = None
    s3: str | None = None
    volume_claim: VolumeClaim | None = None
    sha256: str | None = None


class Accelerator(msgspec.Struct, frozen=True, rename="camel"):
    """The device that each replica runs on."""

    type: Literal["gpu", "cpu", "auto"] = "gpu"
    resource_name: str = "nvidia.com/gpu"
    count: int = 1
    runtime_class_name: str | None = None


class AuthenticationReference(msgspec.Struct, frozen=True, rename="camel"):
    """How KEDA authenticates to Prometheus."""

    name: str
    kind: Literal["TriggerAuthentication", "ClusterTriggerAuthentication"] = "TriggerAuthentication"
    modes: list[Literal["basic", "bearer", "tls", "custom"]] = []


class Autoscaling(msgspec.Struct, frozen=True, rename="camel"):
    """Bounds, metric, and target of the autoscaler."""

    min_replicas: int = 1
    max_replicas: int = 4
    metric: Literal["CPU", "InFlight"] = "CPU"
    target: int | None = None
    authentication_ref: AuthenticationReference | None = None


class IngressRoute(msgspec.Struct, frozen=True, rename="camel"):
    """Options of the Ingress."""

    class_name: str | None = None
    annotations: dict[str, str] = {}
    tls: bool | None = None
    tls_secret: str | None = None

    @property
    def secure(self) -> bool:
        """Returns whether the Ingress terminates TLS."""
        return bool(self.tls or self.tls_secret)


class NoRoute(msgspec.Struct, frozen=True, rename="camel"):
    """No Ingress or HTTPRoute: the service is reachable only inside the cluster."""


class ParentReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A Gateway or one of its listeners. Group and kind are as in an HTTPRoute, where they have one value here."""

    name: str
    group: Literal["gateway.networking.k8s.io"] = GATEWAY_GROUP
    kind: Literal["Gateway"] = "Gateway"
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None


class GatewayRoute(msgspec.Struct, frozen=True, rename="camel"):
    """The Gateways that an HTTPRoute is attached to."""

    parent_refs: list[ParentReference]


class Route(msgspec.Struct, frozen=True, rename="camel"):
    """How clients reach the service from outside the cluster."""

    host: str | None = None
    ingress: IngressRoute | None = None
    gateway: GatewayRoute | None = None
    none: NoRoute | None = None


class Auth(msgspec.Struct, frozen=True, rename="camel"):
    """Whether API keys are required, and the Secret that holds them."""

    mode: Literal["None", "ApiKey"] = "None"
    secret_name: str | None = None


class Limits(msgspec.Struct, frozen=True, rename="camel"):
    """Limits of the service: bytes, seconds, requests, pixels of an image's longest side."""

    body_bytes: int = 20 * 2**20
    request_seconds: int = 30
    queue: int = 64
    requests_per_caller: int = 0
    trusted_proxies: list[str] = []
    max_side: int = 4096
    allowed_hosts: list[str] = []
    allowed_buckets: list[str] = []


class Monitoring(msgspec.Struct, frozen=True, rename="camel"):
    """Whether Prometheus Operator gets a ServiceMonitor, and its labels."""

    service_monitor: bool = False
    labels: dict[str, str] = {}


class StoreClaim(msgspec.Struct, frozen=True, rename="camel"):
    """The PersistentVolumeClaim of an embedded store."""

    claim_name: str


class EmbeddedStore(msgspec.Struct, frozen=True, rename="camel"):
    """A collection store in files, for one replica."""

    volume_claim: StoreClaim


class PostgresStore(msgspec.Struct, frozen=True, rename="camel"):
    """A PostgreSQL server, by the Secret key that contains its URI."""

    secret_name: str
    key: str = "uri"


class Collections(msgspec.Struct, frozen=True, rename="camel"):
    """The collection store."""

    embedded: EmbeddedStore | None = None
    postgres: PostgresStore | None = None


class Strategy(msgspec.Struct, frozen=True, rename="camel"):
    """How the Deployment replaces pods."""

    type: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"
    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class ChildMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """Labels and annotations of every child."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class ConfigMapKey(msgspec.Struct, frozen=True, rename="camel"):
    """A certificate authority in a ConfigMap."""

    config_map_name: str
    key: str = "ca.crt"


class Volume(msgspec.Struct, frozen=True, rename="camel"):
    """A volume of the service container: where it is mounted, and its source, as in a pod's `volumes`."""

    name: str
    mount_path: str
    sub_path: str | None = None
    read_only: bool = True
    config_map: Object | None = None
    secret: Object | None = None
    persistent_volume_claim: Object | None = None
    empty_dir: Object | None = None

    @property
    def source(self) -> Object:
        """Returns the source as in a pod's volume."""
        sources = {
            "configMap": self.config_map,
            "secret": self.secret,
            "persistentVolumeClaim": self.persistent_volume_claim,
            "emptyDir": self.empty_dir,
        }
        return {name: value for name, value in sources.items() if value is not None}


def _resources() -> Object:
    return {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "3Gi"}}


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    """`spec` of the resource; fields that are passed through to the pods remain dictionaries."""

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
    collections: Collections = Collections()
    limits: Limits = Limits()
    resources: Object = msgspec.field(default_factory=_resources)
    resource_claims: list[Object] = []
    strategy: Strategy | None = None
    paused: bool = False
    node_selector: dict[str, str] = {}
    tolerations: list[Object] = []
    affinity: Object = {}
    topology_spread_constraints: list[Object] = []
    service_account_name: str | None = None
    pod_annotations: dict[str, str] = {}
    pod_labels: dict[str, str] = {}
    env: list[Object] = []
    volumes: list[Volume] = []
    ca_bundle: ConfigMapKey | None = None
    priority_class_name: str | None = None
    scheduler_name: str | None = None
    dns_policy: str | None = None
    dns_config: Object = {}
    host_aliases: list[Object] = []
    child_metadata: ChildMetadata = ChildMetadata()
    monitoring: Monitoring = Monitoring()
    network_policy: bool = False
    disruption_budget: bool = True
    deploy_deadline_seconds: int = 600


class FaceComparison(msgspec.Struct, frozen=True):
    """A resource: its identity, its spec, and the last written status."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: Spec
    status: Object
    # During a stage migration (see `stage_migration.py`): the stages that the route serves, and the previous stage,
    # which pods still serve.
    routed: tuple[str, ...] = ()
    former_stage: str | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """Returns the stages that the route serves, starting with the URL's."""
        return self.routed or (self.spec.stage,)

    @property
    def child(self) -> str:
        """Returns the name of every child, which is also the instance label."""
        return child_name(self.name)

    @property
    def has_status(self) -> bool:
        """Returns whether the operator has written a status.

        The API server's default for a new resource does not count.
        """
        return "conditions" in self.status

    @property
    def selector(self) -> dict[str, str]:
        """Returns the labels that select the pods. They are part of immutable fields: never change them."""
        return {
            "app.kubernetes.io/name": "face-comparison",
            INSTANCE_LABEL: self.child,
            "app.kubernetes.io/managed-by": MANAGER,
        }

    @property
    def owner_reference(self) -> Object:
        """Returns the controller owner reference of every child, used by garbage collection."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def parse(body: Object) -> FaceComparison:
    """Parses a resource as sent by the API server.

    Raises:
        InvalidSpec: The spec does not match this operator's version of the schema, or asks for autoscaling by CPU
            without a CPU request.
    """
    metadata = body["metadata"]
    try:
        spec = msgspec.convert(body.get("spec") or {}, Spec)
    except msgspec.ValidationError as error:
        raise InvalidSpec(f"the spec cannot be parsed; does the installed CRD match the operator? {error}") from error
    if spec.autoscaling and spec.autoscaling.metric == "CPU" and not _asks_for_cpu(spec.resources):
        # Quantities may be numbers or text. Schemas have no type for that, so CEL rules cannot access them.
        raise InvalidSpec("autoscaling by CPU is relative to the CPU request: set resources.requests.cpu")
    return FaceComparison(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=spec,
        status=body.get("status") or {},
    )


def _asks_for_cpu(resources: Object) -> bool:
    return any("cpu" in (resources.get(amounts) or {}) for amounts in ("requests", "limits"))


def child_name(name: str) -> str:
    """Returns the name of a resource's children: that of the resource, unless it is not a valid Service name.

    A Service name is a DNS label that begins with a letter; a resource's name may be longer, contain dots, or begin
    with a digit. Such a name is adapted and gets a hash, so that two resources never share a name.
    """
    if re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", f"fc-{name}" if not name[0].isalpha() else name)
    return f"{readable[:50].strip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
