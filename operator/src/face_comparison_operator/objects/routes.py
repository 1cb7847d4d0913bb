"""Builds the Ingress or HTTPRoute, which publishes only the path of the stage.

During a stage migration, there may be two paths; see `stage_migration`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from face_comparison_operator.resource import SERVICE_PORT, FaceComparison, Object


def ingress(resource: FaceComparison) -> list[Object]:
    """Builds the Ingress, unless the route uses a Gateway or there is none."""
    route = resource.spec.route
    if route.gateway or route.none:
        return []
    backend = {"service": {"name": resource.child, "port": {"name": "http"}}}
    paths = [{"path": f"/{stage}", "pathType": "Prefix", "backend": backend} for stage in resource.stages]
    rule: Object = {"http": {"paths": paths}}
    if route.host:
        rule["host"] = route.host
    spec: Object = {"rules": [rule]}
    metadata: Object = {}
    if route.ingress:
        if route.ingress.class_name:
            spec["ingressClassName"] = route.ingress.class_name
        if route.ingress.secure:
            # Without a Secret, the controller serves its default certificate.
            hosts: Object = {"hosts": [route.host]} if route.host else {}
            secret: Object = {"secretName": route.ingress.tls_secret} if route.ingress.tls_secret else {}
            spec["tls"] = [{**hosts, **secret}]
        if route.ingress.annotations:
            metadata["annotations"] = route.ingress.annotations
    return [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}]


def http_route(resource: FaceComparison) -> list[Object]:
    """Builds the HTTPRoute, if the route uses a Gateway."""
    route = resource.spec.route
    if not route.gateway:
        return []
    spec: Object = {
        "parentRefs": [msgspec.to_builtins(parent) for parent in route.gateway.parent_refs],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": f"/{stage}"}} for stage in resource.stages],
                "backendRefs": [{"name": resource.child, "port": SERVICE_PORT}],
            }
        ],
    }
    if route.host:
        spec["hostnames"] = [route.host]
    return [{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": spec}]


# ACME challenge solvers (cert-manager's `http01-edit-in-place`) temporarily add paths with this prefix to an Ingress.
ACME_PATH = "/.well-known/acme-challenge/"


def without_acme_paths(ingress: Object) -> Object:
    """Returns the Ingress without ACME challenge paths, for comparison with the desired one."""

    def without_acme(rule: Object) -> Object:
        paths = [path for path in _paths(rule) if not _is_acme(path)]
        return {**rule, "http": {**rule["http"], "paths": paths}} if "http" in rule else rule

    # Without its ACME paths, a rule that a solver added is empty; it is not ours and is dropped.
    rules = [
        without_acme(rule)
        for rule in ingress.get("spec", {}).get("rules", [])
        if _paths(without_acme(rule)) or not _paths(rule)
    ]
    return {**ingress, "spec": {**ingress.get("spec", {}), "rules": rules}}


def with_acme_paths(body: Object, live: Object) -> Object:
    """Returns the desired Ingress `body` with the ACME challenge paths in `live`."""
    (rule,) = body["spec"]["rules"]
    acme_rules = [each for each in live.get("spec", {}).get("rules", []) if any(map(_is_acme, _paths(each)))]
    acme_paths = [
        path for each in acme_rules if each.get("host") == rule.get("host") for path in _paths(each) if _is_acme(path)
    ]
    rules_of_other_hosts = [
        {**each, "http": {"paths": [path for path in _paths(each) if _is_acme(path)]}}
        for each in acme_rules
        if each.get("host") != rule.get("host")
    ]
    merged = {**rule, "http": {"paths": [*acme_paths, *_paths(rule)]}}
    return {**body, "spec": {**body["spec"], "rules": [merged, *rules_of_other_hosts]}}


def _paths(rule: Object) -> list[Any]:
    paths: list[Any] = rule.get("http", {}).get("paths") or []
    return paths


def _is_acme(path: Object) -> bool:
    return bool(str(path.get("path", "")).startswith(ACME_PATH))
