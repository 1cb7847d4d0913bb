"""The values of the chart, with the real helm and without a cluster: defaults, every option, and what is rejected."""

import functools
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools import chart_values
from devtools.helm import CHART, EVERY_OPTION, Helm, HelmFailed, kinds, of_kind
from support.rendered import KNOWN, NAME, variables

POLICIES = [
    (kind, f"{NAME}-{about}.operators")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for about in ("children", "pods", "services")
]


def leaves(tree: tuple[chart_values.Value, ...]) -> list[chart_values.Value]:
    """Returns the values that can be set, without those that only contain others."""
    return [leaf for value in tree for leaf in (leaves(value.children) if value.children else [value])]


VALUES = chart_values.values((CHART / "values.yaml").read_text())


@pytest.mark.parametrize("options", [(), ("--values", EVERY_OPTION)], ids=["defaults", "every option"])
def test_lint_finds_nothing(helm: Helm, options: tuple[str, ...]) -> None:
    report = helm.run("lint", "--strict", CHART, *options)
    assert "[WARNING]" not in report


def test_defaults(helm: Helm) -> None:
    assert kinds(helm.template()) == [
        ("ClusterRole", f"{NAME}:operators"),
        ("ClusterRole", f"{NAME}:operators:edit"),
        ("ClusterRole", f"{NAME}:operators:view"),
        ("ClusterRoleBinding", f"{NAME}:operators"),
        ("CustomResourceDefinition", "facecomparisons.facecomparison.dev"),
        ("Deployment", NAME),
        ("Lease", f"{NAME}-operator"),
        ("Pod", f"{NAME}-test"),
        ("Role", f"{NAME}-leader"),
        ("RoleBinding", f"{NAME}-leader"),
        ("Service", f"{NAME}-metrics"),
        ("ServiceAccount", NAME),
        *POLICIES,
    ]


def test_each_release_may_write_its_own_lease(helm: Helm) -> None:
    """Two releases that shared one would alternate, although each serves namespaces that the other does not."""
    objects = helm.template("--set=fullnameOverride=team-b")
    assert variables(objects)["FACE_COMPARISON_OPERATOR_LEASE_NAME"] == "team-b-operator"
    rules = of_kind(objects, "Role")["rules"]
    assert [rule["resourceNames"] for rule in rules if "resourceNames" in rule] == [["team-b-operator"]]


def test_every_option(helm: Helm) -> None:
    name = "operator-of-faces"
    assert kinds(helm.template("--values", EVERY_OPTION, *KNOWN)) == [
        ("ClusterRole", f"{name}:operators:edit"),
        ("ClusterRole", f"{name}:operators:view"),
        ("ConfigMap", f"{name}-dashboard"),
        ("CustomResourceDefinition", "facecomparisons.facecomparison.dev"),
        ("Deployment", name),
        ("FaceComparison", "first-faces"),
        ("Lease", f"{name}-operator"),
        ("NetworkPolicy", name),
        ("Pod", f"{name}-test"),
        ("PodDisruptionBudget", name),
        ("PrometheusRule", name),
        ("Role", f"{name}-leader"),
        ("Role", f"{name}:operators"),
        ("Role", f"{name}:operators"),
        ("RoleBinding", f"{name}-leader"),
        ("RoleBinding", f"{name}:operators"),
        ("RoleBinding", f"{name}:operators"),
        ("Service", f"{name}-metrics"),
        ("ServiceAccount", "faces-account"),
        ("ServiceMonitor", name),
        *((kind, policy.replace(NAME, name)) for kind, policy in POLICIES),
    ]


def test_every_option_file_is_complete() -> None:
    def keys(tree: tuple[chart_values.Value, ...], given: dict[str, Any]) -> Iterator[str]:
        for value in tree:
            key = value.path.rpartition(".")[2]
            if key not in given:
                yield value.path
            elif value.children:
                yield from keys(value.children, given[key])

    assert list(keys(VALUES, yaml.safe_load(EVERY_OPTION.read_text()))) == []


@pytest.mark.parametrize("value", leaves(VALUES), ids=lambda value: value.path)
def test_every_value_makes_a_difference(helm: Helm, value: chart_values.Value, tmp_path: Path) -> None:
    given = yaml.safe_load(EVERY_OPTION.read_text())
    *parents, key = value.path.split(".")
    place = functools.reduce(operator.getitem, parents, given)
    usual = (
        value.default if place[key] != value.default else {} if isinstance(value.default, dict) else not value.default
    )
    place[key] = usual
    (changed := tmp_path / "values.yaml").write_text(yaml.safe_dump(given))

    before = helm.run("template", NAME, CHART, "--values", EVERY_OPTION, *KNOWN)
    try:
        after = helm.run("template", NAME, CHART, "--values", changed, *KNOWN)
    except HelmFailed as refused:  # two contradicting values
        after = str(refused)
    assert after != before


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("replica=2", "replica"),
        ("crds.keeep=true", "keeep"),
        ("image.operator.name=x", "name"),
        ("monitoring.serviceMonitor.on=true", "on"),
        ("replicas=two", "replicas"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.operator.digest=sha256:short", "digest"),
        ("watchNamespaces=faces", "watchNamespaces"),
        ("watchNamespaces={a\\,b}", "watchNamespaces"),
        ("podLabels.app\\.kubernetes\\.io/name=other", "invalid propertyName"),
        ("faceComparison.name=1faces", "faceComparison"),
        ("storeGroup=staff", "storeGroup"),
    ],
)
def test_schema_rejects(helm: Helm, option: str, complaint: str) -> None:
    with pytest.raises(HelmFailed, match="(?s)don't meet the specifications of the schema.*" + complaint):
        helm.template("--set", option)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["replicas=2", "leaderElection=false"], "more than one replica requires leaderElection"),
        (["monitoring.service=false", "monitoring.serviceMonitor.enabled=true"], "requires monitoring.service"),
        (["watchNamespaces={faces}", "faceComparison.create=true"], 'does not include its namespace "operators"'),
    ],
)
def test_contradicting_values_are_rejected(helm: Helm, options: list[str], complaint: str) -> None:
    with pytest.raises(HelmFailed, match=complaint):
        helm.template(*(f"--set={option}" for option in options))


def test_old_kubernetes_is_rejected(helm: Helm) -> None:
    with pytest.raises(HelmFailed, match=r"incompatible with Kubernetes v1\.29"):
        helm.template("--kube-version", "1.29.9")
