"""What the operator and users may do, according to the real API server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devtools.helm import EVERY_OPTION, Helm
from devtools.k8s.controlplane import ControlPlane, KubectlFailed, attempts

pytestmark = pytest.mark.cluster

OPERATOR = "system:serviceaccount:{namespace}:face-comparison"


def may(plane: ControlPlane, user: str, verb: str, resource: str, *where: str) -> bool:
    """Returns whether the API server lets `user` do this; `where`: options for namespace and subresource."""
    try:
        return plane.kubectl("auth", "can-i", verb, resource, f"--as={user}", *where).strip() == "yes"
    except KubectlFailed:  # "no" is printed with exit status 1
        return False


@pytest.fixture(scope="module")
def other(plane: ControlPlane) -> Iterator[str]:
    """A namespace that is unrelated to the release."""
    plane.kubectl("create", "namespace", "elsewhere")
    yield "elsewhere"
    plane.kubectl("delete", "namespace", "elsewhere", "--wait=false")


FORBIDDEN = [
    ("get", "secrets"),
    ("list", "secrets"),
    ("get", "configmaps"),
    ("create", "pods"),
    ("create", "pods", "--subresource=exec"),
    ("get", "nodes"),
    ("create", "namespaces"),
    ("patch", "customresourcedefinitions.apiextensions.k8s.io"),
    ("create", "facecomparisons.facecomparison.dev"),
    ("delete", "facecomparisons.facecomparison.dev"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
    ("create", "serviceaccounts", "--subresource=token"),
]


def test_operator_of_all_namespaces(plane: ControlPlane, releases: Helm, restricted: str, other: str) -> None:
    releases.install(restricted)
    operator = OPERATOR.format(namespace=restricted)
    assert may(plane, operator, "watch", "facecomparisons.facecomparison.dev", "--all-namespaces")
    assert may(plane, operator, "create", "deployments.apps", f"--namespace={other}")
    allowed = [each for each in FORBIDDEN if may(plane, operator, *each, f"--namespace={other}")]
    assert allowed == []
    lease = "leases.coordination.k8s.io"
    assert may(plane, operator, "update", f"{lease}/face-comparison-operator", f"--namespace={restricted}")
    assert not may(plane, operator, "update", f"{lease}/of-someone-else", f"--namespace={restricted}")
    assert not may(plane, operator, "update", f"{lease}/face-comparison-operator", f"--namespace={other}")


def test_operator_of_one_namespace(plane: ControlPlane, releases: Helm, restricted: str, other: str) -> None:
    releases.install(restricted, f"--set=watchNamespaces={{{restricted}}}")
    operator = OPERATOR.format(namespace=restricted)
    assert may(plane, operator, "watch", "facecomparisons.facecomparison.dev", f"--namespace={restricted}")
    assert may(plane, operator, "create", "deployments.apps", f"--namespace={restricted}")
    assert not may(plane, operator, "watch", "facecomparisons.facecomparison.dev", "--all-namespaces")
    assert not may(plane, operator, "get", "deployments.apps", f"--namespace={other}")
    granted = plane.kubectl("auth", "can-i", "--list", f"--as={operator}", f"--namespace={other}")
    # What every account may do: request information about itself and the API.
    beyond = [line for line in granted.splitlines()[1:] if not line.startswith(("self", " "))]
    assert beyond == []


def test_users_have_no_permissions_by_default(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    """Creators of resources run pods and claim hosts, which editors of a namespace may not do by default."""
    releases.install(restricted)
    resource, here = "facecomparisons.facecomparison.dev", f"--namespace={restricted}"
    plane.kubectl("create", "rolebinding", "edit", "--clusterrole=edit", "--user=editor", here)
    role = f"face-comparison:{restricted}:edit"
    plane.kubectl("create", "rolebinding", "faces", f"--clusterrole={role}", "--user=owner-of-faces", here)
    for _ in attempts(30):
        if may(plane, "owner-of-faces", "create", resource, here):
            break
    assert may(plane, "owner-of-faces", "create", resource, here)
    assert may(plane, "editor", "create", "deployments.apps", here)
    assert not may(plane, "editor", "create", resource, here)
    assert not may(plane, "editor", "get", resource, here)


def test_users_have_the_permissions_of_their_role(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    releases.install(restricted, "--set=rbac.aggregate=true")
    resource, here = "facecomparisons.facecomparison.dev", f"--namespace={restricted}"
    for role in ("view", "edit", "admin"):
        plane.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}", here)
    for _ in attempts(30):  # a controller adds the rules to the cluster's roles
        if may(plane, "admin", "create", resource, here):
            break

    assert may(plane, "view", "watch", resource, here)
    assert not may(plane, "view", "create", resource, here)
    for person in ("edit", "admin"):
        assert may(plane, person, "get", resource, here)
        assert may(plane, person, "create", resource, here)
        assert may(plane, person, "patch", resource, "--subresource=scale", here)
        assert not may(plane, person, "patch", resource, "--subresource=status", here)


def test_no_rule_of_the_chart_is_a_wildcard(helm: Helm) -> None:
    for options in ((), ("--values", EVERY_OPTION)):
        roles = [each for each in helm.template(*options) if each["kind"] in ("Role", "ClusterRole")]
        assert roles
        for role in roles:
            assert role["rules"]
            for rule in role["rules"]:
                assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"], role["metadata"]["name"]
