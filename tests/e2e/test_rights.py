"""The operator has exactly the permissions that it uses, according to the audit log of this node's API server.

One resource goes through everything that makes the operator send requests: every kind of child is created, edited by
somebody else, and pruned; a pod waits for a volume; the operator restarts.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from devtools.helm import Helm
from devtools.k8s import programs
from devtools.local_cluster import images, install
from devtools.local_cluster.addons import GATEWAY
from face_comparison_operator.api_resources import CHILDREN, RESOURCE
from support.product import Object, Product

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""

# Nobody requests these: where the API server enforces it (OwnerReferencesPermissionEnforcement, as on this node),
# admission requires the first for a child that blocks the deletion of its owner, and the others when a child without
# an owner is adopted.
BY_ADMISSION: set[Right] = {
    ("facecomparison.dev", "facecomparisons/finalizers", "update"),
    ("", "services", "delete"),
    ("apps", "deployments", "delete"),
}

# A separate host: a route for every host would still respond for a while in the tests after this one.
HOST = "rights.example.com"
FIRST: Object = {
    "route": {"host": HOST},
    "autoscaling": {"metric": "CPU"},
    "networkPolicy": True,
    "monitoring": {"serviceMonitor": True},
}
SECOND: Object = {
    "autoscaling": {"metric": "InFlight"},
    "route": {"host": HOST, "gateway": {"parentRefs": [{"name": GATEWAY[1], "namespace": GATEWAY[0]}]}},
}
LAST: Object = {
    "route": {"host": HOST},
    "disruptionBudget": False,
    "serviceAccountName": "default",
}
ALWAYS = {"deployments.apps", "services"}
CHILDREN_OF = (
    (FIRST, ALWAYS | {
        "serviceaccounts", "ingresses.networking.k8s.io", "networkpolicies.networking.k8s.io",
        "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy", "servicemonitors.monitoring.coreos.com",
    }),
    (SECOND, ALWAYS | {
        "serviceaccounts", "httproutes.gateway.networking.k8s.io", "scaledobjects.keda.sh",
        "poddisruptionbudgets.policy",
    }),
    (LAST, ALWAYS | {"ingresses.networking.k8s.io"}),
)  # fmt: skip


def granted(*options: str) -> set[Right]:
    """Returns the permissions in the roles that the chart binds to the operator."""
    created = Helm().template(*options, namespace=install.SYSTEM)
    bound = {each["roleRef"]["name"] for each in created if each["kind"] in ("RoleBinding", "ClusterRoleBinding")}
    rules = [rule for each in created if each["kind"] in ("Role", "ClusterRole") and each["metadata"]["name"] in bound
             for rule in each["rules"]]  # fmt: skip
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(product: Product) -> list[dict[str, Any]]:
    """Returns the operator's requests about objects since the node was started."""
    account = f"system:serviceaccount:{install.SYSTEM}:"
    lines = product.node.audit_log.read_text().splitlines()
    events = [json.loads(line) for line in lines if account in line and line.endswith("}")]
    return [each for each in events if each["user"]["username"].startswith(account) and "objectRef" in each]


def right(event: dict[str, Any]) -> Right:
    """Returns the permission that a request needs."""
    about = event["objectRef"]
    resource = "/".join(filter(None, [about["resource"], about.get("subresource")]))
    return (about.get("apiGroup", ""), resource, event["verb"])


def test_permissions_match_usage(product: Product, namespace: str, built: list[images.Image]) -> None:
    began = datetime.now(UTC)
    for definitions in ("monitoring-crds", "keda-crds"):
        text = "\n---\n".join(path.read_text() for path in programs.data(definitions))
        product.node.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    product.node.kubectl("delete", "lease", "--all", f"--namespace={install.SYSTEM}")  # a deleted one is recreated
    product.node.kubectl("rollout", "restart", "deployment", f"--namespace={install.SYSTEM}")  # it discovers APIs again
    product.node.kubectl("rollout", "status", "deployment", f"--namespace={install.SYSTEM}", "--timeout=120s")

    for spec, kinds in CHILDREN_OF:
        product.apply(namespace, "faces", **spec)
        wait_children(product, namespace, kinds)
        for kind in kinds:
            product.node.kubectl("label", "--overwrite", kind, "faces", f"--namespace={namespace}", f"{PART_OF}=mine")
            wait_repaired(product, namespace, kind)

    # A pod whose volume cannot be provided: events say why.
    product.apply(namespace, "faces", **LAST, auth={"mode": "ApiKey", "secretName": "not-there"})
    expected = granted(*install.chart_values(built)) - BY_ADMISSION
    product.node.wait("every right used", lambda: expected <= {right(each) for each in asked(product)})
    # Other tests have uninstalled the chart before: helm removes the roles while the operator is still terminating.
    recent = [each for each in asked(product) if datetime.fromisoformat(each["requestReceivedTimestamp"]) > began]
    decision = "authorization.k8s.io/decision"  # 403 alone is also the response of a terminating namespace
    assert [right(each) for each in recent if each["annotations"][decision] == "forbid"] == []
    assert {right(each) for each in asked(product)} == expected


PART_OF = "app.kubernetes.io/part-of"
KINDS = {f"{kind.plural}.{kind.api_version.rpartition('/')[0]}".rstrip("."): kind for kind in CHILDREN}


def children(product: Product, namespace: str) -> set[str]:
    """Returns resources and groups of the operator's children of the resource, identified by their owners.

    KEDA copies the labels of a ScaledObject to the autoscaler that it creates.
    """
    return {
        name
        for name, kind in KINDS.items()
        for each in product.get(namespace, kind)
        if any(owner["kind"] == RESOURCE.name for owner in each["metadata"].get("ownerReferences", []))
    }


def wait_children(product: Product, namespace: str, kinds: set[str]) -> None:
    product.node.wait(f"the children {sorted(kinds)}", lambda: children(product, namespace) == kinds)


def wait_repaired(product: Product, namespace: str, kind: str) -> None:
    product.node.wait(f"{kind} as it was", lambda: label(product, namespace, kind) != "mine")


def label(product: Product, namespace: str, kind: str) -> str:
    """Returns the current value of the label that somebody edits."""
    found = product.get(namespace, KINDS[kind], "faces")
    return str(found["metadata"]["labels"].get(PART_OF))
