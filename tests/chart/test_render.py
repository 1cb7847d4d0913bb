"""What the chart renders for its values, with the real helm and without a cluster."""

import functools
import operator
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools import chart_values
from devtools.helm import CHART, EVERY_OPTION, NEEDED, REGISTRY, Helm, HelmFailed, Object, kinds, of_kind

NAME = "face-comparison"
API = "facecomparison.dev/v1alpha1"
KNOWN = ("--api-versions", API)
COMMON = ("example.com/cost-center", "4711")


POLICIES = [
    (kind, f"{NAME}-{about}.operators")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for about in ("children", "pods", "services")
]


def leaves(tree: tuple[chart_values.Value, ...]) -> list[chart_values.Value]:
    """Returns the values that can be set, without those that only contain others."""
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


class TestImages:
    def test_default_to_the_version_of_the_chart(self, helm: Helm) -> None:
        version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
        objects = helm.template()
        images = f"{REGISTRY}/face-comparison"
        assert container(objects)["image"] == f"{images}/operator:{version}"
        assert variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_IMAGE"] == f"{images}/service:{version}"
        assert variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"] == f"{images}/service-gpu:{version}"

    @pytest.mark.parametrize("registry", ["", "team", "team/more"])
    def test_without_a_registry_are_an_error(self, helm: Helm, registry: str) -> None:
        """A container runtime completes such a name with a public registry, where anybody may own it."""
        with pytest.raises(HelmFailed, match="does not include a registry"):
            helm.template(f"--set-string=image.registry={registry}")

    @pytest.mark.parametrize("key", ["operator", "service", "serviceGpu"])
    def test_each_must_have_a_registry(self, helm: Helm, key: str) -> None:
        named = {each: f"registry.example.com/{each.lower()}" for each in ("operator", "service", "serviceGpu")}
        without = {**named, key: "team/faces"}
        helm.template(
            "--set=image.registry=", *(f"--set=image.{each}.repository={name}" for each, name in named.items())
        )
        with pytest.raises(HelmFailed, match='"team/faces" does not include a registry'):
            helm.template(
                "--set=image.registry=", *(f"--set=image.{each}.repository={name}" for each, name in without.items())
            )

    @pytest.mark.parametrize("registry", ["localhost", "registry:5000/team", "10.0.0.1"])
    def test_may_be_in_any_registry(self, helm: Helm, registry: str) -> None:
        assert container(helm.template(f"--set-string=image.registry={registry}"))["image"].startswith(f"{registry}/")

    def test_can_be_pinned_by_digest_in_a_registry(self, helm: Helm) -> None:
        objects = helm.template("--values", EVERY_OPTION)
        assert container(objects)["image"] == f"registry.example.com/team/operators/faces:1.2.3@sha256:{'1' * 64}"
        service = variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_IMAGE"]
        assert service == f"registry.example.com/team/services/faces:4.5.6@sha256:{'2' * 64}"
        on_gpus = variables(objects)["FACE_COMPARISON_OPERATOR_SERVICE_GPU_IMAGE"]
        assert on_gpus == f"registry.example.com/team/services/faces-gpu:7.8.9@sha256:{'3' * 64}"

    def test_trailing_slash_of_registry_is_ignored(self, helm: Helm) -> None:
        image = container(helm.template("--set=image.registry=registry.example.com/"))["image"]
        assert image.startswith(f"{REGISTRY}/face-comparison/operator:")


class TestDefinition:
    def test_is_kept_by_default(self, helm: Helm) -> None:
        kept = of_kind(helm.template(), "CustomResourceDefinition")["metadata"]
        assert kept["annotations"] == {"helm.sh/resource-policy": "keep"}
        dropped = of_kind(helm.template("--set=crds.keep=false"), "CustomResourceDefinition")["metadata"]
        assert "annotations" not in dropped

    def test_can_be_disabled(self, helm: Helm) -> None:
        assert "CustomResourceDefinition" not in dict(kinds(helm.template("--set=crds.enabled=false")))


class TestOperatorPods:
    def test_follow_the_values(self, helm: Helm) -> None:
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
            "FACE_COMPARISON_OPERATOR_PROMETHEUS_AUTHENTICATION": "prometheus",
            "FACE_COMPARISON_OPERATOR_PROMETHEUS_AUTH_MODES": "bearer",
            "FACE_COMPARISON_OPERATOR_STORE_GROUP": "1000",
            "FACE_COMPARISON_OPERATOR_IMAGE_PULL_SECRETS": "registry-credentials,mirror-credentials",
            "FACE_COMPARISON_OPERATOR_SERVICE_MONITOR_LABELS": "release=prometheus",
            "FACE_COMPARISON_OPERATOR_ALLOWED_IMAGES": "registry.example.com/vision/*,registry.example.com/faces:1",
            "FACE_COMPARISON_OPERATOR_ALLOWED_SERVICE_ACCOUNTS": "reader",
            "FACE_COMPARISON_OPERATOR_ALLOWED_SECRETS": "tokens-*",
            "FACE_COMPARISON_OPERATOR_ALLOWED_CONFIG_MAPS": "authorities",
            "FACE_COMPARISON_OPERATOR_ALLOWED_VOLUME_CLAIMS": "models",
            "FACE_COMPARISON_OPERATOR_ALLOWED_ANNOTATIONS": "nginx.ingress.kubernetes.io/proxy-body-size",
            "FACE_COMPARISON_OPERATOR_ALLOWED_VARIABLES": "LC_ALL",
            "FACE_COMPARISON_OPERATOR_ALLOWED_PRIORITY_CLASSES": "faces-*",
            "FACE_COMPARISON_OPERATOR_ALLOWED_HOSTS": "*.example.com",
            "FACE_COMPARISON_OPERATOR_ALLOWED_GATEWAYS": "gateways/public",
            "FACE_COMPARISON_OPERATOR_ALLOWED_RUNTIME_CLASSES": "nvidia",
            "FACE_COMPARISON_OPERATOR_ALLOWED_DEVICES": "nvidia.com/gpu",
            "FACE_COMPARISON_OPERATOR_ALLOWED_RESOURCE_CLAIMS": "gpus",
            "FACE_COMPARISON_OPERATOR_ALLOWED_DNS": "10.0.0.2",
            "FACE_COMPARISON_OPERATOR_ALLOWED_LABELS": "team,example.com/*",
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

    def test_are_recreated_without_leader_election(self, helm: Helm) -> None:
        objects = helm.template("--set=leaderElection=false")
        assert of_kind(objects, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
        assert variables(objects)["FACE_COMPARISON_OPERATOR_LEADER_ELECTION"] == "false"
        assert not [each for each in kinds(objects) if each[1].endswith("-leader")]

    def test_match_their_selectors(self, helm: Helm) -> None:
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

    def test_single_replica_has_no_disruption_budget(self, helm: Helm) -> None:
        assert "PodDisruptionBudget" not in dict(kinds(helm.template()))

    def test_are_not_restarted_by_a_new_chart_version(self, helm: Helm, tmp_path: Path) -> None:
        newer = Path(shutil.copytree(CHART, tmp_path / "newer"))
        about = yaml.safe_load((CHART / "Chart.yaml").read_text())
        (newer / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "9.9.9"}))
        before, after = (of_kind(helm.template(chart=chart), "Deployment") for chart in (CHART, newer))
        assert before["metadata"]["labels"] != after["metadata"]["labels"]
        assert before["spec"] == after["spec"]


class TestAccount:
    def test_can_be_an_existing_one(self, helm: Helm) -> None:
        objects = helm.template("--set=serviceAccount.create=false,serviceAccount.name=there-already")
        assert "ServiceAccount" not in dict(kinds(objects))
        assert of_kind(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "there-already"
        (subject,) = of_kind(objects, "ClusterRoleBinding")["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "there-already", "namespace": "operators"}

    def test_rbac_can_be_disabled(self, helm: Helm) -> None:
        objects = helm.template("--set=rbac.create=false,rbac.aggregate=false")
        assert not [kind for kind, _ in kinds(objects) if "Role" in kind]


def test_single_namespace_has_no_outside_objects(helm: Helm) -> None:
    objects = helm.template("--set=watchNamespaces={operators},crds.enabled=false,rbac.aggregate=false")
    assert {each["metadata"].get("namespace") for each in objects} == {"operators"}


class TestFirstResource:
    CREATE = "--set=faceComparison.create=true,faceComparison.spec.stage=v2"

    @pytest.mark.parametrize("options", [(), KNOWN], ids=["kind unknown", "kind known"])
    def test_is_rendered_once_and_without_hooks(self, helm: Helm, options: tuple[str, ...]) -> None:
        """So that the output of `helm template` can be applied by kubectl or GitOps."""
        made = of_kind(helm.template(self.CREATE, *options), "FaceComparison")
        assert "annotations" not in made["metadata"]
        assert made["metadata"]["namespace"] == "operators"
        assert made["spec"] == {"stage": "v2"}


class TestParentChart:
    """The chart as a dependency of another one, enabled by a condition."""

    @pytest.fixture
    def parent(self, tmp_path: Path) -> Path:
        shutil.copytree(CHART, tmp_path / "charts" / "face-comparison")
        version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
        dependency = {"name": "face-comparison", "version": version, "condition": "face-comparison.enabled"}
        about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
        (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(about))
        return tmp_path

    @pytest.mark.parametrize("enabled", [True, False])
    def test_can_switch_it(self, helm: Helm, parent: Path, enabled: bool) -> None:
        values = {"face-comparison": {"enabled": enabled, "image": {"registry": REGISTRY}}, "global": {"any": "thing"}}
        (parent / "values.yaml").write_text(yaml.safe_dump(values))
        objects = helm.template(chart=parent)
        assert ("Deployment" in dict(kinds(objects))) is enabled

    def test_can_give_it_another_name(self, helm: Helm, parent: Path) -> None:
        about = yaml.safe_load((parent / "Chart.yaml").read_text())
        about["dependencies"][0] |= {"alias": "faces", "condition": "faces.enabled"}
        (parent / "Chart.yaml").write_text(yaml.safe_dump(about))
        values = {"faces": {"enabled": True, "image": {"registry": REGISTRY}}}
        (parent / "values.yaml").write_text(yaml.safe_dump(values))
        objects = helm.template(chart=parent)
        labels = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        assert of_kind(objects, "Service")["spec"]["selector"].items() <= labels.items()


class TestEveryCluster:
    @pytest.mark.parametrize(
        ("options", "group"),
        [
            ((), "65532"),
            (("--api-versions=security.openshift.io/v1",), ""),
            (("--set=storeGroup=none",), ""),
            (("--set=storeGroup=1000", "--api-versions=security.openshift.io/v1"), "1000"),
        ],
        ids=["elsewhere", "OpenShift", "left to the cluster", "named"],
    )
    def test_group_of_an_embedded_store(self, helm: Helm, options: tuple[str, ...], group: str) -> None:
        assert variables(helm.template(*options))["FACE_COMPARISON_OPERATOR_STORE_GROUP"] == group

    def test_operator_pods_go_to_linux(self, helm: Helm) -> None:
        """In addition to other requirements for the node."""
        objects = helm.template("--set=nodeSelector.disk=ssd")
        for pod in (of_kind(objects, "Pod")["spec"], of_kind(objects, "Deployment")["spec"]["template"]["spec"]):
            assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "ssd"}

    def test_every_object_gets_the_common_labels(self, helm: Helm) -> None:
        objects = helm.template("--values", EVERY_OPTION, *KNOWN, "--set=faceComparison.create=true")
        objects.append(of_kind(objects, "Deployment")["spec"]["template"] | {"kind": "template"})
        assert [each["kind"] for each in objects if each["metadata"]["labels"].get(COMMON[0]) != COMMON[1]] == []

    def test_common_labels_reach_no_selector(self, helm: Helm) -> None:
        """Selectors are immutable: if they contained a label, it could never be changed."""
        deployment = of_kind(helm.template("--values", EVERY_OPTION), "Deployment")
        assert COMMON[0] not in deployment["spec"]["selector"]["matchLabels"]

    def test_no_object_pins_an_address_family(self, helm: Helm) -> None:
        text = yaml.safe_dump(helm.template("--values", EVERY_OPTION))
        assert not re.search(r"\b(0\.0\.0\.0|127\.0\.0\.1|ipFamil)", text)


class TestRolesOfPeople:
    @pytest.mark.parametrize("options", [(), ("--set=watchNamespaces={faces}",)])
    def test_are_granted_to_nobody_by_default(self, helm: Helm, options: tuple[str, ...]) -> None:
        roles = [each for each in helm.template(*options) if each["kind"] == "ClusterRole"]
        labels = {label for role in roles for label in role["metadata"]["labels"]}
        assert not [label for label in labels if label.startswith("rbac.authorization.k8s.io/aggregate-to-")]

    def test_can_be_added_to_the_roles_of_the_cluster(self, helm: Helm) -> None:
        roles = [each for each in helm.template("--set=rbac.aggregate=true") if each["kind"] == "ClusterRole"]
        labels = {label for role in roles for label in role["metadata"]["labels"]}
        assert {f"rbac.authorization.k8s.io/aggregate-to-{role}" for role in ("view", "edit")} <= labels


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ((), True),
        (("--set=watchNamespaces={faces}",), False),
        (("--set=watchNamespaces={faces}", "--set=admissionPolicy.operator=Always"), True),
        (("--set=admissionPolicy.operator=Never",), False),
    ],
)
def test_admission_policy(helm: Helm, options: tuple[str, ...], made: bool) -> None:
    assert bool([each for each in helm.template(*options) if each["kind"] == "ValidatingAdmissionPolicy"]) is made


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
    arguments: tuple[str | Path, ...] = (
        "face-comparison",
        CHART,
        "--namespace=operators",
        "--dry-run=client",
        *NEEDED,
        *options,
    )
    notes = helm.run("install", *arguments).partition("NOTES:")[2]
    assert [each for each in expected if each not in notes] == []
    assert notes.index("delete facecomparisons --all") < notes.index("helm uninstall")
    assert notes.index("helm uninstall") < notes.index("kubectl delete customresourcedefinition")
