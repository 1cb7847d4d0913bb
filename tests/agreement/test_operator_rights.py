"""The chart grants the operator exactly the permissions that its requests need."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import yaml

from devtools.chart_manifests import MANIFESTS
from face_comparison_operator import api_client, api_resources
from face_comparison_operator.api_resources import ApiResource

Rights = dict[tuple[str, str], set[str]]
"""Verbs by API group and resource."""

INSTALLED = [each for each in yaml.safe_load_all((MANIFESTS / "install.yaml").read_text()) if each]

# Arguments of each method of `Cluster`. A new method must be added here to be compared.
CALLED_WITH: dict[str, Iterable[ApiResource]] = {
    "listed": api_resources.WATCHED,
    "read": (*api_resources.CHILDREN, api_resources.LEASE, api_resources.GATEWAY),
    "create": (*api_resources.CHILDREN, api_resources.LEASE, api_resources.EVENT),
    "apply": api_resources.CHILDREN,
    # Services and Deployments exist as long as their resource; the permission is only needed to adopt them.
    "delete": api_resources.CHILDREN,
    "replace": (api_resources.LEASE,),
    "warnings": (api_resources.EVENT,),
    "write_status": (api_resources.RESOURCE,),
}
VERBS = {"get", "list", "watch", "create", "update", "patch", "delete"}
SUBRESOURCE = {"write_status": "/status"}


def verbs() -> dict[str, set[str]]:
    """Returns the verbs that each public method of `Cluster` uses, read from its source."""
    (definition,) = ast.parse(inspect.getsource(api_client.Cluster)).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, set[str]] = {}
    for method in definition.body:
        if isinstance(method, ast.AsyncFunctionDef) and not method.name.startswith("_"):
            arguments = [each for call in ast.walk(method) if isinstance(call, ast.Call) for each in call.args]
            words = {each.value for each in arguments if isinstance(each, ast.Constant)}
            found[method.name] = {str(word) for word in words & VERBS}
    return found


def used() -> Rights:
    rights: Rights = defaultdict(set)
    for method, sent in verbs().items():
        for kind in CALLED_WITH[method]:
            group = kind.api_version.rpartition("/")[0]
            rights[group, kind.plural + SUBRESOURCE.get(method, "")] |= sent
    # kopf watches these and the CRDs, to notice kinds that are installed later.
    for kind in api_resources.WATCHED:
        rights[kind.api_version.rpartition("/")[0], kind.plural] |= {"list", "watch"}
    rights["apiextensions.k8s.io", "customresourcedefinitions"] = {"list", "watch"}
    # Its children block the deletion of a resource, for which some clusters (OpenShift) require this permission.
    rights["facecomparison.dev", "facecomparisons/finalizers"] = {"update"}
    return dict(rights)


def granted(*names: str) -> Rights:
    rights: Rights = defaultdict(set)
    for role in INSTALLED:
        if role["kind"] in ("ClusterRole", "Role") and role["metadata"]["name"] in names:
            for rule in role["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        rights[group, resource] |= set(rule["verbs"])
    return dict(rights)


def roles_of_the_operator() -> list[str]:
    return [bound(each) for each in INSTALLED if each["kind"] in ("ClusterRoleBinding", "RoleBinding")]


def bound(binding: dict[str, Any]) -> str:
    (subject,) = binding["subjects"]
    assert subject["kind"] == "ServiceAccount"
    return str(binding["roleRef"]["name"])


def test_every_method_is_known() -> None:
    assert verbs().keys() == CALLED_WITH.keys()
    assert all(verbs().values()), "each sends something"


def test_granted_permissions_match_used_ones() -> None:
    assert granted(*roles_of_the_operator()) == used()
