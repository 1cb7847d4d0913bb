"""Checks what a FaceComparison may refer to: container images, ServiceAccounts, Secrets, hosts, Gateways.

Permission to create a FaceComparison is weaker than permission to create pods and Ingresses. These rules ensure that:
the operator never creates on a user's behalf what its options do not permit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from posixpath import normpath

from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.settings import Settings
from face_comparison_operator.spec import Spec

ORDINARY_VARIABLES = (
    "FACE_COMPARISON_*",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "OMP_NUM_THREADS",
    "TZ",
)
"""Environment variables that anyone may set: options of the service, which it checks itself, and access to S3.

Others could make the container execute code that comes with a model (PYTHONPATH, LD_PRELOAD), or send a mounted Secret
elsewhere (AWS_WEB_IDENTITY_TOKEN_FILE, or AWS_ENDPOINT_URL, which also determines the server to which the token of a
ServiceAccount is sent).
"""


PROGRAM_FOLDERS = ("bin", "dev", "home", "lib", "lib64", "opt", "proc", "root", "sbin", "sys", "usr")
"""Folders of the container image in which a mount would replace the program, its libraries, or its configuration."""

HOME = ["tmp"]
"""The program's home directory, where libraries look for their configuration."""

OPEN_CONFIGURATION = (("face-comparison",), ("localtime",), ("ssl", "certs"), ("timezone",))
"""Places in /etc where a mount cannot make the program load code (openssl.cnf) or redirect its connections (hosts)."""


def violations(resource: FaceComparison, settings: Settings) -> list[str]:
    """Returns what the resource requests but the options do not permit, with one message per field and value."""
    return list(dict.fromkeys(_violations(resource, settings)))


def _violations(resource: FaceComparison, settings: Settings) -> Iterator[str]:
    spec = resource.spec
    if spec.image and not _is_own_image(spec.image, settings) and not _matches(spec.image, settings.allowed_images):
        yield _message("image", spec.image, "allowed-images")
    rules = (
        ("serviceAccountName", [spec.service_account_name], settings.allowed_service_accounts, "service-accounts"),
        (
            "accelerator.runtimeClassName",
            [spec.accelerator.runtime_class_name],
            settings.allowed_runtime_classes,
            "runtime-classes",
        ),
        (
            "route.ingress.className",
            [spec.route.ingress.class_name if spec.route.ingress else None],
            settings.allowed_ingress_classes,
            "ingress-classes",
        ),
        (
            "priorityClassName",
            [spec.priority_class_name],
            settings.allowed_priority_classes,
            "priority-classes",
        ),
        ("podAnnotations", spec.pod_annotations, settings.allowed_annotations, "annotations"),
        ("childMetadata.annotations", spec.child_metadata.annotations, settings.allowed_annotations, "annotations"),
        (
            "route.ingress.annotations",
            spec.route.ingress.annotations if spec.route.ingress else (),
            settings.allowed_annotations,
            "annotations",
        ),
        *_env_rules(spec, settings),
        *_volume_rules(spec, settings),
        *_device_rules(spec, settings),
        *_dns_rules(spec, settings),
    )
    for field, names, allowed, option in rules:
        for name in names:
            if name and not _matches(name, allowed):
                yield _message(field, name, f"allowed-{option}")
    labels = (
        ("podLabels", spec.pod_labels),
        ("childMetadata.labels", spec.child_metadata.labels),
        ("monitoring.labels", spec.monitoring.labels),
    )
    for field, keys in labels:
        for key in keys:
            if not _matches_label(key, settings.allowed_labels):
                yield _message(field, key, "allowed-labels")
    yield from _route_violations(resource, settings)


_VERSION = re.compile(r"(:\w[\w.-]{0,127})?(@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-fA-F]+)?", re.ASCII)
"""Tag and digest of an image reference."""

_Rule = tuple[str, Sequence[str | None], tuple[str, ...], str]


def _env_rules(spec: Spec, settings: Settings) -> Iterator[_Rule]:
    names = [str(variable.get("name")) for variable in spec.env]
    yield "env", names, (*ORDINARY_VARIABLES, *settings.allowed_variables), "variables"
    for variable in spec.env:
        source = variable.get("valueFrom") or {}
        field = f"env[{variable.get('name')}].valueFrom"
        secret, config_map = source.get("secretKeyRef"), source.get("configMapKeyRef")
        if secret:
            yield f"{field}.secretKeyRef", [_name(secret)], settings.allowed_secrets, "secrets"
        if config_map:
            yield f"{field}.configMapKeyRef", [_name(config_map)], settings.allowed_config_maps, "config-maps"
        # A source added by a later Kubernetes version could be of any kind.
        for name in source.keys() - {"secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"}:
            yield f"{field}.{name}", [name], settings.allowed_secrets, "secrets"


def _volume_rules(spec: Spec, settings: Settings) -> Iterator[_Rule]:
    claims = [spec.model.volume_claim.claim_name if spec.model.volume_claim else None]
    claims.append(spec.collections.embedded.volume_claim.claim_name if spec.collections.embedded else None)
    for volume in spec.volumes:
        claims.append((volume.persistent_volume_claim or {}).get("claimName"))
        field = f"volumes[{volume.name}]"
        if _replaces_program(volume.mount_path):  # equivalent to another container image
            yield f"{field}.mountPath", [volume.mount_path], _all_or_none(settings.allowed_images), "images"
        if volume.secret is not None:
            yield f"{field}.secret", [volume.secret.get("secretName", "?")], settings.allowed_secrets, "secrets"
        if volume.config_map is not None:
            yield f"{field}.configMap", [_name(volume.config_map)], settings.allowed_config_maps, "config-maps"
    yield "volume claim", claims, settings.allowed_volume_claims, "volume-claims"
    if spec.ca_bundle:
        yield "caBundle", [spec.ca_bundle.config_map_name], settings.allowed_config_maps, "config-maps"


def _device_rules(spec: Spec, settings: Settings) -> Iterator[_Rule]:
    amounts = {**spec.resources.get("requests", {}), **spec.resources.get("limits", {})}
    # Kubernetes' own resources have no domain.
    yield "resources", [name for name in amounts if "/" in name], settings.allowed_devices, "devices"
    if spec.accelerator.type != "cpu":
        yield "accelerator.resourceName", [spec.accelerator.resource_name], settings.allowed_devices, "devices"
    for claim in spec.resource_claims:
        names = [claim[kind] for kind in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(kind)]
        yield (
            f"resourceClaims[{claim.get('name')}]",
            names or ["?"],
            settings.allowed_resource_claims,
            "resource-claims",
        )


def _dns_rules(spec: Spec, settings: Settings) -> Iterator[_Rule]:
    """Yields the rules for name resolution.

    Whoever controls what a name resolves to receives what the service sends there, for example the store's password.
    """
    for part in ("nameservers", "searches"):
        listed = spec.dns_config.get(part) or []
        # The schema does not specify the type; the API server rejects anything but a list, but only later.
        names = [str(name) for name in (listed if isinstance(listed, list) else [listed])]
        yield f"dnsConfig.{part}", names, settings.allowed_dns, "dns"
    for alias in spec.host_aliases:
        yield f"hostAliases[{alias.get('ip')}]", alias.get("hostnames") or [], settings.allowed_dns, "dns"


def _replaces_program(mount_path: str) -> bool:
    parts = [part for part in normpath(f"/{mount_path}").split("/") if part]
    if not parts or parts == HOME or parts[0] in PROGRAM_FOLDERS or any(part.startswith(".") for part in parts):
        return True
    below = tuple(parts[1:])
    return parts[0] == "etc" and not any(below[: len(place)] == place for place in OPEN_CONFIGURATION)


def _all_or_none(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Returns only the pattern that permits everything: others describe names of another kind."""
    return tuple(pattern for pattern in patterns if pattern == "*")


def _route_violations(resource: FaceComparison, settings: Settings) -> Iterator[str]:
    route = resource.spec.route
    if route.none is None:
        # A route without a host serves every host, so it requires permission for all hosts.
        if not _matches(route.host or "*", settings.allowed_hosts):
            yield _message("route.host", route.host or "(every host)", "allowed-hosts")
        for parent in route.gateway.parent_refs if route.gateway else ():
            namespace = parent.namespace or resource.namespace
            gateway = f"{namespace}/{parent.name}"
            if namespace != resource.namespace and not _matches(gateway, settings.allowed_gateways):
                yield _message("route.gateway.parentRefs", gateway, "allowed-gateways")


def _is_own_image(image: str, settings: Settings) -> bool:
    """Returns whether the image is any version of the operator's own: pinning one keeps pods from changing with it."""
    own = {_repository(each) for each in (settings.service_image, settings.service_gpu_image) if each}
    return _repository(image) in own and _VERSION.fullmatch(image.removeprefix(_repository(image))) is not None


def _repository(image: str) -> str:
    """Returns the image's name without tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(pattern == "*" or fnmatchcase(name, pattern) for pattern in patterns)


def _matches_label(key: str, patterns: tuple[str, ...]) -> bool:
    return any(
        pattern == "*" or (fnmatchcase(key, pattern) and ("/" in pattern or "/" not in key)) for pattern in patterns
    )


def _name(reference: Object) -> str:
    # A reference without a name refers to no object, but must not pass as "nothing requested".
    return str(reference.get("name") or "?")


def _message(field: str, value: str, option: str) -> str:
    return f"spec.{field}: {value!r} is not permitted by this operator (option --{option})"
