"""What the chart makes of its values, rendered by the real helm without a cluster."""

import functools
import operator
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools import chart_values
from devtools.helm import CHART, EVERY_OPTION, Helm, HelmFailed, Object, kinds, of_kind

NAME = "face-comparison"
API = "facecomparison.dev/v1alpha1"
KNOWN = ("--api-versions", API)


def leaves(tree: tuple[chart_values.Value, ...]) -> list[chart_values.Value]:
    """The values that can be set, without those that only hold others."""
    return [leaf for value in tree for leaf in (leaves(value.children) if value.children else [value])]


VALUES = chart_values.values((CHART / "values.yaml").read_text())


def container(objects: list[Object]) -> dict[str, Any]:
    (found,) = of_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def variables(objects: list[Object]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(objects)["env"]}


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
        ("Role", f"{NAME}-leader"),
        ("RoleBinding", f"{NAME}-leader"),
        ("Service", f"{NAME}-metrics"),
        ("ServiceAccount", NAME),
    ]


def test_each_release_has_a_lease_of_its_own_and_may_write_it(helm: Helm) -> None:
    """Two that shared one would take turns, and each serves namespaces that the other does not."""
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
        ("NetworkPolicy", name),
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
    ]


def test_every_option_is_set_in_the_file_that_sets_every_option() -> None:
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
    except HelmFailed as refused:  # two values that contradict each other
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
    ],
)
def test_schema_refuses(helm: Helm, option: str, complaint: str) -> None:
    with pytest.raises(HelmFailed, match="(?s)don't meet the specifications of the schema.*" + complaint):
        helm.template("--set", option)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["replicas=2", "leaderElection=false"], "more than one operator needs leaderElection"),
        (["monitoring.service=false", "monitoring.serviceMonitor.enabled=true"], "needs monitoring.service"),
        (["watchNamespaces={faces}", "faceComparison.create=true"], 'does not name its namespace "operators"'),
    ],
)
def test_values_that_contradict_each_other(helm: Helm, options: list[str], complaint: str) -> None:
    with pytest.raises(HelmFailed, match=complaint):
        helm.template(*(f"--set={option}" for option in options))


def test_kubernetes_that_is_too_old_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmFailed, match=r"incompatible with Kubernetes v1\.29"):
        helm.template("--kube-version", "1.29.9")


class TestImages:
    def test_default_to_the_version_of_the_chart(self, helm: Helm) -> None:
        version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
        objects = helm.template()
        assert container(objects)["image"] == f"face-comparison/operator:{version}"
        assert variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_IMAGE"] == f"face-comparison/service:{version}"
        on_gpus = variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"]
        assert on_gpus == f"face-comparison/service-gpu:{version}"

    def test_can_be_pinned_by_digest_in_a_registry(self, helm: Helm) -> None:
        objects = helm.template("--values", EVERY_OPTION)
        assert container(objects)["image"] == f"registry.example.com/team/operators/faces:1.2.3@sha256:{'1' * 64}"
        service = variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_IMAGE"]
        assert service == f"registry.example.com/team/services/faces:4.5.6@sha256:{'2' * 64}"
        on_gpus = variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"]
        assert on_gpus == f"registry.example.com/team/services/faces-gpu:7.8.9@sha256:{'3' * 64}"

    def test_a_slash_after_the_registry_does_no_harm(self, helm: Helm) -> None:
        image = container(helm.template("--set=image.registry=registry.example.com/"))["image"]
        assert image.startswith("registry.example.com/face-comparison/operator:")


class TestDefinition:
    def test_is_kept_unless_told_otherwise(self, helm: Helm) -> None:
        kept = of_kind(helm.template(), "CustomResourceDefinition")["metadata"]
        assert kept["annotations"] == {"helm.sh/resource-policy": "keep"}
        dropped = of_kind(helm.template("--set=crds.keep=false"), "CustomResourceDefinition")["metadata"]
        assert "annotations" not in dropped

    def test_can_be_left_to_someone_else(self, helm: Helm) -> None:
        assert "CustomResourceDefinition" not in dict(kinds(helm.template("--set=crds.enabled=false")))


class TestOperatorPods:
    def test_get_what_the_values_say(self, helm: Helm) -> None:
        deployment = of_kind(objects := helm.template("--values", EVERY_OPTION), "Deployment")["spec"]
        given = yaml.safe_load(EVERY_OPTION.read_text())
        pod = deployment["template"]
        assert deployment["replicas"] == 2
        assert pod["metadata"]["labels"]["example.com/team"] == "vision"
        assert pod["metadata"]["annotations"] == given["podAnnotations"]
        for key in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"):
            assert pod["spec"][key] == given[key]
        assert pod["spec"]["imagePullSecrets"] == given["image"]["pullSecrets"]
        assert pod["spec"]["serviceAccountName"] == "faces-account"
        assert container(objects)["imagePullPolicy"] == "Always"
        assert container(objects)["resources"] == given["resources"]
        images = {"FACE_COMPARISON_OPERATOR_SERVICE_IMAGE", "FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"}
        assert {name: value for name, value in variables(objects).items() if name not in images} == {
            "FACE_COMPARISON_OPERATOR_NAMESPACES": "faces,more-faces",
            "FACE_COMPARISON_OPERATOR_PROMETHEUS_ADDRESS": "http://prometheus.example.com:9090",
            "FACE_COMPARISON_OPERATOR_LEADER_ELECTION": "true",
            "FACE_COMPARISON_OPERATOR_LEASE_NAME": "operator-of-faces-operator",
            "FACE_COMPARISON_OPERATOR_LOG_LEVEL": "debug",
            "FACE_COMPARISON_OPERATOR_METRICS_PORT": "8080",
            "FACE_COMPARISON_OPERATOR_HEALTH_PORT": "8081",
            "HTTPS_PROXY": "http://proxy.example.com:3128",
        }

    def test_are_confined(self, helm: Helm) -> None:
        pod = of_kind(objects := helm.template(), "Deployment")["spec"]["template"]["spec"]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container(objects)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["enableServiceLinks"] is False
        assert of_kind(objects, "ServiceAccount")["automountServiceAccountToken"] is False

    def test_without_election_one_stops_before_the_next_starts(self, helm: Helm) -> None:
        objects = helm.template("--set=leaderElection=false")
        assert of_kind(objects, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
        assert variables(objects)["FACE_COMPARISON_OPERATOR_LEADER_ELECTION"] == "false"
        assert not [each for each in kinds(objects) if each[1].endswith("-leader")]

    def test_are_found_by_what_selects_them(self, helm: Helm) -> None:
        objects = helm.template("--values", EVERY_OPTION)
        labels = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        selectors = [
            of_kind(objects, "Deployment")["spec"]["selector"]["matchLabels"],
            of_kind(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            of_kind(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            of_kind(objects, "Service")["spec"]["selector"],
        ]
        for selector in selectors:
            assert selector.items() <= labels.items()
        monitored = of_kind(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        assert monitored.items() <= of_kind(objects, "Service")["metadata"]["labels"].items()

    def test_one_alone_has_no_disruption_budget(self, helm: Helm) -> None:
        assert "PodDisruptionBudget" not in dict(kinds(helm.template()))

    def test_are_not_restarted_by_a_chart_that_only_has_a_new_version(self, helm: Helm, tmp_path: Path) -> None:
        newer = Path(shutil.copytree(CHART, tmp_path / "newer"))
        about = yaml.safe_load((CHART / "Chart.yaml").read_text())
        (newer / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "9.9.9"}))
        before, after = (of_kind(helm.template(chart=chart), "Deployment") for chart in (CHART, newer))
        assert before["metadata"]["labels"] != after["metadata"]["labels"]
        assert before["spec"] == after["spec"]


class TestAccount:
    def test_can_be_one_that_exists(self, helm: Helm) -> None:
        objects = helm.template("--set=serviceAccount.create=false,serviceAccount.name=there-already")
        assert "ServiceAccount" not in dict(kinds(objects))
        assert of_kind(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "there-already"
        (subject,) = of_kind(objects, "ClusterRoleBinding")["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "there-already", "namespace": "operators"}

    def test_rights_can_be_left_to_someone_else(self, helm: Helm) -> None:
        objects = helm.template("--set=rbac.create=false,rbac.aggregate=false")
        assert not [kind for kind, _ in kinds(objects) if "Role" in kind]


def test_one_namespace_alone_has_no_object_outside_it(helm: Helm) -> None:
    objects = helm.template("--set=watchNamespaces={operators},crds.enabled=false,rbac.aggregate=false")
    assert {each["metadata"].get("namespace") for each in objects} == {"operators"}


class TestFirstResource:
    CREATE = "--set=faceComparison.create=true,faceComparison.spec.stage=v2"

    def test_is_a_hook_that_an_upgrade_can_take_over_while_its_kind_is_unknown(self, helm: Helm) -> None:
        made, emptied = [each for each in helm.template(self.CREATE) if each["kind"] == "FaceComparison"]
        assert made["metadata"]["annotations"] == {
            "helm.sh/hook": "post-install,post-rollback",
            "helm.sh/hook-delete-policy": "before-hook-creation",
            "meta.helm.sh/release-name": "face-comparison",
            "meta.helm.sh/release-namespace": "operators",
        }
        assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert made["spec"] == {"stage": "v2"}
        assert emptied["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
        assert emptied["spec"]["replicas"] == 0

    def test_is_an_object_of_the_release_once_its_kind_is_known(self, helm: Helm) -> None:
        made = of_kind(helm.template(self.CREATE, *KNOWN), "FaceComparison")
        assert "annotations" not in made["metadata"]
        assert made["metadata"]["namespace"] == "operators"
        assert made["spec"] == {"stage": "v2"}


def test_every_object_carries_the_recommended_labels(helm: Helm) -> None:
    wanted = {
        f"app.kubernetes.io/{each}" for each in ("name", "instance", "component", "part-of", "managed-by", "version")
    }
    objects = helm.template("--values", EVERY_OPTION, *KNOWN)
    assert [each["kind"] for each in objects if not wanted <= each["metadata"].get("labels", {}).keys()] == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["kubectl apply -f -", "--all --all-namespaces", "helm uninstall face-comparison --namespace operators"]),
        (("--set=faceComparison.create=true",), ["wait --for=condition=Ready", "facecomparison/face-comparison"]),
        (("--set=watchNamespaces={faces}",), ["namespace: faces", "the namespaces faces", "--namespace faces delete"]),
    ],
)
def test_notes_say_what_comes_next(helm: Helm, options: tuple[str, ...], expected: list[str]) -> None:
    arguments = ("face-comparison", CHART, "--namespace=operators", "--dry-run=client", *options)
    notes = helm.run("install", *arguments).partition("NOTES:")[2]
    assert [each for each in expected if each not in notes] == []
    assert notes.index("delete facecomparisons --all") < notes.index("helm uninstall")
    assert notes.index("helm uninstall") < notes.index("kubectl delete customresourcedefinition")
