"""Every option of the operator, declared once: name, default, and help.

The command line and the environment variables are derived from it. Pure: the environment is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from face_comparison_operator import __version__
from face_comparison_operator.errors import InvalidSettings

PREFIX = "FACE_COMPARISON_OPERATOR_"

# Kubernetes announces every Service of a namespace to its containers in variables such as NAME_SERVICE_HOST and
# NAME_PORT_8080_TCP. For a Service whose name begins with `face-comparison-operator`, their names look like options.
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
_SERVICE_LINK_PORT = re.compile(r"^(tcp|udp|sctp)://")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_LABEL = re.compile(
    r"([-.a-z0-9]+/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?=([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?"
)
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _optional(value: str) -> str:
    return value.strip()


def _port(value: str) -> int:
    if not value.isdigit() or not 0 <= int(value) <= 65535:
        raise ValueError("must be a port from 0 to 65535; 0 selects a free one")
    return int(value)


def _group(value: str) -> int | None:
    if value.strip() and not value.strip().isdigit():
        raise ValueError("must be a numeric group id, or empty")
    return int(value) if value.strip() else None


def _flag(value: str) -> bool:
    if value.lower() not in _YES + _NO:
        raise ValueError("must be true or false")
    return value.lower() in _YES


def _namespaces(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    for name in names:
        if not _DNS_LABEL.fullmatch(name):
            raise ValueError(f"{name!r} is not a valid namespace name")
    return names


def _patterns(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.strip() for each in value.split(",") if each.strip()))


def _names(value: str) -> tuple[str, ...]:
    names = _patterns(value)
    for name in names:
        if not _DNS_SUBDOMAIN.fullmatch(name):
            raise ValueError(f"{name!r} is not a valid object name")
    return names


def _labels(value: str) -> tuple[str, ...]:
    pairs = _patterns(value)
    for pair in pairs:
        if not _LABEL.fullmatch(pair):
            raise ValueError(f"{pair!r} is not a label: write key=value")
    return pairs


def _level(value: str) -> str:
    if value.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("must be one of debug, info, warning, error")
    return value.lower()


def _option(default: Any, help_: str, read: Callable[[str], Any]) -> Any:
    return field(default=default, metadata={"help": help_, "read": read})


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one operator process."""

    namespaces: tuple[str, ...] = _option((), "Namespaces to watch, comma-separated; empty: all of them.", _namespaces)
    service_image: str = _option(
        f"registry.invalid/face-comparison/service:{__version__}",
        "Container image of a FaceComparison without spec.image; the default does not exist in any registry.",
        _text,
    )
    service_gpu_image: str = _option(
        "", "Container image of a FaceComparison on GPUs without spec.image; empty: the service image.", _optional
    )
    prometheus_address: str = _option(
        "http://prometheus-operated.monitoring.svc:9090",
        "Prometheus server that KEDA queries for requests in flight.",
        _text,
    )
    prometheus_authentication: str = _option(
        "", "KEDA ClusterTriggerAuthentication for queries to Prometheus; empty: none.", _optional
    )
    prometheus_auth_modes: tuple[str, ...] = _option(
        (), "KEDA authModes for queries to Prometheus, for example bearer.", _patterns
    )
    image_pull_secrets: tuple[str, ...] = _option(
        (), "Pull Secrets of all service pods, comma-separated, in the namespace of each resource.", _names
    )
    store_group: int | None = _option(
        65532,
        "Group (fsGroup) that owns the volume of an embedded store; empty if the cluster assigns it (OpenShift).",
        _group,
    )
    service_monitor_labels: tuple[str, ...] = _option(
        (), "Labels of all ServiceMonitors, key=value, comma-separated, by which Prometheus selects them.", _labels
    )
    allowed_images: tuple[str, ...] = _option(
        (),
        "Container images that resources may name, in addition to any version of the operator's own; patterns, * "
        "permits all.",
        _patterns,
    )
    allowed_service_accounts: tuple[str, ...] = _option(
        (), "ServiceAccounts that resources may name; patterns, * permits all.", _patterns
    )
    allowed_secrets: tuple[str, ...] = _option(
        (), "Secrets that env and volumes in resources may read; patterns, * permits all.", _patterns
    )
    allowed_config_maps: tuple[str, ...] = _option(
        ("*",), "ConfigMaps that env, volumes, and caBundle in resources may read; patterns, * permits all.", _patterns
    )
    allowed_volume_claims: tuple[str, ...] = _option(
        ("*",), "PersistentVolumeClaims that resources may mount; patterns, * permits all.", _patterns
    )
    allowed_annotations: tuple[str, ...] = _option(
        (), "Annotation keys that resources may set on pods and other objects; patterns, * permits all.", _patterns
    )
    allowed_variables: tuple[str, ...] = _option(
        (),
        "Environment variables that resources may set, besides the service's own and the usual ones for S3; patterns, "
        "* permits all.",
        _patterns,
    )
    allowed_priority_classes: tuple[str, ...] = _option(
        (), "PriorityClasses that resources may name; patterns, * permits all.", _patterns
    )
    allowed_hosts: tuple[str, ...] = _option(
        ("*",), "Hosts that routes may name; patterns, * permits all and routes without a host.", _patterns
    )
    allowed_gateways: tuple[str, ...] = _option(
        (), "Gateways in other namespaces that routes may name, as NAMESPACE/NAME; patterns, * permits all.", _patterns
    )
    allowed_ingress_classes: tuple[str, ...] = _option(
        ("*",), "IngressClasses that routes may name; patterns, * permits all.", _patterns
    )
    allowed_runtime_classes: tuple[str, ...] = _option(
        ("*",), "RuntimeClasses that resources may name; patterns, * permits all.", _patterns
    )
    allowed_devices: tuple[str, ...] = _option(
        ("nvidia.com/*",),
        "Device plugins' resource names that resources may ask for; patterns, * permits all.",
        _patterns,
    )
    allowed_resource_claims: tuple[str, ...] = _option(
        (), "ResourceClaims and ResourceClaimTemplates that resources may name; patterns, * permits all.", _patterns
    )
    allowed_dns: tuple[str, ...] = _option(
        (),
        "Name servers and search domains that dnsConfig may list, and host names in hostAliases; patterns, * permits "
        "all.",
        _patterns,
    )
    allowed_labels: tuple[str, ...] = _option(
        ("?*",),
        "Label keys that resources may set on pods and other objects; patterns, * permits all; one without a slash "
        "permits only keys without a prefix.",
        _patterns,
    )
    metrics_port: int = _option(8080, "Port of /metrics; 0 selects a free one.", _port)
    health_port: int = _option(8081, "Port of /livez and /readyz; 0 selects a free one.", _port)
    leader_election: bool = _option(
        True, "Reconcile only while holding a Lease, so that several replicas can run.", _flag
    )
    lease_namespace: str = _option("", "Namespace of the Lease; empty: the operator's own.", _optional)
    lease_name: str = _option("face-comparison-operator", "Name of the Lease.", _text)
    log_level: str = _option("info", "Log level.", _level)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Parses the settings in `environ`.

        Raises:
            InvalidSettings: A variable is unknown or its value is invalid; the message names it.
        """
        known = {environment_name(option): option for option in fields(cls)}
        values: dict[str, Any] = {}
        for name in sorted(name for name in environ if name.startswith(PREFIX)):
            option = known.get(name)
            if option is not None:
                values[option.name] = parsed(option, environ[name], name)
            elif not _SERVICE_LINK.search(name) and not _SERVICE_LINK_PORT.match(environ[name]):
                raise InvalidSettings(f"{name} is not an option of the operator; options: {', '.join(known)}")
        return cls(**values)


def environment_name(option: Field[Any]) -> str:
    """Returns the name of an option's environment variable."""
    return PREFIX + option.name.upper()


def parsed(option: Field[Any], text: str, name: str) -> Any:
    """Parses the value of an option.

    Args:
        option: The option.
        text: Its value as text.
        name: Name of the environment variable or flag, for the error message.

    Raises:
        InvalidSettings: The value is invalid.
    """
    try:
        return option.metadata["read"](text)
    except ValueError as error:
        raise InvalidSettings(f"{name}: {error}") from None
