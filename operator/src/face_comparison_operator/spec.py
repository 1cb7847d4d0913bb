"""The spec of a FaceComparison as Python values, with defaults.

The defaults repeat those of the schema, so that the pure modules work without an API server; tests/agreement compares
the two.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

GATEWAY_GROUP: Literal["gateway.networking.k8s.io"] = "gateway.networking.k8s.io"


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
    config_map: dict[str, Any] | None = None
    secret: dict[str, Any] | None = None
    persistent_volume_claim: dict[str, Any] | None = None
    empty_dir: dict[str, Any] | None = None

    @property
    def source(self) -> dict[str, Any]:
        """Returns the source as in a pod's volume."""
        sources = {
            "configMap": self.config_map,
            "secret": self.secret,
            "persistentVolumeClaim": self.persistent_volume_claim,
            "emptyDir": self.empty_dir,
        }
        return {name: value for name, value in sources.items() if value is not None}


def _resources() -> dict[str, Any]:
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
    resources: dict[str, Any] = msgspec.field(default_factory=_resources)
    resource_claims: list[dict[str, Any]] = []
    strategy: Strategy | None = None
    paused: bool = False
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = []
    affinity: dict[str, Any] = {}
    topology_spread_constraints: list[dict[str, Any]] = []
    service_account_name: str | None = None
    pod_annotations: dict[str, str] = {}
    pod_labels: dict[str, str] = {}
    env: list[dict[str, Any]] = []
    volumes: list[Volume] = []
    ca_bundle: ConfigMapKey | None = None
    priority_class_name: str | None = None
    scheduler_name: str | None = None
    dns_policy: str | None = None
    dns_config: dict[str, Any] = {}
    host_aliases: list[dict[str, Any]] = []
    child_metadata: ChildMetadata = ChildMetadata()
    monitoring: Monitoring = Monitoring()
    network_policy: bool = False
    disruption_budget: bool = True
    deploy_deadline_seconds: int = 600
